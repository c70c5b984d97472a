"""From a DuckDB type to JSON Schema: STRUCT(name VARCHAR, age INT) → an object with two fields that may be null."""

from __future__ import annotations

import itertools
import math
import re
from decimal import Decimal
from typing import Any

from inlay.errors import ConfigError
from inlay.json_schema.formats import LOCAL_TIME

INTEGERS: dict[str, tuple[int, int]] = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "SMALLINT": (-(2**15), 2**15 - 1),
    "INTEGER": (-(2**31), 2**31 - 1),
    "BIGINT": (-(2**63), 2**63 - 1),
    "HUGEINT": (-(2**127), 2**127 - 1),
    "UTINYINT": (0, 2**8 - 1),
    "USMALLINT": (0, 2**16 - 1),
    "UINTEGER": (0, 2**32 - 1),
    "UBIGINT": (0, 2**64 - 1),
    "UHUGEINT": (0, 2**128 - 1),
}
_GREATEST_FLOAT = 3.4028234663852886e38
_PLAIN: dict[str, dict[str, Any]] = {
    "VARCHAR": {"type": "string"},
    "BOOLEAN": {"type": "boolean"},
    "DOUBLE": {"type": "number"},
    "FLOAT": {"type": "number", "minimum": -_GREATEST_FLOAT, "maximum": _GREATEST_FLOAT},
    "DATE": {"type": "string", "format": "date"},
    "TIME": {"type": "string", "pattern": f"^{LOCAL_TIME}$"},
    # DuckDB drops the offset of a TIMESTAMP: what stays is the time of day as it was written.
    "TIMESTAMP": {"type": "string", "format": "date-time"},
    "TIMESTAMP WITH TIME ZONE": {"type": "string", "format": "date-time"},
    "UUID": {"type": "string", "format": "uuid"},
}
# Where sqlglot's name of a type is not DuckDB's.
_NAMES = {
    "TEXT": "VARCHAR",
    "INT": "INTEGER",
    "INT128": "HUGEINT",
    "UINT": "UINTEGER",
    "UINT128": "UHUGEINT",
    "TIMESTAMPNTZ": "TIMESTAMP",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
}
# Keywords that must be quoted as the name of a STRUCT field; the others need not (duckdb_keywords()).
_NEED_QUOTES = """
all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
default deferrable desc describe distinct do else end except false fetch for foreign from group having in
initially intersect into lambda lateral leading limit not null offset on only or order pivot pivot_longer
pivot_wider placing primary qualify references returning select show some summarize symmetric table then to
trailing true union unique unpivot using variadic when where window with anti asof at authorization binary by
collation columns concurrently cross freeze full generated glob ilike inner is isnull join left like map natural
notnull outer overlaps positional right semi similar struct tablesample try_cast tuple unpack verbose
"""
_RESERVED = frozenset(_NEED_QUOTES.split())
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
SUPPORTED = (
    *(name for name in _PLAIN if name != "TIMESTAMP WITH TIME ZONE"),
    "TIMESTAMPTZ",
    *INTEGERS,
    "DECIMAL(p, s)",
    "ENUM('a', 'b')",
    "STRUCT(name type, …)",
    "type[]",
    "type[n]",
)


_QUOTES = """A name that is a word of SQL needs quotes: '"select" VARCHAR'."""

# The deepest nesting of types that is read.
_DEEPEST = 100


class DuckDBType(str):
    """The value of DUCKDB_TYPE: the exact type, where JSON Schema has no word for it; [n] for a list of n items. A
    user's own value is never of this class."""

    def applied(self, item: str) -> str:
        return f"{item}{self}"


DUCKDB_TYPE = "duckdb type"
"""A key that sql_types.py adds to a leaf and reading.py removes."""


def schema_of_sql_type(where: str, text: str) -> dict[str, Any]:
    """JSON Schema of a DuckDB type, or of the fields of a struct without STRUCT( ) around them. Every field may be
    null; `COMMENT 'question'` after a field's type is the question for it.

    Raises ConfigError for a text that is no type, and for types without a JSON form (BLOB, MAP, INTERVAL …).
    """
    for attempt in (text, f"STRUCT({text})"):
        parsed = _parsed(attempt) if text else None
        if parsed is not None:
            return _schema(where, parsed)
    shown = text if len(text) <= 200 else f"{text[:200]}…"
    raise ConfigError(
        f"{where}: {shown!r} is not a DuckDB type. Type, for example, 'name VARCHAR, age INT, tags VARCHAR[]'. "
        f"{_QUOTES} Types: {', '.join(SUPPORTED)}."
    )


