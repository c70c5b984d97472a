"""The supported words of JSON Schema, and what their values must be."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from inlay.json_schema.patterns import compiled

TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
ALWAYS = ("title", "description", "type")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
WORDS: dict[str, tuple[str, ...]] = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "minItems", "maxItems"),
    "string": ("format", "pattern", "minLength", "maxLength"),
    "integer": _BOUNDS,
    "number": _BOUNDS,
    "boolean": (),
    "null": (),
}
DEFINITIONS = ("$defs", "definitions")
DROPPED = ("$schema", "$id", "$comment", "default", "examples", "deprecated", "readOnly", "writeOnly")
"""Words that do not affect which replies are valid."""

INSTEAD = {
    "oneOf": "Write anyOf instead.",
    "allOf": "Write the words of its parts in one place.",
    "not": "Say what a value may be.",
    "nullable": 'Write "type": ["string", "null"] instead.',
    "prefixItems": "Write an object with a field for each place instead.",
    "patternProperties": 'Ask for an array of {"key": …, "value": …} instead.',
    "multipleOf": "Leave it out and round in SQL.",
    "uniqueItems": "Leave it out and use list_distinct() in SQL.",
}


def expected_value(word: str, value: Any) -> str | None:
    """A description of the expected value of a word, or None where the value fits."""
    fits, expected = _VALUES.get(word, (lambda value: True, ""))
    return None if fits(value) else expected


def pointer_part(part: str) -> str:
    """A part of a JSON Pointer without its escapes."""
    return part.replace("~1", "/").replace("~0", "~")


def compact_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """The value in JSON's own types: a value from a DuckDB struct may contain tuples and Decimals."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [plain(each) for each in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if isinstance(value, str | int | float | None) else str(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_expression(value: Any) -> bool:
    try:
        compiled(value)
    except (re.error, TypeError, OverflowError, RecursionError):
        return False
    return True


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 0


_Fits = tuple[Callable[[Any], bool], str]
_TEXT: _Fits = (_is_text, "a text")
_NUMBER: _Fits = (_is_number, "a number")
_COUNT: _Fits = (_is_count, "a whole number from 0")
_VALUES: dict[str, _Fits] = {
    "title": _TEXT,
    "description": _TEXT,
    "$ref": _TEXT,
    "format": _TEXT,
    "pattern": (_is_expression, "a regular expression"),
    **dict.fromkeys(_BOUNDS, _NUMBER),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _COUNT),
    "enum": (_is_list, "a list of values"),
    "anyOf": (_is_list, "a list of schemas"),
    "required": (
        lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
        "a list of names",
    ),
}
