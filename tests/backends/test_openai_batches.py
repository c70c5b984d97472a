"""A provider's Batch API: answers by identity, and a process that was killed finds its batches again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from test_openai_model import CANARY, SCHEMA, described, replies
from test_openai_model import ask as told_of_each

from inlay.backends.base import Instruction, Reply
from inlay.backends.openai import batches as openai_batches
from inlay.backends.openai.batches import OpenAIBatchModel
from inlay.errors import BudgetExceededError, EndpointError
from support.fault_server import FaultServer
from support.paths import TESTS

pytestmark = pytest.mark.usefixtures("short_waits")


class FolderJournal:
    """BatchJournal: one file a name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def save(self, name: str, state: dict[str, Any]) -> None:
        (self.folder / name).write_text(json.dumps(state))


def batch_model(
    server: FaultServer, folder: Path, direct_rows: int = 3, poll_s: float = 0.02, **endpoint: Any
) -> OpenAIBatchModel:
    ref = described(server.base_url, batch=True, **endpoint)
    return OpenAIBatchModel(ref, FolderJournal(folder), direct_rows=direct_rows, poll_s=poll_s)


def ask(model: OpenAIBatchModel, texts: Sequence[str], *given: Any, **options: Any) -> list[Reply | str | None]:
    """Keys are the texts."""
    return told_of_each(model, texts, *given, keys=list(texts), **options)


def entries(folder: Path) -> list[dict[str, Any]]:
    return [entry for path in folder.iterdir() for entry in json.loads(path.read_text())["batches"]]


TEXTS = [f"row {n}" for n in range(200)]


def test_answers_are_rows_answers_by_identity(server: FaultServer, tmp_path: Path) -> None:
    texts = [*TEXTS, "a <<400>>", "b <<expired>>", "c <<lost>>"]
    spent: list[int] = []
    got = ask(batch_model(server, tmp_path), texts, spend=lambda tokens, _output_tokens: spent.append(tokens))
    assert replies(got) == [f"echo: {text}" for text in TEXTS] + [None] * 3
    assert got[1] == Reply("echo: row 1", len("row 1"), len("echo: row 1"))
    assert "too long for this model" in str(got[200])
    assert "could not be executed in time" in str(got[201])
    assert str(got[202]) == "the batch has ended (expired) without an answer for this row"
    assert len(server.batches) == 1
    assert server.requests == 1  # the first row, asked directly
    assert len(spent) == len(texts)


def test_what_is_uploaded(server: FaultServer, tmp_path: Path) -> None:
    ask(batch_model(server, tmp_path), TEXTS[:10], Instruction("Be brief.", max_tokens=7))
    lines = [json.loads(line) for line in server.files["file-0"].splitlines()]
    assert len({line["custom_id"] for line in lines}) == len(lines) == 9
    assert all(len(line["custom_id"]) == 64 for line in lines)
    assert all((line["method"], line["url"]) == ("POST", "/v1/chat/completions") for line in lines)
    assert lines[0]["body"]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "row 1"},
    ]
    assert lines[0]["body"]["max_tokens"] == 7


def test_few_rows_are_asked_directly(server: FaultServer, tmp_path: Path) -> None:
    assert replies(ask(batch_model(server, tmp_path), ["a", "b", "c"])) == ["echo: a", "echo: b", "echo: c"]
    assert (server.requests, len(server.batches)) == (3, 0)


def test_what_the_server_does_not_take_shows_before_the_batch(tmp_path: Path) -> None:
    with FaultServer(rejects=("max_tokens", "seed")) as server:
        ask(batch_model(server, tmp_path), TEXTS[:10])
        body = json.loads(server.files["file-0"].splitlines()[0])["body"]
        assert set(body) == {"model", "max_completion_tokens", "temperature", "messages"}
    with FaultServer() as server:
        with pytest.raises(EndpointError, match="does not exist"):
            ask(batch_model(server, tmp_path, model="other"), TEXTS)
        assert not server.files


