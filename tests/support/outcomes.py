"""What a statement gives on two connections of the same tables, as DuckDB calls the functions by itself and planned; and
where the two differ."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Pair = tuple[Any, Any]
"""The connection whose DuckDB calls the functions, and the one that plans."""


@dataclass(frozen=True)
class Outcome:
    """columns: names and types. rows: in no order. error: the class and its message. inferred: inputs that a model was
    asked for. by_calls: rows that DuckDB handed to the functions. asked_by_calls: of the inputs, those that a model was
    asked for then, chunk by chunk: nobody had asked ahead."""

    columns: list[tuple[str, str]] | None
    rows: list[str]
    error: tuple[str, str] | None
    inferred: int
    by_calls: int
    asked_by_calls: int


def outcome(con: Any, run: Callable[[str], Any], sql: str) -> Outcome:
    """Of one text, with no answer known before; a transaction that it leaves open is rolled back."""
    session = con._session
    session.cache.clear()
    session.ledger.clear()
    handed: list[tuple[int, int]] = []
    columns, rows, error = None, [], None
    try:
        with counted_calls(session, handed):
            result = run(sql)
            columns = [(name, str(kind)) for name, kind, *_ in result.description or ()]
            rows = sorted(repr(_rounded(row)) for row in result.fetchall())
    except Exception as raised:  # every kind: which one it is, is what is compared
        error = type(raised).__name__, str(raised)
    try:
        con.duckdb.execute("rollback")
    except Exception as raised:
        assert "no transaction" in str(raised), sql
    by_calls, asked_by_calls = (sum(each) for each in zip((0, 0), *handed, strict=True))
    return Outcome(columns, rows, error, _inferred(session), by_calls, asked_by_calls)


def _inferred(session: Any) -> int:
    return sum(row.inferred for row in session.ledger.rows())


@contextlib.contextmanager
def counted_calls(session: Any, handed: list[tuple[int, int]]) -> Iterator[None]:
    """Notes how many rows DuckDB hands to the functions meanwhile, call by call, and how many inputs of these a model
    is asked for."""
    answer = session.answer

    def counting(function: str, columns: list[Any], *args: Any, **options: Any) -> Any:
        before = _inferred(session)
        try:
            return answer(function, columns, *args, **options)
        finally:
            handed.append((len(columns[0]), _inferred(session) - before))

    session.answer = counting
    try:
        yield
    finally:
        del session.answer


def both_outcomes(pair: Pair, sql: str) -> tuple[Outcome, Outcome]:
    plain, planned = pair
    return outcome(plain, plain.duckdb.execute, sql), outcome(planned, planned.execute, sql)


def difference(plain: Outcome, planned: Outcome) -> str | None:
    """In what the planned outcome is another one; None where in nothing.

    What DuckDB refuses only because the functions are volatile may be answered.
    """
    if plain.error is not None:
        if planned.error is None:
            refused = any(word in plain.error[1] for word in ("volatile", "side effects"))
            return None if refused else "answers what plain refuses"
        if planned.error[0] != plain.error[0] and planned.error[0] != "ConfigError":
            return f"{planned.error[0]}: {planned.error[1]}"
        # A value of some row, at which both ways fail: which rows were asked for before is chance.
        is_of_a_row = plain.error[0] in ("ConversionException", "OutOfRangeException")
        return "asks, and is refused" if planned.inferred > plain.inferred and not is_of_a_row else None
    if planned.error is not None:
        return f"{planned.error[0]}: {planned.error[1]}"
    if planned.columns != plain.columns:
        return f"columns {planned.columns}, not {plain.columns}"
    if planned.rows != plain.rows:
        return f"rows {planned.rows[:5]}, not {plain.rows[:5]}"
    return None


def asks_more(plain: Outcome, planned: Outcome) -> bool:
    """Whether the models were asked for more inputs. The tables are too small for a sample to order conditions by."""
    return plain.error is None and planned.error is None and planned.inferred > plain.inferred


def contents(con: Any) -> dict[str, tuple[Any, list[str]]]:
    """Columns and rows of every table of the connection."""
    every: dict[str, tuple[Any, list[str]]] = {}
    query = "select database_name, schema_name, table_name from duckdb_tables() order by all"
    for names in con.duckdb.execute(query).fetchall():
        found = con.duckdb.execute("from " + ".".join(f'"{name}"' for name in names))
        columns = [(name, str(kind)) for name, kind, *_ in found.description]
        every[names[2]] = columns, sorted(repr(_rounded(row)) for row in found.fetchall())
    return every


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value
