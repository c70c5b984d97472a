"""What is read from a store is valid for a schema exactly where a model's reply would be."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from inlay.errors import ConfigError
from inlay.json_schema import is_stored_reply, read_schema, validated
from support.random_schemas import TEXTS, random_schema

NUMBERS = (0, 1, -1, 1.0, 2.5, 10**12, 1e300, True, False, None)


def a_value(draw: Random, node: Any, root: Any, level: int = 0) -> Any:
    """Mostly one that the node allows, and sometimes none."""
    if draw.random() < 0.06 or level > 8:
        return draw.choice([*NUMBERS, *TEXTS, [], {}, [None], {"a": 1}, "2026-02-29", "ab\0"])
    if "$ref" in node:
        target = root
        for part in node["$ref"].split("/")[1:]:
            target = target[part.replace("~1", "/").replace("~0", "~")]
        return a_value(draw, target, root, level + 1)
    if "anyOf" in node:
        return a_value(draw, draw.choice(node["anyOf"]), root, level + 1)
    if "enum" in node or "const" in node:
        return draw.choice(node.get("enum", [node.get("const")]))
    kind = node["type"] if isinstance(node["type"], str) else draw.choice(node["type"])
    if kind == "object":
        names = [name for name in node["properties"] if name in node["required"] or draw.random() < 0.5]
        return {name: a_value(draw, node["properties"][name], root, level + 1) for name in names}
    if kind == "array":
        n = draw.randint(node.get("minItems", 0), min(node.get("maxItems", 3), node.get("minItems", 0) + 2))
        return [a_value(draw, node["items"], root, level + 1) for _ in range(n)]
    if kind == "string":
        return draw.choice([*TEXTS, "2026-02-28", "a@b.example", "AB1234", "12:00:00Z", "red light", "2024-12"])
    return {"boolean": draw.choice([True, False]), "null": None}.get(kind, draw.choice(NUMBERS))


def test_a_stored_reply_is_what_a_reply_may_be() -> None:
    draw, n_valid, n = Random("stored"), 0, 0
    while n < 1_500:
        try:
            schema = read_schema("ai_extract", random_schema(draw)).text
        except ConfigError:
            continue
        for _ in range(3):
            reply = json.dumps(a_value(draw, json.loads(schema), json.loads(schema)), ensure_ascii=False)
            expected = validated(schema, reply)[0] is not None
            assert is_stored_reply(schema, reply) is expected, (schema, reply)
            n, n_valid = n + 1, n_valid + expected
    assert 0.2 < n_valid / n < 0.9


@pytest.mark.parametrize(
    "reply", ["", "{", '{"a": NaN}', '{"a": 1, "a": 1}', '{"a": "\\ud800"}', '{"a": 1e999}', "[" * 9_000]
)
def test_what_is_no_json_is_no_stored_reply(reply: str) -> None:
    assert not is_stored_reply('{"type": "object"}', reply)


def test_words_that_only_jsonschema_knows_are_left_to_it() -> None:
    schema = '{"type": "integer", "multipleOf": 3}'
    assert is_stored_reply(schema, "6")
    assert not is_stored_reply(schema, "7")
