"""From a SQL type, as headers write it, to the Arrow type that DuckDB reads as that type.

    arrow_type("STRUCT(category VARCHAR, sizes FLOAT[3])[]")    # nested as deep as one likes
    arrow_type('MAP(VARCHAR, STRUCT("from" DATE))')             # a name in quotes
    arrow_type("DECIMAL(5, 2)")

Left out are the types whose Arrow form depends on the connection or that Arrow has no word for: TIMESTAMPTZ, HUGEINT,
UUID, INTERVAL, ENUM.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TypeVar

import pyarrow as pa

from inlay.errors import ConfigError

SCALARS: dict[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "UTINYINT": pa.uint8(),
    "USMALLINT": pa.uint16(),
    "UINTEGER": pa.uint32(),
    "UBIGINT": pa.uint64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BLOB": pa.binary(),
    "DATE": pa.date32(),
    "TIME": pa.time64("us"),
    "TIMESTAMP": pa.timestamp("us"),
}
_DECIMAL = (18, 3)
"""Digits, and those of them behind the point, where DECIMAL says none: DuckDB's own."""

_T = TypeVar("_T")
_WORD = re.compile(r'\s*("(?:[^"]|"")*"|\w+|[(),\[\]])\s*')


@cache
def arrow_type(sql: str) -> pa.DataType:
    """Raises ConfigError for a type that is not among these, and for what is no type."""
    words, end = [], 0
    while (match := _WORD.match(sql, end)) is not None:
        words.append(match[1])
        end = match.end()
    reader = _Reader(words)
    try:
        kind = reader.type()
    except _NoType:
        kind = None
    if kind is None or reader.words or end < len(sql):
        raise ConfigError(
            f"{sql!r} is no type that a function can return. Types: {', '.join(SCALARS)}, DECIMAL(p, s), "
            "STRUCT(name type, …), MAP(type, type), type[], type[n]."
        )
    return kind


class _NoType(Exception):
    """The words are no type."""


class _Reader:
    """Takes a type off the front of its words."""

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def type(self) -> pa.DataType:
        kind = self._item()
        while self._take_if("["):
            if self._take_if("]"):
                kind = pa.list_(kind)
            else:
                kind = pa.list_(kind, self._number())
                self._expect("]")
        return kind

    def _item(self) -> pa.DataType:
        name = self._take().upper()
        if name in SCALARS:
            return SCALARS[name]
        if name == "DECIMAL":
            return pa.decimal128(*(self._digits() if self._take_if("(") else _DECIMAL))
        if name == "STRUCT":
            return pa.struct(self._listed(self._field))
        if name == "MAP":
            key_and_value = self._listed(self.type)
            if len(key_and_value) == 2:
                return pa.map_(*key_and_value)
        raise _NoType

    def _digits(self) -> tuple[int, int]:
        digits = self._number()
        behind_point = self._number() if self._take_if(",") else 0
        self._expect(")")
        if not 1 <= digits <= 38 or behind_point > digits:
            raise _NoType
        return digits, behind_point

    def _field(self) -> tuple[str, pa.DataType]:
        name = self._take()
        if name.startswith('"'):
            name = name[1:-1].replace('""', '"')
        return name, self.type()

    def _listed(self, item: Callable[[], _T]) -> list[_T]:
        self._expect("(")
        items = [item()]
        while self._take_if(","):
            items.append(item())
        self._expect(")")
        return items

    def _number(self) -> int:
        word = self._take()
        if not word.isdigit():
            raise _NoType
        return int(word)

    def _take(self) -> str:
        if not self.words:
            raise _NoType
        return self.words.pop(0)

    def _take_if(self, word: str) -> bool:
        if self.words[:1] != [word]:
            return False
        self._take()
        return True

    def _expect(self, word: str) -> None:
        if not self._take_if(word):
            raise _NoType
