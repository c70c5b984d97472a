"""Which values a setting may have. A kind of value says it in four ways: it checks a value, reads one from the text of
an environment variable, names what is allowed in an error, and gives its JSON Schema.

A text of the environment that a kind cannot convert stays text: checking it then fails as for any other wrong value.
The classes are plain, since making dataclasses or named tuples of them would be half the cost of reading settings.
"""

from __future__ import annotations

import numbers
import os
import re
from collections.abc import Mapping
from typing import Any, cast

from inlay.errors import ConfigError


class Range:
    """Bounds of a number: at least `min`, or above `above`."""

    def __init__(self, *, min: float | None = None, above: float | None = None) -> None:
        self.min, self.above = min, above

    def holds(self, value: float) -> bool:
        return (
            value == value  # not NaN
            and (self.min is None or value >= self.min)
            and (self.above is None or value > self.above)
        )

    @property
    def words(self) -> str:
        bounds = {"of at least": self.min, "above": self.above}
        return " and ".join(f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None)

    @property
    def json_schema(self) -> dict[str, Any]:
        bounds = {"minimum": self.min, "exclusiveMinimum": self.above}
        return {name: bound for name, bound in bounds.items() if bound is not None}


class Matches:
    """The whole text matches `regex`, an empty one matching every text; `words` says so to a user."""

    def __init__(self, regex: str, words: str) -> None:
        self.regex, self.words = regex, words


class Hidden:
    """A text in which `regex` is found is refused with the reason `why`, and not shown, since it may be a secret."""

    def __init__(self, regex: str, why: str) -> None:
        self.regex, self.why = regex, why


class Kind:
    """words: completes "it must be …"."""

    words = "anything"

    def check(self, value: Any, place: str, key: str) -> Any:
        """The value as the settings hold it. Raises ConfigError with the place and the key where it is not allowed."""
        return value

    def from_text(self, text: str) -> Any:
        return text

    def json_schema(self) -> dict[str, Any]:
        return {}

    def refused(self, value: Any, place: str, key: str) -> ConfigError:
        return ConfigError(f"{place}: {key} is {value!r}; it must be {self.words}.")


class Flag(Kind):
    words = "true or false"

    def check(self, value: Any, place: str, key: str) -> bool:
        if not isinstance(value, bool):
            raise self.refused(value, place, key)
        return value

    def from_text(self, text: str) -> Any:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


class Number(Kind):
    def __init__(self, bounds: Range = Range(), *, whole: bool = False) -> None:  # noqa: B008 - immutable
        self.bounds, self.whole = bounds, whole
        self.words = f"a {'whole ' if whole else ''}number {bounds.words}".rstrip()

    def check(self, value: Any, place: str, key: str) -> float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise self.refused(value, place, key)
        number = float(value)
        if not self.bounds.holds(number) or (self.whole and not number.is_integer()):
            raise self.refused(value, place, key)
        return int(value) if self.whole else number

    def from_text(self, text: str) -> Any:
        try:
            return int(text) if self.whole else float(text)
        except ValueError:
            return text

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer" if self.whole else "number", **self.bounds.json_schema}


class Text(Kind):
    """Text that is not empty, or that matches. A path counts as text."""

    def __init__(self, matches: Matches | None = None, hidden: Hidden | None = None) -> None:
        self.matches, self.hidden = matches, hidden
        self.words = matches.words if matches else "text"

    def check(self, value: Any, place: str, key: str) -> str:
        text = os.fspath(value) if isinstance(value, os.PathLike) else value
        if not isinstance(text, str):
            raise self.refused(value, place, key)
        if self.hidden and re.search(self.hidden.regex, text):
            raise ConfigError(f"{place}: {key} {self.hidden.why}")
        regex = self.matches.regex if self.matches else None
        if (regex and not re.fullmatch(regex, text)) or (regex is None and not text):
            raise self.refused(value, place, key)
        return text

    def json_schema(self) -> dict[str, Any]:
        if self.matches is None:
            return {"type": "string", "minLength": 1}
        return {"type": "string", **({"pattern": f"^(?:{self.matches.regex})$"} if self.matches.regex else {})}