def test_replies_are_held_against_the_schema(server: FaultServer, tmp_path: Path) -> None:
    got = ask(batch_model(server, tmp_path), TEXTS[:9], Instruction(schema=SCHEMA))
    assert replies(got) == [f'{{"echo":"{text}"}}' for text in TEXTS[:9]]
    # Found again, an answer that is not valid is asked for anew, and the others are not.
    for name, file in server.files.items():
        server.files[name] = file.replace(b'\\"row 5\\"', b"5")
    again = ask(batch_model(server, tmp_path), TEXTS[4:7], Instruction(schema=SCHEMA))
    assert replies(again) == ['{"echo":"row 4"}', '{"echo":"row 5"}', '{"echo":"row 6"}']
    assert [body["messages"][0]["content"] for body in server.bodies] == ["row 0", "row 5"]


def test_many_rows_are_several_batches(server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_batches, "MOST_ROWS", 60)
    assert replies(ask(batch_model(server, tmp_path), TEXTS)) == [f"echo: {text}" for text in TEXTS]
    assert [len(server.files[batch["input_file_id"]].splitlines()) for batch in server.batches.values()] == [
        60,
        60,
        60,
        19,
    ]
    monkeypatch.setattr(openai_batches, "MOST_ROWS", 50_000)
    monkeypatch.setattr(openai_batches, "MOST_BYTES", 20_000)
    server.files.clear()
    server.batches.clear()
    texts = [f"other {text}" for text in TEXTS]
    assert replies(ask(batch_model(server, tmp_path), texts)) == [f"echo: {text}" for text in texts]
    uploaded = [server.files[batch["input_file_id"]] for batch in server.batches.values()]
    assert len(uploaded) > 2
    assert all(len(file) <= 20_000 for file in uploaded)


def test_a_call_that_is_stopped_leaves_its_batch_running(server: FaultServer, tmp_path: Path) -> None:
    server.polls_until_done = 1_000_000
    got = ask(batch_model(server, tmp_path), TEXTS, stopped=lambda: bool(server.batches))
    assert sum(reply is not None for reply in got) == 1
    server.polls_until_done = 1
    left = [text for text, reply in zip(TEXTS, got, strict=True) if reply is None]
    spent: list[int] = []
    again = ask(batch_model(server, tmp_path), left, spend=lambda tokens, _output_tokens: spent.append(tokens))
    assert replies(again) == [f"echo: {text}" for text in left]
    assert (len(server.batches), server.requests, spent) == (1, 1, [])
    assert [entry["delivered"] for entry in entries(tmp_path)] == [True]


def test_rows_of_another_batch_do_not_wait_for_it(server: FaultServer, tmp_path: Path) -> None:
    server.polls_until_done = 1_000_000
    # It looks at its batch once, and would do so again in a minute: no look is on its way when it has stopped.
    waits = batch_model(server, tmp_path, poll_s=60.0)
    ask(waits, TEXTS, stopped=lambda: any(batch["polls"] for batch in server.batches.values()))
    server.polls_until_done = 1
    first = server.batches["batch-0"]
    polls = first["polls"]
    others = [f"other {text}" for text in TEXTS]
    assert replies(ask(batch_model(server, tmp_path), others)) == [f"echo: {text}" for text in others]
    assert (len(server.batches), first["polls"]) == (2, polls)
    # Nor does another question about the same rows.
    ask(batch_model(server, tmp_path), TEXTS, Instruction("Shout."))
    assert (len(server.batches), first["polls"]) == (3, polls)


def test_a_batch_made_while_the_connection_broke_is_not_made_twice(server: FaultServer, tmp_path: Path) -> None:
    server.drops_new_batches = 1
    assert replies(ask(batch_model(server, tmp_path), TEXTS)) == [f"echo: {text}" for text in TEXTS]
    assert len(server.batches) == 1


def test_a_download_that_breaks_is_begun_again(server: FaultServer, tmp_path: Path) -> None:
    server.drops_downloads = 2
    assert replies(ask(batch_model(server, tmp_path), TEXTS)) == [f"echo: {text}" for text in TEXTS]
    assert server.drops_downloads == 0


