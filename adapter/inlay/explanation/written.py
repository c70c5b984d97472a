"""A planned statement as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb

from inlay.execution.replacement_scan import with_tables
from inlay.execution.runner import Runner
from inlay.explanation.report import Step
from inlay.parsing.marks import replaced, unmarked


def shape(runner: Runner, places: Mapping[int, int]) -> str:
    """The statement as the rules leave it, with answer_1(…) where the answers of the first stage are looked up, and
    without the checks that stopping early puts into it."""

    def short(number: int, arguments: list[str]) -> str:
        found = runner.answers.get(number)
        if found is None or found.kept or number not in places:
            return f"{runner.names[number]}({', '.join(arguments)})"
        return f"answer_{places[number]}({', '.join(arguments[at] for _, at in found.keys)})"

    statement = runner.unguarded or runner.plan.runs
    return unmarked(replaced(statement.text, short), runner.names)


def rules_applied(runner: Runner) -> tuple[Step, ...]:
    return tuple(Step(applied.rule, applied.note) for applied in runner.plan.applied)


def duckdb_plan(
    con: duckdb.DuckDBPyConnection, sql: str, tables: Mapping[str, Any], parameters: Any, analyze: bool = False
) -> tuple[tuple[str, str], ...]:
    """What DuckDB's own EXPLAIN says, by key."""
    word = "EXPLAIN ANALYZE" if analyze else "EXPLAIN"
    rows = with_tables(con, f"{word} {sql}", tables, parameters, "execute").fetchall()
    return tuple((str(row[0]), str(row[1])) for row in rows)