class OneOf(Kind):
    def __init__(self, choices: tuple[str, ...]) -> None:
        self.choices = choices
        self.words = f"one of {', '.join(choices)}"

    def check(self, value: Any, place: str, key: str) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise self.refused(value, place, key)
        return value

    def json_schema(self) -> dict[str, Any]:
        return {"enum": list(self.choices)}


class ListOf(Kind):
    """single: one item may stand without a list around it."""

    def __init__(self, item: Kind, *, single: bool = True) -> None:
        self.item, self.single = item, single
        self.words = f"{item.words}, or a list of these" if single else f"a list, each {item.words}"

    def check(self, value: Any, place: str, key: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            if not self.single:
                raise self.refused(value, place, key)
            value = (value,)
        return tuple(self.item.check(item, place, key) for item in value)

    def from_text(self, text: str) -> Any:
        return text.split(os.pathsep)

    def json_schema(self) -> dict[str, Any]:
        several = {"type": "array", "items": self.item.json_schema()}
        return {"anyOf": [self.item.json_schema(), several]} if self.single else several


class Table(Kind):
    """Values by name. as_pairs: kept as sorted pairs, which can be hashed."""

    def __init__(self, item: Kind, *, as_pairs: bool = False) -> None:
        self.item, self.as_pairs = item, as_pairs
        nested = isinstance(item, Table | Entry)
        self.words = "a table of tables: {name = {key = value}}" if nested else "a table: {key = value}"

    def check(self, value: Any, place: str, key: str) -> Any:
        if not isinstance(value, Mapping):
            raise self.refused(value, place, key)
        table = {name: self.item.check(item, place, f"{key}.{name}") for name, item in value.items()}
        return tuple(sorted(table.items())) if self.as_pairs else table

    def from_text(self, text: str) -> Any:
        return _inline_table(text)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.item.json_schema()}


class Declaration:
    """One key: its kind, what it means in one line, its default, and in words what holds where it is left out."""

    def __init__(self, kind: Kind, text: str, default: Any = None, unset: str = "") -> None:
        self.kind, self.text, self.default, self.unset = kind, text, default, unset


class Entry(Kind):
    """A table whose keys are declared. short: the key that is meant where a text stands for the table. noun: what an
    error calls a key."""

    def __init__(self, keys: Mapping[str, Declaration], *, short: str | None = None, noun: str = "option") -> None:
        self.keys, self.short, self.noun = keys, short, noun
        self.words = "a table" + (f", or its {short} as text" if short else "")

    def check(self, value: Any, place: str, key: str = "") -> dict[str, Any]:
        """Values that are None count as left out."""
        if self.short and isinstance(value, str | os.PathLike):
            value = {self.short: value}
        if not isinstance(value, Mapping):
            raise self.refused(value, place, key)
        where = f"{place}, [{key}]" if key else place
        unknown = next((name for name in value if name not in self.keys), None)
        if unknown is not None:
            raise ConfigError.unknown_option(where, str(unknown), self.keys, self.noun)
        given = {name: entry for name, entry in cast("Mapping[str, Any]", value).items() if entry is not None}
        return {name: self.keys[name].kind.check(entry, where, name) for name, entry in given.items()}

    def from_text(self, text: str) -> Any:
        return _inline_table(text)

    def json_schema(self) -> dict[str, Any]:
        table = {
            "type": "object",
            "properties": {name: _property(declaration) for name, declaration in self.keys.items()},
            "additionalProperties": False,
        }
        return {"anyOf": [self.keys[self.short].kind.json_schema(), table]} if self.short else table


def _property(declaration: Declaration) -> dict[str, Any]:
    unset = f". Left out: {declaration.unset}" if declaration.unset else ""
    known = {} if declaration.default in (None, ()) else {"default": declaration.default}
    return {**declaration.kind.json_schema(), "description": declaration.text + unset, **known}


def _inline_table(text: str) -> Any:
    """The table that a text writes as inlay.toml would behind `=`, or the text where it writes none."""
    import tomllib  # costs milliseconds that only this text needs

    try:
        return tomllib.loads(f"table = {text}")["table"]
    except tomllib.TOMLDecodeError:
        return text
