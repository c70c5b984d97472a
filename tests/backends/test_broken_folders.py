"""A model's folder in which any one file is broken: an error of ours that names the file, and no answer."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import inlay
from inlay.errors import ConfigError, EndpointError, InlayError
from inlay.models.endpoint import is_link_local
from support.installed_versions import TOKEN_LIMIT, TRANSFORMERS
from support.tiny_models import TinyModels

pytest_plugins = ("support.tiny_models",)

HARM: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda raw: b"",
    "cut": lambda raw: raw[: len(raw) // 2],
    "other bytes": lambda raw: b"\x00\xff" + raw[2:],
    "null": lambda raw: b"null",
    "nested": lambda raw: b"[" * 100_000,
}
FILES = (
    "config.json", "tokenizer.json", "tokenizer_config.json", "modules.json", "config_sentence_transformers.json",
    "1_Pooling/config.json", "model.safetensors",
)  # fmt: skip


@pytest.mark.parametrize("how", HARM)
@pytest.mark.parametrize("family", ["bert", "mpnet"])  # by our own forward pass, and by transformers
def test_a_broken_file_is_named(tiny_models: TinyModels, family: str, how: str) -> None:
    for name in FILES:
        folder = tiny_models.copy(tiny_models.sentence(family))
        path = folder / name
        path.write_bytes(HARM[how](path.read_bytes()))
        with (
            inlay.connect(models={"m": {"source": str(folder)}}, model="m") as con,
            pytest.raises(InlayError, match=name),
        ):
            con.execute("select ai_embed('hello')").fetchall()


def set_to(**values: Any) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}), "utf-8")


def first_module(**values: Any) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        transformer, second, *others = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps([transformer, {**second, **values}, *others]), "utf-8")

    return change


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nowhere/at all")


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_a_file_that_says_what_cannot_be_is_named(tiny_models: TinyModels, family: str) -> None:
    wrong: list[tuple[str, Callable[[Path], object]]] = [
        ("config.json", set_to(hidden_size="many")),
        ("config.json", set_to(hidden_size=64)),
        ("config.json", set_to(num_attention_heads=0)),
        ("config.json", set_to(num_hidden_layers=-1)),
        ("config.json", set_to(num_hidden_layers=9)),
        ("config.json", set_to(max_position_embeddings=2)),
        ("config.json", set_to(hidden_act="zork")),
        # transformers 4 loads such a model, and every row fails.
        *([("config.json", set_to(hidden_act=["gelu"]))] if TRANSFORMERS >= 5 else []),
        ("config.json", set_to(layer_norm_eps="small")),
        ("config.json", set_to(model_type="zork", architectures=["Zork"])),
        ("modules.json", lambda path: path.write_text("[1, 2]")),
        ("modules.json", lambda path: path.write_text('[{"idx": 0}]')),
        ("modules.json", first_module(path="../../etc")),
        ("modules.json", first_module(path="/etc")),
        ("modules.json", first_module(type="x.Zork")),
        ("modules.json", lambda path: (path.parent / "1_Pooling/config.json").unlink()),
        ("model.safetensors", folder_instead),
        ("model.safetensors", link_to_nothing),
        # transformers 4 makes the tokenizer of vocab.txt then.
        *(
            [("tokenizer.json", harm) for harm in (folder_instead, link_to_nothing, Path.unlink)]
            if TRANSFORMERS >= 5
            else []
        ),
        (TOKEN_LIMIT[0], set_to(**{TOKEN_LIMIT[1]: "long"})),
        (TOKEN_LIMIT[0], set_to(**{TOKEN_LIMIT[1]: -5})),
    ]
    for name, harm in wrong:
        folder = tiny_models.copy(tiny_models.sentence(family))
        harm(folder / name)
        with (
            inlay.connect(models={"m": {"source": str(folder)}}, model="m") as con,
            pytest.raises(InlayError, match=name),
        ):
            con.execute("select ai_embed('hello')").fetchall()


@pytest.mark.parametrize("source", ["package:", "package:nowhere.inside/model", " ", "|", "/nowhere|package:nowhere"])
def test_a_source_that_is_nothing_is_not_found(source: str) -> None:
    with (
        inlay.connect(models={"m": {"source": source}}, model="m") as con,
        pytest.raises(InlayError, match="model 'm' was not found"),
    ):
        con.execute("select ai_embed('hello')").fetchall()


def test_rules_are_refused_as_what_they_are() -> None:
    with inlay.connect(model="rules") as con, pytest.raises(InlayError, match="'rules' is no model but a set of rules"):
        con.execute("select ai_classify('a', ['b', 'c'])").fetchall()


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "169.254.1.1:8080", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[fe80::1]",
        "[::ffff:169.254.169.254]", "metadata.google.internal", "METADATA.google.internal.",
    ],
)  # fmt: skip
def test_a_link_local_address_is_no_endpoint_unless_allowed(host: str) -> None:
    model = {"source": "openai:m", "base_url": f"http://{host}/v1"}
    with (
        inlay.connect(models={"m": model}, model="m") as con,
        pytest.raises(ConfigError, match=r"a link-local address.*set link_local = true"),
    ):
        con.execute("select ai_complete('a')").fetchall()
    with inlay.connect(models={"m": {**model, "link_local": True, "retry_s": 0, "timeout_s": 1}}, model="m") as con:
        assert con.execute("explain select ai_complete('a')").fetchall()


@pytest.mark.parametrize("number", ["169.254.169.254", "fe80::1", "::ffff:169.254.1.1"])
def test_a_name_that_leads_to_a_link_local_address_is_refused(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    family = socket.AF_INET6 if ":" in number else socket.AF_INET
    place = (number, 80, 0, 0) if ":" in number else (number, 80)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(family, socket.SOCK_STREAM, 6, "", place)])
    model = {"source": "openai:m", "base_url": "http://models.example/v1"}
    for source in (model, {**model, "task": "embed", "width": 2}):
        call = "ai_embed('a')" if "task" in source else "ai_complete('a')"
        with (
            inlay.connect(models={"m": source}, model="m") as con,
            pytest.raises(EndpointError, match=r"models.example.*leads to .*, a link-local address"),
        ):
            con.execute(f"select {call}").fetchall()


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/v1", "http://localhost", "http://10.0.0.1", "https://[::1]/"])
def test_other_addresses_are_endpoints(address: str) -> None:
    assert not is_link_local(address)


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcdefghijkl", "AIzaSyA1234567890abcdefghijklmnopqrstu", "gsk_a1b2c3d4e5f6a7b8c9d0e1f2", "1234567890abcdef",
        "Bearer abc", "0" * 70, "A" * 70, "C0FFEE1234567890C0FFEE1234567890", "AKIAIOSFODNN7EXAMPLE",
    ],
)  # fmt: skip
def test_a_key_in_the_place_of_its_name_is_refused_and_not_shown(key: str) -> None:
    model = {"source": "openai:m", "base_url": "http://127.0.0.1:1/v1", "api_key_env": key}
    with pytest.raises(ConfigError, match="api_key_env is no name of an environment variable") as raised:
        inlay.connect(models={"m": model}, model="m")
    assert key not in str(raised.value)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "KEY2", "my_key", "_K", "AZURE_OPENAI_API_KEY_FOR_PROJECT_2"])
def test_names_of_variables_are_names(name: str) -> None:
    model = {"source": "openai:m", "base_url": "http://127.0.0.1:1/v1", "api_key_env": name}
    inlay.connect(models={"m": model}, model="m").duckdb.close()
