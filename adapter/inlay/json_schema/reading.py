"""JSON Schema read once: checked, normalised, and given its DuckDB type.

A schema that some backend cannot enforce is refused here for all backends: a statement means the same on a local model
and behind an endpoint. Supported are objects with named fields, arrays of one kind of item, strings, numbers, booleans,
null, enum and const, anyOf, and references within the schema.

DuckDB types: string → VARCHAR (format date → DATE, date-time → TIMESTAMP WITH TIME ZONE, uuid → UUID), integer →
BIGINT, number → DOUBLE, array → list, object → STRUCT. JSON is the type of alternatives of different types, enums of
mixed values, null alone, and a reference back to an enclosing part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inlay.errors import ConfigError
from inlay.json_schema.formats import FORMATS
from inlay.json_schema.sql_types import DUCKDB_TYPE, INTEGERS, DuckDBType, quoted_name
from inlay.json_schema.words import (
    ALWAYS,
    DEFINITIONS,
    DROPPED,
    INSTEAD,
    TYPES,
    WORDS,
    compact_json,
    expected_value,
    plain,
    pointer_part,
)

MAX_FIELDS = 256
MAX_LEVELS = 12
_MAX_NODES = 4_096  # a few definitions that refer to one another twice each expand to more than any user means

Structure = str | list[Any] | dict[str, Any]
"""The argument of DuckDB's from_json(): the name of a type, a list of one structure, or structures by field name."""

_LEAVES = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
_OF_FORMAT = {"date": "DATE", "date-time": "TIMESTAMP WITH TIME ZONE", "uuid": "UUID"}
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class ReplySchema:
    """The schema of a reply.

    text: JSON Schema, compact, fields in the order in which a model writes them. structure: argument of DuckDB's
    from_json(reply, structure), as JSON. sql_type: type of its result. questions: (field, question) of fields with a
    description; `a.b` is the field b of a, `a[].b` that of each item of a.
    """

    text: str
    structure: str
    sql_type: str
    questions: tuple[tuple[str, str], ...]


def read_json_schema(where: str, given: Mapping[str, Any]) -> ReplySchema:
    """Raises ConfigError: what cannot be used, where it is, and what to write instead."""
    try:
        root = plain(given)
        reader = _Reader(where, root)
        schema, structure = reader.read(root, "", 1)
        for word in DEFINITIONS:
            if word in root:
                schema[word] = {name: reader.definition(word, name) for name in root[word]}
    except RecursionError as error:
        raise ConfigError(f"{where}: it is nested too deeply to be read.") from error
    endless = _endless(schema)
    if endless:
        raise ConfigError(
            f"{where}: {endless} can never be complete: it always requires another {endless}. Allow null for one of "
            "its fields."
        )
    text = compact_json(schema)
    if _SURROGATE.search(text):
        raise ConfigError(f"{where}: it contains half of a surrogate pair, which is not a character.")
    return ReplySchema(text, compact_json(structure), sql_type(structure), tuple(reader.questions.items()))


def sql_type(structure: Structure) -> str:
    """The DuckDB type of a structure.

    >>> sql_type({"name": "VARCHAR", "Tags of it": ["VARCHAR"]})
    'STRUCT(name VARCHAR, "Tags of it" VARCHAR[])'
    """
    if isinstance(structure, str):
        return structure
    if isinstance(structure, list):
        return f"{sql_type(structure[0])}[]"
    fields = ", ".join(f"{quoted_name(name)} {sql_type(kind)}" for name, kind in structure.items())
    return f"STRUCT({fields})"


