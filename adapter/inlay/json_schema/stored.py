"""Whether a stored reply is valid for its schema: the check of replies.py without its reasons, many times as quick.

A reply is checked when a model gives it. A store may have been filled by somebody else, so what is read from it is
checked again, each row of each statement. Where a schema has a word that is not in _WORDS, jsonschema is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from inlay.json_schema.formats import FORMATS
from inlay.json_schema.patterns import compiled
from inlay.json_schema.replies import error_in, has_no_text, loads, matcher
from inlay.json_schema.words import ALWAYS, DEFINITIONS, DROPPED, compact_json, pointer_part

Test = Callable[[Any], bool]

_SAY_NOTHING = {*ALWAYS, *DEFINITIONS, *DROPPED} - {"type"}


def is_stored_reply(schema_text: str, reply: str) -> bool:
    """Whether a text is JSON that is valid for this schema, as validated() would find it."""
    try:
        value = loads(reply)
        return _test(schema_text)(value) and not has_no_text(value)
    except (ValueError, RecursionError):
        return False


class _UnknownWord(Exception):
    """The schema has a word that is not in _WORDS."""


@lru_cache(maxsize=64)
def _test(schema_text: str) -> Test:
    schema = json.loads(schema_text)
    try:
        return _Schema(schema).test(schema)
    except _UnknownWord:
        return lambda value: error_in(schema_text, value) is None


class _Schema:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._referred: dict[str, Test] = {}

    def test(self, node: Any) -> Test:
        """Of the values that a node of the schema allows."""
        if not isinstance(node, dict):
            raise _UnknownWord
        tests = [self._of_word(word, node) for word in node if word not in _SAY_NOTHING]
        return tests[0] if len(tests) == 1 else lambda value: all(test(value) for test in tests)

    def _of_word(self, word: str, node: Mapping[str, Any]) -> Test:
        given = node[word]
        if word == "$ref":
            return self._referred_to(given)
        if word == "anyOf":
            branches = [self.test(branch) for branch in given]
            return lambda value: any(test(value) for test in branches)
        if word == "items":
            item = self.test(given)
            return lambda value: not isinstance(value, list) or all(map(item, value))
        if word == "properties":
            fields = {name: self.test(field) for name, field in given.items()}
            return lambda value: (
                not isinstance(value, dict) or all(fields[name](each) for name, each in value.items() if name in fields)
            )
        if word == "additionalProperties" and given is False:
            names = set(node.get("properties", ()))
            return lambda value: not isinstance(value, dict) or value.keys() <= names
        if word not in _WORDS:
            raise _UnknownWord
        return _WORDS[word](given)

    def _referred_to(self, pointer: str) -> Test:
        """A part of the schema may refer to itself, so it is read when a first value is tested."""

        def test(value: Any) -> bool:
            if pointer not in self._referred:
                node = self._root
                for part in pointer.removeprefix("#").split("/")[1:]:
                    node = node[pointer_part(part)]
                self._referred[pointer] = self.test(node)
            return self._referred[pointer](value)

        return test


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: Mapping[str, Test] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _is_number(value) and value == int(value),
    "number": _is_number,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _of_type(given: str | list[str]) -> Test:
    kinds = [_KINDS[kind] for kind in ([given] if isinstance(given, str) else given)]
    return kinds[0] if len(kinds) == 1 else lambda value: any(test(value) for test in kinds)


def _one_of(given: list[Any]) -> Test:
    written = {compact_json(each) for each in given}
    texts = {each for each in given if isinstance(each, str)}
    return lambda value: value in texts if isinstance(value, str) else compact_json(value) in written


def _required(given: list[str]) -> Test:
    names = set(given)
    return lambda value: not isinstance(value, dict) or names <= value.keys()


def _of_pattern(given: str) -> Test:
    expression = compiled(given)
    return lambda value: not isinstance(value, str) or expression.search(value) is not None


def _about(kind: type | Test, holds: Callable[[Any, Any], bool]) -> Callable[[Any], Test]:
    """A word that says something of values of one kind alone."""
    is_kind: Test = (lambda value: isinstance(value, kind)) if isinstance(kind, type) else kind
    return lambda given: lambda value: not is_kind(value) or holds(value, given)


_WORDS: Mapping[str, Callable[[Any], Test]] = {
    "type": _of_type,
    "enum": _one_of,
    "const": lambda given: _one_of([given]),
    "required": _required,
    "pattern": _of_pattern,
    "format": lambda given: matcher(FORMATS[given]) if given in FORMATS else lambda value: True,
    "minLength": _about(str, lambda value, given: len(value) >= given),
    "maxLength": _about(str, lambda value, given: len(value) <= given),
    "minItems": _about(list, lambda value, given: len(value) >= given),
    "maxItems": _about(list, lambda value, given: len(value) <= given),
    "minimum": _about(_is_number, lambda value, given: value >= given),
    "maximum": _about(_is_number, lambda value, given: value <= given),
    "exclusiveMinimum": _about(_is_number, lambda value, given: value > given),
    "exclusiveMaximum": _about(_is_number, lambda value, given: value < given),
}
