"""The schema of replies that must be JSON, and whether it suits strict mode."""

from __future__ import annotations

import json
from typing import Any

from jsonschema.validators import validator_for

# What OpenAI's strict mode takes; other keywords, or an object with other fields than those it requires, it refuses.
_STRICT_KEYWORDS = {
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$defs", "$ref",
    "title", "description", "pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "minItems", "maxItems",
}  # fmt: skip
_MOST_LEVELS = 10


class ReplySchema:
    """text: JSON Schema. Raises ValueError where it is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.schema = json.loads(text)
        validator_for(self.schema).check_schema(self.schema)


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
