"""Replies that must be JSON: whether a schema suits strict mode, and the check of each reply.

A server is never trusted to return valid replies: each one is parsed and validated here.
"""

from __future__ import annotations

import json
import re
from typing import Any

from jsonschema.validators import validator_for

from inlay.backends.http.verdict import shortened
from inlay.json_schema import compact, error_in, loads

# What OpenAI's strict mode takes; other keywords, or an object with other fields than those it requires, it refuses.
_STRICT_KEYWORDS = {
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$defs", "$ref",
    "title", "description", "pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "minItems", "maxItems",
}  # fmt: skip
_MOST_LEVELS = 10

_FENCE = re.compile(r"```[A-Za-z]*\s*\n(.*?)\n?\s*```", re.DOTALL)


class NotValid(Exception):
    """The reply is not valid for the schema; the text says why. is_json: it is JSON, at least."""

    def __init__(self, reason: str, *, is_json: bool) -> None:
        super().__init__(reason)
        self.is_json = is_json


class ReplySchema:
    """text: JSON Schema. Raises ValueError where it is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.schema = json.loads(text)
        validator_for(self.schema).check_schema(self.schema)

    def compact(self, reply: str) -> str:
        """The reply's JSON without white space. Raises NotValid."""
        try:
            text, value = _json_in(reply)
        except (ValueError, RecursionError) as error:
            raise NotValid(f"it is not JSON ({error}): {shortened(reply)!r}", is_json=False) from None
        try:
            wrong = error_in(self.text, value)
        except Exception as error:  # a reference to nowhere, a pattern that is none
            raise NotValid(f"the schema cannot be applied: {error}", is_json=True) from None
        if wrong is not None:
            place = f" at {wrong.json_path}" if wrong.path else ""
            raise NotValid(f"{shortened(wrong.message)}{place}", is_json=True)
        return compact(text)


def strict(schema: Any) -> bool:
    """Whether strict mode accepts this schema unchanged.

    >>> strict({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False})
    True
    >>> strict({"type": "object", "properties": {"a": {}}, "required": []})
    False
    """
    return isinstance(schema, dict) and schema.get("type") == "object" and _strict(schema, 0)


def _strict(schema: Any, level: int) -> bool:
    if not isinstance(schema, dict) or level > _MOST_LEVELS or set(schema) - _STRICT_KEYWORDS:
        return False
    kind = schema.get("type")
    fields = schema.get("properties", {})
    if (kind == "object" or (isinstance(kind, list) and "object" in kind) or fields) and (
        schema.get("additionalProperties") is not False or set(fields) != set(schema.get("required", ()))
    ):
        return False
    inner = [*fields.values(), *schema.get("anyOf", ()), *schema.get("$defs", {}).values()]
    if "items" in schema:
        inner.append(schema["items"])
    return all(_strict(each, level + 1) for each in inner)


def _json_in(reply: str) -> tuple[str, Any]:
    """A reply that is JSON, or holds it in a ``` fence, perhaps after its thoughts: the JSON, and its value."""
    text = reply.rpartition("</think>")[2].strip()
    try:
        return text, loads(text)
    except ValueError:
        fenced = _FENCE.search(text)
        if fenced is None:
            raise
        return fenced.group(1), loads(fenced.group(1))