class _Reader:
    def __init__(self, where: str, root: dict[str, Any]) -> None:
        self.where = where
        self.root = root
        self.n_fields = 0
        self.n_nodes = 0
        self.open: dict[str, int] = {"#": 1}
        """The references that are being followed, with the level of each."""
        self.definitions: dict[str, dict[str, Any]] = {}
        self.questions: dict[str, str] = {}

    def read(self, node: Any, path: str, level: int) -> tuple[dict[str, Any], Structure]:
        """The normalised node and its structure. path: path of the value, '' for the whole reply."""
        if not isinstance(node, dict):
            raise self.wrong(path, f'expected a schema such as {{"type": "string"}}; got {node!r}.')
        self.n_nodes += 1
        if level > MAX_LEVELS:
            raise self.wrong(path, f"it is nested more than {MAX_LEVELS} levels deep. Ask for less in one call.")
        if self.n_nodes > _MAX_NODES:
            raise self.wrong("", f"its references expand to more than {_MAX_NODES:,} parts. Ask for less in one call.")
        if path and isinstance(node.get("description"), str):
            self.questions.setdefault(path, node["description"])
        if "$ref" in node:
            return self.reference(node, path, level)
        if "anyOf" in node:
            return self.alternatives(node, path, level)
        return self.typed(node, path, level)

    def reference(self, node: dict[str, Any], path: str, level: int) -> tuple[dict[str, Any], Structure]:
        kept = self.kept(node, path, ("title", "description", "$ref"), "together with $ref")
        pointer = node["$ref"]
        target = self.target(pointer, path)
        if pointer in self.open:
            if self.open[pointer] == level:
                raise self.wrong(path, f"$ref {pointer!r} refers to itself.")
            return kept, "JSON"
        self.open[pointer] = level
        self.definitions[pointer], structure = self.read(target, path, level)
        del self.open[pointer]
        return kept, structure

    def target(self, pointer: str, path: str) -> Any:
        if pointer == "#":
            return self.root
        parts = pointer.split("/")
        if len(parts) == 3 and parts[0] == "#" and parts[1] in DEFINITIONS:
            defined = self.root.get(parts[1], {})
            name = pointer_part(parts[2])
            if name in defined:
                return defined[name]
        raise self.wrong(
            path, f'$ref {pointer!r} refers to nothing. Write "#" or "#/$defs/<name>" with a definition of this schema.'
        )

    def definition(self, word: str, name: str) -> dict[str, Any]:
        """A normalised definition; one that nothing refers to is checked like the others."""
        pointer = f"#/{word}/{name.replace('~', '~0').replace('/', '~1')}"
        if pointer not in self.definitions:
            questions, n_fields = dict(self.questions), self.n_fields
            self.reference({"$ref": pointer}, "", 1)
            self.questions, self.n_fields = questions, n_fields
        return self.definitions[pointer]

    def alternatives(self, node: dict[str, Any], path: str, level: int) -> tuple[dict[str, Any], Structure]:
        kept = self.kept(node, path, ("title", "description", "anyOf"), "together with anyOf")
        read = [self.read(branch, path, level) for branch in node["anyOf"]]
        structures = [structure for schema, structure in read if not _is_null(schema)]
        alike = len({compact_json(structure) for structure in structures}) == 1
        return {**kept, "anyOf": [schema for schema, _ in read]}, structures[0] if alike else "JSON"

    def typed(self, node: dict[str, Any], path: str, level: int) -> tuple[dict[str, Any], Structure]:
        kinds = self.kinds(node, path)
        if "enum" in node or "const" in node:
            return self.listed(node, kinds, path)
        words = tuple(dict.fromkeys((*ALWAYS, *(word for kind in kinds for word in WORDS[kind]))))
        schema = self.kept(node, path, words, f"for type {' or '.join(kinds)}")
        schema["type"] = node.get("type", kinds[0])
        present = [kind for kind in kinds if kind != "null"]
        read = [self.of_type(kind, node, schema, path, level) for kind in present]
        structure = read[0] if len(read) == 1 else "JSON"
        exact = node.get(DUCKDB_TYPE)
        if isinstance(exact, DuckDBType):
            structure = exact.applied(sql_type(structure[0])) if isinstance(structure, list) else str(exact)
        return schema, structure

    def kinds(self, node: dict[str, Any], path: str) -> list[str]:
        """The types that a node names or implies; [] where enum or const is enough."""
        types = node.get("type")
        if types is None:
            guessed = [kind for kind, word in (("object", "properties"), ("array", "items")) if word in node]
            if len(guessed) == 1 or "enum" in node or "const" in node:
                return guessed
            known = next((word for word in INSTEAD if word in node), None)
            raise self.wrong(path, _instead(known) if known else f"it has no type: {node!r}.")
        kinds = [types] if isinstance(types, str) else types if isinstance(types, list) else []
        if not kinds or any(kind not in TYPES for kind in kinds):
            raise self.wrong(path, f"unknown type {types!r}. Types: {', '.join(TYPES)}, or a list of these.")
        if "integer" in kinds and "number" in kinds:
            raise self.wrong(path, "number includes integer: write number alone.")
        return kinds

    def listed(self, node: dict[str, Any], kinds: list[str], path: str) -> tuple[dict[str, Any], Structure]:
        word = "enum" if "enum" in node else "const"
        schema = self.kept(node, path, (*ALWAYS, word), f"together with {word}")
        values = schema["enum"] if word == "enum" else [schema["const"]]
        kinds_of_values = [_kind(value) for value in values]
        for value, kind in zip(values, kinds_of_values, strict=True):
            if kinds and kind not in kinds and not (kind == "integer" and "number" in kinds):
                raise self.wrong(path, f"the value {value!r} is not of type {' or '.join(kinds)}.")
        distinct = set(kinds_of_values) - {"null"}
        if distinct == {"integer", "number"} or (distinct == {"integer"} and "number" in kinds):
            return schema, "DOUBLE"
        low, high = INTEGERS["BIGINT"]
        if distinct == {"integer"} and not all(low <= value <= high for value in values if value is not None):
            return schema, "JSON"
        return schema, _LEAVES.get(distinct.pop(), "JSON") if len(distinct) == 1 else "JSON"

    def of_type(self, kind: str, node: dict[str, Any], schema: dict[str, Any], path: str, level: int) -> Structure:
        """The structure of one type of a node; its normalised parts are added to `schema`."""
        if kind == "object":
            return self.fields(node, schema, path, level)
        if kind == "array":
            if "items" not in node:
                raise self.wrong(path, 'an array needs items. Write, for example, "items": {"type": "string"}.')
            self.in_order(schema, path, "minItems", "maxItems")
            schema["items"], items = self.read(node["items"], f"{path}[]", level + 1)
            return [items]
        if kind == "string":
            if schema.get("format", "date") not in FORMATS:
                raise self.wrong(
                    path, f"unknown format {schema['format']!r}. Formats: {', '.join(FORMATS)}; or use pattern."
                )
            self.in_order(schema, path, "minLength", "maxLength")
            return _OF_FORMAT.get(schema.get("format", ""), "VARCHAR")
        if kind == "integer" and DUCKDB_TYPE not in node:
            # Bounds that a BIGINT has anyway, so that a reply beyond them is refused, and not kept as NULL.
            low, high = INTEGERS["BIGINT"]
            schema["minimum"] = max(low, schema.get("minimum", low))
            schema["maximum"] = min(high, schema.get("maximum", high))
        if kind in ("integer", "number"):
            self.in_order(schema, path, "minimum", "maximum")
        return _LEAVES[kind]

    def fields(self, node: dict[str, Any], schema: dict[str, Any], path: str, level: int) -> Structure:
        fields = node.get("properties")
        if not isinstance(fields, dict) or not fields:
            raise self.wrong(
                path,
                'an object needs named fields: "properties": {…}. For field names not known beforehand ask for '
                'an array of {"key": …, "value": …}.',
            )
        if node.get("additionalProperties", False) is not False:
            raise self.wrong(path, "additionalProperties must be false: a STRUCT cannot hold other fields.")
        unknown = [name for name in node.get("required", ()) if name not in fields]
        if unknown:
            raise self.wrong(path, f"required has {unknown[0]!r}, which is not a field in properties.")
        folded: dict[str, str] = {}
        structure: dict[str, Structure] = {}
        properties: dict[str, Any] = {}
        for name, each in fields.items():
            if not name or "\0" in name:
                raise self.wrong(path, f"{name!r} cannot be the name of a field of a STRUCT.")
            if folded.setdefault(name.lower(), name) != name:
                raise self.wrong(
                    path, f"{folded[name.lower()]!r} and {name!r} are the same field in DuckDB, which ignores case."
                )
            self.n_fields += 1
            if self.n_fields > MAX_FIELDS:
                raise self.wrong("", f"it has more than {MAX_FIELDS} fields. Ask for less in one call.")
            properties[name], structure[name] = self.read(each, f"{path}.{name}" if path else name, level + 1)
        required = node.get("required", ())
        schema["properties"] = properties
        schema["required"] = [name for name in fields if name in required]
        schema["additionalProperties"] = False
        return structure

    def in_order(self, schema: dict[str, Any], path: str, low: str, high: str) -> None:
        if low in schema and high in schema and schema[low] > schema[high]:
            raise self.wrong(path, f"{low} {schema[low]} is greater than {high} {schema[high]}: no value fits.")

    def kept(self, node: dict[str, Any], path: str, words: tuple[str, ...], place: str) -> dict[str, Any]:
        """The words of a node in a fixed order. Raises ConfigError for words that are not supported there."""
        ignored = (*DROPPED, DUCKDB_TYPE, *(DEFINITIONS if node is self.root else ()))
        for word, value in node.items():
            if word in words:
                expected = expected_value(word, value)
                if expected:
                    raise self.wrong(path, f"{word} is {value!r}; expected {expected}.")
            elif word in INSTEAD:
                raise self.wrong(path, _instead(word))
            elif word not in ignored:
                raise self.wrong(path, f"{word!r} is not supported {place}. Supported: {', '.join(words)}.")
        return {word: node[word] for word in words if word in node}

    def wrong(self, path: str, message: str) -> ConfigError:
        return ConfigError(f"{self.where}{f' at {path}' if path else ''}: {message}")


