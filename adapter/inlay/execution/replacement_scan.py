"""Statements that name variables of the calling code as tables, and parameters, for a DuckDB connection that is called
from in here."""

from __future__ import annotations

import datetime
import itertools
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from types import FrameType
from typing import Any

import duckdb

from inlay.engine import cancel
from inlay.parsing.tokens import Text, parameters_replaced, without_literals, words

_LITERALS = (type(None), bool, int, float, str, Decimal, datetime.date)
"""Of which DuckDB writes an expression as SQL."""


def with_tables(
    con: duckdb.DuckDBPyConnection,
    sql: str,
    tables: Mapping[str, Any],
    parameters: Any,
    method: str = "sql",
    options: Mapping[str, Any] | None = None,
) -> Any:
    """DuckDB looks for tables named in SQL among the variables of the code that calls it: here these, and no others of
    this package. Raises InterruptedQueryError where the statement that it belongs to was interrupted."""
    cancel.check()
    parameters = _used(sql, parameters)
    given = [sql]
    named = dict(options or {})
    if parameters is not None:
        if method == "execute":
            given.append(parameters)
        else:
            named["params"] = parameters
    scope = {"_inlay_call": getattr(con, method), "_inlay_given": given, "_inlay_named": named, **tables}
    return eval("_inlay_call(*_inlay_given, **_inlay_named)", scope)


def variables(sql: str) -> dict[str, Any]:
    """Variables of the caller's that the statement may name as tables."""
    wanted = {word.text.strip('"') for word in words(sql) if word.text.strip('"').isidentifier()}
    found: dict[str, Any] = {}
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and wanted:
        if str(frame.f_globals.get("__package__")).partition(".")[0] != "inlay":
            for scope in (frame.f_locals, frame.f_globals):
                for name in wanted.intersection(scope):  # of a frame Python 3.13 gives no set of keys
                    found[name] = scope[name]
                wanted -= found.keys()
        frame = frame.f_back
    return found


def with_named_parameters(sql: Text, parameters: Any) -> tuple[Text, Any]:
    """Parameters by name, so that each query may take those that it mentions."""
    if parameters is None or isinstance(parameters, dict):
        return sql, parameters
    values = list(parameters)
    pieces = []
    place = itertools.count(1)
    tokens = words(sql)
    for word, after in itertools.zip_longest(tokens, tokens[1:]):
        if word.text not in ("?", "$"):
            continue
        # $1 and ?1 are two words each.
        if after is not None and after.start == word.end and after.text.isdigit():
            pieces.append((word.start, after.end, f"$inlay_{after.text}"))
        elif word.text == "?":
            pieces.append((word.start, word.end, f"$inlay_{next(place)}"))
    return sql.spliced(pieces), {f"inlay_{i}": value for i, value in enumerate(values, 1)}


def with_values(sql: str, parameters: Any) -> str:
    """The statement with the values of its parameters in their places, where SQL has a literal for them. parameters: by
    name."""

    def literal(name: str) -> str | None:
        value = parameters.get(name, ())
        kind = "::VARCHAR" if isinstance(value, str) else ""
        return f"({duckdb.ConstantExpression(value)}{kind})" if isinstance(value, _LITERALS) else None

    return parameters_replaced(sql, literal) if parameters else sql


def _used(sql: str, parameters: Any) -> Any:
    if not isinstance(parameters, dict):
        return parameters
    # A column's name in quotes may hold what looks like a parameter.
    mentioned = set(re.findall(r"\$ ?(\w+)", without_literals(sql)))
    return {name: value for name, value in parameters.items() if name in mentioned} or None
