"""Recognises which of the ways to write a schema the user chose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inlay.errors import ConfigError
from inlay.json_schema.reading import ReplySchema, read_json_schema
from inlay.json_schema.replies import loads
from inlay.json_schema.sql_types import SUPPORTED, quoted_name, schema_of_sql_type
from inlay.json_schema.words import TYPES


def read_schema(function: str, given: Any) -> ReplySchema:
    """The schema that `given` describes. function: the name of the SQL function, for messages.

    A text that begins with { or [ is JSON, any other a DuckDB type. A list is names of fields. A mapping is JSON Schema
    where it contains one of JSON Schema's own words with a fitting value: `type` with the name of a type, `properties`
    with a mapping, `enum` or `anyOf` with a list, anything that begins with $. So {'type': 'What kind is it?'} is a
    question, and {'type': 'string'} is not. A mapping whose values are all mappings is the `properties` of an object,
    all required. Any other mapping is field → question.

    Raises ConfigError where it is none of these, or cannot be enforced or stored in DuckDB.
    """
    where = f"{function}: schema"
    if isinstance(given, str):
        given = _of_text(where, given.strip())
    if isinstance(given, Mapping):
        return read_json_schema(where, _of_mapping(where, given))
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        if not given or not all(isinstance(name, str) for name in given):
            raise ConfigError(f"{where}: expected a list of names such as ['name', 'city']; got {given!r}.")
        twice = sorted({name for name in given if list(given).count(name) > 1})
        if twice:
            raise ConfigError(f"{where}: the field {twice[0]!r} occurs twice.")
        return read_json_schema(where, _of_questions(where, dict.fromkeys(given)))
    raise ConfigError(
        f"{where}: got {given!r}. Type questions, {{'name': 'Who wrote it?'}}; names, ['name', 'city']; a DuckDB type, "
        "'name VARCHAR, age INT'; or JSON Schema as text."
    )


def _of_text(where: str, text: str) -> Any:
    if not text.startswith(("{", "[")):
        return schema_of_sql_type(where, text)
    try:
        return loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: the text begins like JSON but is not valid JSON: {error}.") from error


def _of_mapping(where: str, given: Mapping[Any, Any]) -> dict[str, Any]:
    if not given:
        raise ConfigError(f"{where}: it has no fields. Type, for example, {{'name': 'Who wrote it?'}}.")
    strange = next((name for name in given if not isinstance(name, str)), None)
    if strange is not None:
        raise ConfigError(f"{where}: field names must be texts; got {strange!r}.")
    if _is_json_schema(given):
        return dict(given)
    if all(isinstance(value, Mapping) for value in given.values()):
        return {"type": "object", "properties": dict(given), "required": list(given)}
    return _of_questions(where, given)


def _is_json_schema(given: Mapping[str, Any]) -> bool:
    kinds = given.get("type")
    return (
        any(name.startswith("$") for name in given)
        or (isinstance(kinds, str) and kinds in TYPES)
        or (isinstance(kinds, list) and bool(kinds) and all(kind in TYPES for kind in kinds))
        or isinstance(given.get("properties"), Mapping)
        or any(isinstance(given.get(word), list) for word in ("enum", "anyOf", "oneOf", "allOf"))
    )


def _of_questions(where: str, given: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, dict[str, Any]] = {}
    for name, question in given.items():
        if question is not None and not isinstance(question, str):
            raise ConfigError(
                f"{where}: the value of {name!r} is {question!r}; expected a question or NULL. For types, write a "
                "DuckDB type, 'name VARCHAR, age INT', or JSON Schema."
            )
        fields[name] = {"type": ["string", "null"]}
        if question and question.strip():
            fields[name]["description"] = question
    # "BIGINT" is no question: without this check the column would silently hold texts.
    if all(question in SUPPORTED for question in given.values()):
        wanted = ", ".join(f"{quoted_name(name)} {question}" for name, question in given.items())
        raise ConfigError(
            f"{where}: the values are types, but the values of a mapping are questions. Type '{wanted}' instead."
        )
    return {"type": "object", "properties": fields, "required": list(fields)}