def _endless(schema: dict[str, Any]) -> str | None:
    """A part without a finite value: a node that requires a node that requires …; None where there is none."""
    parts = {f"#/{word}/{name}": part for word in DEFINITIONS for name, part in schema.get(word, {}).items()}
    parts["#"] = schema
    ending: set[str] = set()
    while more := {name for name, part in parts.items() if name not in ending and _ends(part, ending)}:
        ending |= more
    return next((name for name in parts if name not in ending), None)


def _ends(node: dict[str, Any], ending: set[str]) -> bool:
    if "$ref" in node:
        return pointer_part(node["$ref"]) in ending
    if "anyOf" in node:
        return any(_ends(branch, ending) for branch in node["anyOf"])
    kinds = node.get("type", ())
    if isinstance(kinds, list) and set(kinds) - {"object", "array"}:
        return True
    if "properties" in node and all(_ends(node["properties"][name], ending) for name in node["required"]):
        return True
    if "items" in node and (node.get("minItems", 0) == 0 or _ends(node["items"], ending)):
        return True
    return "properties" not in node and "items" not in node


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    python = {type(None): "null", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return python[type(value)]


def _is_null(schema: dict[str, Any]) -> bool:
    return schema.get("type") in ("null", ["null"]) or schema.get("enum") == [None] or schema.get("const", 0) is None


def _instead(word: str) -> str:
    return f"{word!r} cannot be enforced everywhere. {INSTEAD[word]}"