def quoted_name(name: str) -> str:
    """The name of a field as DuckDB writes it in a type.

    >>> quoted_name("age"), quoted_name("Order"), quoted_name('6" long')
    ('age', '"Order"', '"6"" long"')
    """
    if _PLAIN_NAME.match(name) and name.lower() not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def _parsed(text: str) -> Any | None:
    import sqlglot
    from sqlglot import exp

    # In a CAST sqlglot refuses text after a type; parsing a type alone it drops such text silently.
    try:
        tokens = [token.token_type.name for token in sqlglot.tokenize(text, read="duckdb")]
        # Compiled, sqlglot reads any depth; what walks its tree afterwards does not.
        depths = itertools.accumulate((token == "L_PAREN") - (token == "R_PAREN") for token in tokens)
        if max(depths, default=0) > _DEEPEST:
            return None
        tree = sqlglot.parse_one(f"CAST(NULL AS {text})", read="duckdb")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return None
    if tokens.count("L_PAREN") != tokens.count("R_PAREN") or not isinstance(tree, exp.Cast):
        return None
    return None if tree.to.this == exp.DataType.Type.USERDEFINED else tree.to


def _schema(where: str, kind: Any) -> dict[str, Any]:
    name = _NAMES.get(kind.this.name, kind.this.name)
    if name in _PLAIN:
        return {**_PLAIN[name], DUCKDB_TYPE: DuckDBType(name)}
    if name in INTEGERS:
        low, high = INTEGERS[name]
        return {"type": "integer", "minimum": low, "maximum": high, DUCKDB_TYPE: DuckDBType(name)}
    if name == "DECIMAL":
        return _decimal(where, kind)
    if name == "ENUM" and kind.expressions:
        return {"type": "string", "enum": [each.name for each in kind.expressions]}
    if name in ("ARRAY", "LIST") and len(kind.expressions) == 1:
        listed = {"type": "array", "items": _schema(where, kind.expressions[0])}
        length = next((int(each.name) for each in kind.args.get("values") or ()), None)
        if length is None:
            return listed
        return {**listed, "minItems": length, "maxItems": length, DUCKDB_TYPE: DuckDBType(f"[{length}]")}
    if name == "STRUCT":
        return _struct(where, kind)
    raise ConfigError(f"{where}: an answer cannot have the type {kind.sql('duckdb')}. Types: {', '.join(SUPPORTED)}.")


def _struct(where: str, kind: Any) -> dict[str, Any]:
    from sqlglot import exp

    fields: dict[str, Any] = {}
    for each in kind.expressions:
        if not isinstance(each, exp.ColumnDef):
            if not each.name:
                raise ConfigError(f"{where}: {each.sql('duckdb')!r} is not a name and a type. {_QUOTES}")
            raise ConfigError(f"{where}: the field {each.name!r} has no type. Type, for example, {each.name} VARCHAR.")
        if each.name in fields:
            raise ConfigError(f"{where}: the field {each.name!r} occurs twice.")
        fields[each.name] = _nullable(_schema(where, each.kind))
        for constraint in each.args.get("constraints") or ():
            if not isinstance(constraint.kind, exp.CommentColumnConstraint):
                raise ConfigError(
                    f"{where}: {constraint.sql('duckdb')} after the field {each.name!r} is not supported. After a "
                    "field's type you may write COMMENT 'the question'; every field may be null."
                )
            fields[each.name]["description"] = constraint.kind.this.name
    return {"type": "object", "properties": fields, "required": list(fields)}


def _decimal(where: str, kind: Any) -> dict[str, Any]:
    digits = [int(each.name) for each in kind.expressions]
    precision, scale = (*digits, 0)[:2] if digits else (18, 3)
    if not 1 <= precision <= 38 or scale > precision:
        raise ConfigError(
            f"{where}: {kind.sql('duckdb')} is not a DECIMAL of DuckDB: it has 1 to 38 digits, and no more of them "
            "after the point."
        )
    named = {DUCKDB_TYPE: DuckDBType(f"DECIMAL({precision},{scale})")}
    if scale == 0:
        return {"type": "integer", "minimum": 1 - 10**precision, "maximum": 10**precision - 1, **named}
    exact = Decimal(f"{10**precision - 1}e-{scale}")
    limit = float(exact)
    # The double nearest to the limit may be above it, and DuckDB would refuse values between them.
    while Decimal(limit) > exact:
        limit = math.nextafter(limit, 0.0)
    return {"type": "number", "minimum": -limit, "maximum": limit, **named}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    if "enum" in schema:
        schema = {**schema, "enum": [*schema["enum"], None]}
    return {**schema, "type": [schema["type"], "null"]}
