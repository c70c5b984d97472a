"""From a SQL type, as headers write it, to the Arrow type that DuckDB reads as that type.

    arrow_type("STRUCT(category VARCHAR, sizes FLOAT[3])[]")    # nested as deep as one likes
    arrow_type('MAP(VARCHAR, STRUCT("from" DATE))')             # a name in quotes
    arrow_type("DECIMAL(5, 2)")

Left out are the types whose Arrow form depends on the connection or that Arrow has no word for: TIMESTAMPTZ, HUGEINT,
UUID, INTERVAL, ENUM.
"""

from __future__ import annotations

import re
from functools import cache

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

_QUOTED = r'"(?:[^"]|"")*"'
_LIST = re.compile(r"(.+)\[\s*(\d*)\s*\]\s*", re.DOTALL)
_NAMED = re.compile(r"\s*(\w+)\s*(?:\((.*)\)\s*)?", re.DOTALL)
_FIELD = re.compile(rf"\s*(?:({_QUOTED})\s*|(\w+)\s+)(\S.*)", re.DOTALL)
_PIECE = re.compile(rf'{_QUOTED}|[(),]|[^"(),]+')


@cache
def arrow_type(sql: str) -> pa.DataType:
    """Raises ConfigError for a type that is not among these, and for what is no type."""
    try:
        return _type(sql)
    except _NoType:
        raise ConfigError(
            f"{sql!r} is no type that a function can return. Types: {', '.join(SCALARS)}, DECIMAL(p, s), "
            "STRUCT(name type, …), MAP(type, type), type[], type[n]."
        ) from None


class _NoType(Exception):
    """The text is no type."""


def _type(sql: str) -> pa.DataType:
    if match := _LIST.fullmatch(sql):
        return pa.list_(_type(match[1]), int(match[2] or -1))
    match = _NAMED.fullmatch(sql)
    if match is None:
        raise _NoType
    name, items = match[1].upper(), None if match[2] is None else _split(match[2])
    if items is None and name in SCALARS:
        return SCALARS[name]
    if name == "DECIMAL":
        return pa.decimal128(*(_DECIMAL if items is None else _digits(items)))
    if items and name == "STRUCT":
        return pa.struct([_field(item) for item in items])
    if items and name == "MAP" and len(items) == 2:
        return pa.map_(*map(_type, items))
    raise _NoType


def _split(text: str) -> list[str]:
    """At the commas outside of parentheses and quotes."""
    items, depth, end = [""], 0, 0
    while match := _PIECE.match(text, end):
        depth += (match[0] == "(") - (match[0] == ")")
        if depth < 0:
            raise _NoType
        if match[0] == "," and not depth:
            items.append("")
        else:
            items[-1] += match[0]
        end = match.end()
    if depth or end < len(text):
        raise _NoType
    return items


def _digits(items: list[str]) -> tuple[int, int]:
    if not all(item.strip().isdigit() for item in items) or len(items) > 2:
        raise _NoType
    digits, behind_point = (*map(int, items), 0)[:2]
    if not 1 <= digits <= 38 or behind_point > digits:
        raise _NoType
    return digits, behind_point


def _field(item: str) -> tuple[str, pa.DataType]:
    match = _FIELD.fullmatch(item)
    if match is None:
        raise _NoType
    return match[2] or match[1][1:-1].replace('""', '"'), _type(match[3])
