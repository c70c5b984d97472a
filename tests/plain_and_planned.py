"""One statement both ways: as DuckDB calls the functions by itself, and as the planner runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inlay.planned import prepare
from inlay.planner.statement import Unplannable
from inlay.runner import UNBOUND


@dataclass
class Answered:
    """What a statement asked for. rows: those that DuckDB hands to the functions by itself; plain: what the model is
    asked for then. gathered: distinct inputs that the planner finds; planned: what the model is asked for then."""

    rows: int
    plain: int
    gathered: int
    planned: int
    is_planned: bool


def same_both_ways(con: Any, sql: str) -> Answered:
    """Runs a statement plainly and planned, nothing known before, and asserts that names and rows are equal."""
    session = con._session
    before = _forgotten(session)
    plain = con.duckdb.execute(sql)
    names, rows = [column[0] for column in plain.description], _rows(plain)
    ledger = session.ledger.rows()[before:]
    session.memory.clear()
    is_planned, staged = True, []
    try:
        staged = prepare(session, con.duckdb, sql).staged
    except (Unplannable, *UNBOUND):
        is_planned = False
    before = _forgotten(session)
    planned = con.execute(sql)
    assert [column[0] for column in planned.description] == names, sql
    assert _rows(planned) == rows, sql
    return Answered(
        rows=sum(row.rows for row in ledger),
        plain=sum(row.inferred for row in ledger),
        gathered=sum(stage.distinct for stage in staged),
        planned=sum(row.inferred for row in session.ledger.rows()[before:]),
        is_planned=is_planned,
    )


def _forgotten(session: Any) -> int:
    """Forgets all answers; how many lines the ledger has."""
    session.memory.clear()
    return len(session.ledger.rows())


def _rows(result: Any) -> list[str]:
    return sorted(repr(tuple(map(_rounded, row))) for row in result.fetchall())


def _rounded(value: Any) -> Any:
    # A sum of doubles depends on the order of its rows.
    return float(f"{value:.9g}") if isinstance(value, float) else value
