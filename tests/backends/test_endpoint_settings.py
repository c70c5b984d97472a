"""Settings of an endpoint reach its server, or are refused: none is passed over in silence."""

from __future__ import annotations

from typing import Any

import pytest

import inlay
from inlay.errors import ConfigError
from inlay.models.describe import describe
from inlay.models.ref import ModelRef
from inlay.settings.read import read_settings
from support.fault_server import MODEL, WIDTH, FaultServer

KEY = "sk-canary-0123456789abcdef"


def model(**settings: Any) -> ModelRef:
    entry = {"source": f"openai:{MODEL}", "base_url": "http://127.0.0.1:9/v1", **settings}
    return describe(read_settings({"models": {"m": entry}}, environment={}).models["m"])


def test_more_fields_and_headers_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    settings = {
        "extra_body": {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 1},
        "headers": {"X-Team": "data"},
        "api_key_env": "THE_KEY",
        "api_key_header": "api-key",
    }
    with FaultServer() as server:
        models = {
            "m": {"source": f"openai:{MODEL}", "base_url": server.base_url, "reasoning_effort": "low", **settings},
            "e": {
                "source": f"openai:{MODEL}",
                "base_url": server.base_url,
                "task": "embed",
                "width": WIDTH,
                **settings,
            },
        }
        with inlay.connect(model="m", models=models) as con:
            assert con.execute("select ai_complete('a') is null, ai_embed('a', model := 'e') is null").fetchone() == (
                False,
                False,
            )
        assert len(server.bodies) == 2
        for body, headers in zip(server.bodies, server.headers, strict=True):
            assert body["chat_template_kwargs"] == {"enable_thinking": False}
            assert body["top_k"] == 1
            assert body.get("reasoning_effort") == ("low" if "messages" in body else None)
            assert (headers["X-Team"], headers["api-key"], headers.get("Authorization")) == ("data", KEY, None)


def test_what_changes_answers_is_a_part_of_the_identity() -> None:
    plain = model().fingerprint
    assert plain == model(headers={"X-Team": "data"}, api_key_header="api-key").fingerprint
    others = [
        model(reasoning_effort="low"),
        model(reasoning_effort="high"),
        model(extra_body={"top_k": 1}),
        model(extra_body={"top_k": 2}),
    ]
    assert len({plain, *(other.fingerprint for other in others)}) == 5
    same = [model(extra_body=body) for body in ({"a": 1, "b": 2}, {"b": 2, "a": 1})]
    assert same[0].fingerprint == same[1].fingerprint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chat_template_options": {"enable_thinking": True}}, "chat_template_options has no effect.*extra_body = "),
        ({"device": "cuda"}, "device has no effect on an endpoint. Remove device."),
        ({"dtype": "float16"}, "dtype has no effect"),
        ({"width": 8}, "width has no effect"),
        ({"task": "embed", "width": 8, "reasoning_effort": "low"}, "reasoning_effort has no effect"),
        ({"task": "embed", "width": 8, "structured": "none"}, "structured has no effect"),
        ({"extra_body": {"temperature": 1}}, "extra_body holds 'temperature', which inlay sets itself"),
        ({"extra_body": {"Model": "other"}}, "extra_body holds 'model'"),
        ({"extra_body": {"x": float("nan")}}, "extra_body cannot be sent as JSON"),
        ({"headers": {"Authorization": f"Bearer {KEY}"}}, "headers holds 'Authorization'.*api_key_env"),
        ({"headers": {"X-Key": KEY}, "api_key_header": "x-key"}, "headers holds 'X-Key'"),
        ({"headers": {"X-A": "a\nX-B: b"}}, "headers holds 'X-A', which is no header"),
        ({"headers": {"a b": "c"}}, "headers holds 'a b', which is no header"),
    ],
)
def test_a_setting_that_is_not_sent_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        model(**settings)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize("name", ["base_url", "extra_body", "headers", "reasoning_effort", "api_key_env"])
def test_an_endpoints_setting_of_a_model_in_this_process_is_refused(name: str) -> None:
    value = {"base_url": "http://localhost/v1", "extra_body": {"a": 1}, "headers": {"a": "b"}}.get(name, "x")
    settings = read_settings({"models": {"m": {"source": "hub:some/model", name: value}}}, environment={})
    with pytest.raises(ConfigError, match=f"{name} has no effect on a model in this process"):
        describe(settings.models["m"])
