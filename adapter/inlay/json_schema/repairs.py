"""Replies that are nearly valid for a schema: read where exactly one reading exists.

Here you are: {"answer": "bug"}       JSON inside prose; two objects in one reply are no answer
{"answer": "Bug",}                    a comma too many, a label in another case
bug                                   a label without its JSON
{"age": "3"}                          a number or a boolean as a text
"""

from __future__ import annotations

import json
import re
from typing import Any

from inlay.json_schema.replies import loads_at, validated

_COMMAS = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_AROUND_LABEL = " \t\r\n\"'`*."
_NONE = object()


def repaired(schema_text: str, reply: str) -> str | None:
    """The compact JSON of the only value that the reply can mean; None where there is none, or more than one."""
    schema = json.loads(schema_text)
    value = _only_value(schema, _COMMAS.sub(r"\1", reply))
    if value is _NONE:
        return None
    try:
        text, _ = validated(schema_text, json.dumps(_fitted(schema, value), ensure_ascii=False))
    except RecursionError:
        return None
    return text


def _only_value(schema: Any, reply: str) -> Any:
    """The only value of the schema's kind in a reply."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    bracket = {"object": "{", "array": "["}.get(str(kind), "")
    at = reply.find(bracket) if bracket else -1
    if at < 0:
        return _bare(schema, reply.strip())
    try:
        value, end = loads_at(reply, at)
    except (ValueError, RecursionError):
        return _NONE
    return _NONE if bracket in reply[end:] else value


def _bare(schema: Any, reply: str) -> Any:
    """A label alone, where the schema is an object of one field with labels; or a value that no bracket begins."""
    fields = schema.get("properties") or {} if isinstance(schema, dict) else {}
    if len(fields) == 1 and schema.get("type") == "object":
        ((name, field),) = fields.items()
        label = reply.strip(_AROUND_LABEL)
        for given in (reply, label):
            found = _label(field.get("enum") or [], given) if isinstance(field, dict) else _NONE
            if found is not _NONE:
                return {name: found}
    if isinstance(schema, dict) and schema.get("type") in ("integer", "number", "boolean"):
        return reply.strip(_AROUND_LABEL)
    return _NONE


def _label(labels: list[Any], given: Any) -> Any:
    if given in labels:
        return given
    same = [label for label in labels if isinstance(label, str) and label.casefold() == str(given).strip().casefold()]
    return same[0] if len(same) == 1 else _NONE


def _fitted(schema: Any, value: Any) -> Any:
    """The value with what is certain made to fit. What does not fit stays, and is then not valid."""
    if not isinstance(schema, dict):
        return value
    if isinstance(value, str):
        return _fitted_text(schema, value)
    if isinstance(value, dict):
        fields = schema.get("properties") or {}
        return {name: _fitted(fields.get(name), each) for name, each in value.items()}
    return [_fitted(schema.get("items"), each) for each in value] if isinstance(value, list) else value


def _fitted_text(schema: dict[str, Any], text: str) -> Any:
    if schema.get("enum"):
        found = _label(schema["enum"], text)
        return text if found is _NONE else found
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "string" in kinds:
        return text
    plain = text.strip()
    if {"integer", "number"} & set(kinds) and _NUMBER.fullmatch(plain):
        return json.loads(plain)
    return {"true": True, "false": False}.get(plain.lower(), text) if "boolean" in kinds else text
