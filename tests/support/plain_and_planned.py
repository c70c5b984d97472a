"""One statement both ways: as DuckDB calls the functions by itself, and as the planner runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inlay.execution.queries import UNBOUND
from inlay.execution.statement import prepare
from inlay.parsing.unplannable import Unplannable


def make_tables(con: Any, n_rows: int) -> None:
    """t: n_rows, up to 1,000 different s, 10 different w, n with NULLs; small: ten ids, far apart."""
    con.execute(
        f"""
        create table t as
        select i, 'text ' || (i % 1000) as s, i % 3 as k, 'w' || (i % 10) as w,
               case when i % 7 = 0 then null else 'n' || i % 5 end as n
        from range({n_rows}) r(i);
        create table small as select i * 37 as i, i * 5 as z from range(10) r(i);
        """
    )


@dataclass
class Answered:
    """What a statement asked for. rows: those that DuckDB hands to the functions by itself; plain: what the model is
    asked for then. gathered: distinct inputs that the planner finds; planned: what the model is asked for then;
    by_the_calls: rows that the functions are handed all the same."""

    rows: int
    plain: int
    gathered: int
    planned: int
    by_the_calls: int
    is_planned: bool


def same_both_ways(con: Any, sql: str, digits: int | None = None) -> Answered:
    """Runs a statement plainly and planned, nothing known before, and asserts that names and rows are equal. digits: of
    floats, where the statement adds some up, which depends on the order of its rows."""
    session = con._session
    before = _forgotten(session)
    plain = con.duckdb.execute(sql)
    names, rows = [column[0] for column in plain.description], _rows(plain, digits)
    ledger = session.ledger.rows()[before:]
    session.cache.clear()
    is_planned, staged = True, {}
    try:
        staged = prepare(session, con.duckdb, sql).staged
    except (Unplannable, *UNBOUND):
        is_planned = False
    before = _forgotten(session)
    planned = con.execute(sql)
    assert [column[0] for column in planned.description] == names, sql
    assert _rows(planned, digits) == rows, sql
    asked = session.ledger.rows()[before:]
    return Answered(
        rows=sum(row.rows for row in ledger),
        plain=sum(row.inferred for row in ledger),
        gathered=sum(stage.inputs for stage in staged.values()),
        planned=sum(row.inferred for row in asked),
        by_the_calls=sum(
            row.rows for row in asked if row.statement != asked[0].statement
        ),  # the first is the planner's
        is_planned=is_planned,
    )


def _forgotten(session: Any) -> int:
    """Forgets all answers; how many lines the ledger has."""
    session.cache.clear()
    return len(session.ledger.rows())


def _rows(result: Any, digits: int | None) -> list[str]:
    return sorted(repr(tuple(_rounded(value, digits) for value in row)) for row in result.fetchall())


def _rounded(value: Any, digits: int | None) -> Any:
    return float(f"{value:.{digits}g}") if digits and isinstance(value, float) else value
