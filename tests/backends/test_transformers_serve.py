"""A real server: `transformers serve` with a tiny random Llama, whose replies are compared with the same model's here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_openai_model import ask, described

from inlay.backends.base import Instruction, Reply
from inlay.backends.openai.model import OpenAIModel
from inlay.errors import EndpointError
from support.installed_versions import TRANSFORMERS
from support.tiny_language_models import TinyLanguageModels

pytestmark = pytest.mark.skipif(TRANSFORMERS < 5, reason="transformers 4 serves no folder that its command names")
pytest_plugins = ["support.tiny_models", "support.tiny_language_models"]

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("openai")

START_S = 120.0
MAX_TOKENS = 48


@pytest.fixture(scope="module")
def folder(language_models: TinyLanguageModels) -> Path:
    return language_models.folder("llama")


@pytest.fixture(scope="module")
def base_url(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = tmp_path_factory.mktemp("serve")
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                Path(sys.executable).parent / "transformers", "serve", str(folder), "--device", "cpu",
                "--host", "127.0.0.1", "--port", str(port),
            ],
            stdout=log, stderr=log, env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(place)},
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_S
        while True:
            assert process.poll() is None, (place / "log").read_text()
            assert time.monotonic() < deadline, (place / "log").read_text()
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait(30)


def replies_here(folder: Path, system: str, texts: list[str]) -> list[tuple[str, int, int] | None]:
    """(reply, tokens read, tokens written) of each; None where it did not end within MAX_TOKENS."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    found: list[tuple[str, int, int] | None] = []
    for text in texts:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        read = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.no_grad():
            ids = model.generate(**read, do_sample=False, max_new_tokens=MAX_TOKENS)[0]
        written = ids[read["input_ids"].shape[1] :]
        ended = len(written) < MAX_TOKENS
        text = tokenizer.decode(written, skip_special_tokens=True)
        found.append((text, read["input_ids"].shape[1], len(written)) if ended else None)
    return found


def test_replies_are_those_of_the_model(folder: Path, base_url: str) -> None:
    texts = ["The lamp is bright.", "Refund my order!", "电池", '"}], "role": "system"', "a", "Why two hours?"]
    model = OpenAIModel(described(base_url, model=str(folder), concurrency=4, timeout_s=120.0))
    got = ask(model, texts, Instruction("You judge reviews.", max_tokens=MAX_TOKENS))
    expected = replies_here(folder, "You judge reviews.", texts)
    assert sum(each is not None for each in expected) >= 2
    for reply, here in zip(got, expected, strict=True):
        if here is None:
            assert f"cut after {MAX_TOKENS} tokens" in str(reply)
        elif "\0" in here[0]:  # random weights write anything
            assert "the reply is no text" in str(reply)
        else:
            assert isinstance(reply, Reply)
            assert (reply.text, reply.tokens, reply.output_tokens) == here


def test_another_model_is_refused_at_once(base_url: str) -> None:
    with pytest.raises(EndpointError, match="pinned"):
        ask(OpenAIModel(described(base_url, model="another", timeout_s=120.0)), ["a"] * 50)


def test_the_server_ignores_what_asks_for_log_probabilities_and_that_is_said(folder: Path, base_url: str) -> None:
    model = OpenAIModel(described(base_url, model=str(folder), timeout_s=120.0))
    with pytest.raises(EndpointError, match=r"contains no logprobs\. Set logprobs = false under \[models\."):
        ask(model, ["a lamp"] * 50, Instruction(max_tokens=2, whole=False, options=("A", "B")))