def test_a_file_that_was_uploaded_before_a_crash_becomes_one_batch(server: FaultServer, tmp_path: Path) -> None:
    server.polls_until_done = 1_000_000
    ask(batch_model(server, tmp_path), TEXTS, stopped=lambda: bool(server.batches))
    server.polls_until_done = 1
    (path,) = tmp_path.iterdir()
    for made in (True, False):  # the crash was after the provider had made the batch, or before
        if not made:
            server.batches.clear()
        state = json.loads(path.read_text())
        state["batches"][0].update(batch="", delivered=False)
        path.write_text(json.dumps(state))
        assert replies(ask(batch_model(server, tmp_path), TEXTS[1:])) == [f"echo: {text}" for text in TEXTS[1:]]
        assert len(server.batches) == 1
        assert {batch["input_file_id"] for batch in server.batches.values()} == {"file-0"}
    assert server.requests == 1


def test_answers_that_were_lost_after_delivery_come_from_the_provider_again(
    server: FaultServer, tmp_path: Path
) -> None:
    texts = [*TEXTS[:50], "a <<400>>", "b <<400>>", "c <<400>>", "d <<400>>"]
    ask(batch_model(server, tmp_path), texts)
    asked = server.requests
    again = ask(batch_model(server, tmp_path), texts[1:])
    assert replies(again) == [f"echo: {text}" for text in texts[1:50]] + [None] * 4
    # What had failed is asked anew: four rows, one of them directly, and the three others.
    assert server.requests == asked + 1
    assert len(server.batches) == 2


def test_a_batch_that_the_provider_refuses_is_no_rows_fault(server: FaultServer, tmp_path: Path) -> None:
    server.batch_refusal = "Enqueued token limit reached"
    with pytest.raises(EndpointError, match="refused the batch: Enqueued token limit reached"):
        ask(batch_model(server, tmp_path), TEXTS)
    assert entries(tmp_path) == []
    server.batch_refusal = ""
    assert replies(ask(batch_model(server, tmp_path), TEXTS)) == [f"echo: {text}" for text in TEXTS]


def test_a_batch_that_the_provider_has_forgotten_is_made_again(server: FaultServer, tmp_path: Path) -> None:
    server.polls_until_done = 1_000_000
    ask(batch_model(server, tmp_path), TEXTS, stopped=lambda: bool(server.batches))
    server.batches.clear()
    server.polls_until_done = 1
    assert replies(ask(batch_model(server, tmp_path), TEXTS)) == [f"echo: {text}" for text in TEXTS]
    assert len(server.batches) == 1


def test_what_a_budget_does_not_allow_is_in_no_batch(server: FaultServer, tmp_path: Path) -> None:
    allowed = 20

    def spend(_tokens: int, _output_tokens: int) -> None:
        nonlocal allowed
        if not allowed:
            raise BudgetExceededError("max_tokens is 20")
        allowed -= 1

    got: list[Reply | str | None] = [None] * len(TEXTS)
    with pytest.raises(BudgetExceededError):
        ask(batch_model(server, tmp_path), TEXTS, into=got, spend=spend)
    assert replies(got) == [f"echo: {text}" for text in TEXTS[:20]] + [None] * 180


def test_the_key_is_in_no_file(server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", CANARY)
    server.key = CANARY
    got = ask(batch_model(server, tmp_path, api_key_env="TEST_KEY"), [*TEXTS[:10], "a <<400>>"])
    assert replies(got)[:10] == [f"echo: {text}" for text in TEXTS[:10]]
    assert CANARY not in repr(got) + repr(entries(tmp_path)) + "".join(file.decode() for file in server.files.values())


_PROGRAM = """
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_openai_batches import TEXTS, FolderJournal, OpenAIBatchModel, ask, described
ask(OpenAIBatchModel(described({base_url!r}), FolderJournal(Path({folder!r})), poll_s=0.02), TEXTS)
"""


def test_a_process_that_was_killed_finds_its_batch_again(server: FaultServer, tmp_path: Path) -> None:
    server.polls_until_done = 1_000_000
    program = _PROGRAM.format(
        path=[str(Path(__file__).parent), str(TESTS)], base_url=server.base_url, folder=str(tmp_path)
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.monotonic() + 60
    while not any(batch["polls"] for batch in list(server.batches.values())):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    server.polls_until_done = 1
    assert replies(ask(batch_model(server, tmp_path), TEXTS)) == [f"echo: {text}" for text in TEXTS]
    assert len(server.batches) == 1
    assert server.attempts == dict.fromkeys(TEXTS, 1) | {"row 0": 2}  # the first row's direct answer was lost
