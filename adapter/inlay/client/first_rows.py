"""The first rows of a statement that calls a model: what it takes to show some, and no more."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import duckdb

from inlay.client.shown import computed
from inlay.execution.queries import UNBOUND
from inlay.execution.runner import Runner
from inlay.execution.session import Session
from inlay.execution.statement import relation, runner_of
from inlay.parsing.kinds import is_query
from inlay.parsing.tokens import Text, Word, first_word
from inlay.parsing.unplannable import Unplannable
from inlay.planner.gather import gathers
from inlay.planner.rules.early_stop import early_stops

_log = logging.getLogger("inlay.client")

_LIMITS = ("limit", "offset", "fetch")


def first_rows(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any,
    alias: str,
    tables: Mapping[str, Any],
    n_rows: int,
) -> tuple[Any, bool]:
    """A relation of the first n_rows, its calls answered by now, and whether the statement gives more. One row more is
    asked for, which tells."""
    limited = limited_to(Text.of(sql), n_rows + 1)
    _say_what_is_needed(session, con, limited, parameters, tables, n_rows)
    rows = computed(con, relation(session, con, limited, parameters, alias, tables))
    return rows.limit(n_rows), len(rows.limit(n_rows + 1).fetchall()) > n_rows


def limited_to(sql: Text, n_rows: int) -> str:
    """The statement, cut after so many rows."""
    words, around = sql.words, sql.brackets.around
    ends = {word.lower: i for i, word in enumerate(words) if around[i] < 0 and word.lower in _LIMITS}
    if is_query(sql) and first_word(sql) not in ("pivot", "unpivot", "(") and not ends:
        return f"{sql}\nLIMIT {n_rows}"
    if "limit" in ends:
        number, after = (*words[ends["limit"] + 1 :], Word(0, 0, ""))[:2]
        if number.text.isdigit() and after.lower in ("", "offset"):
            return sql.spliced([(number.start, number.end, str(min(int(number.text), n_rows)))])
    return f"SELECT * FROM ({sql}\n) LIMIT {n_rows}"


def _say_what_is_needed(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any,
    tables: Mapping[str, Any],
    n_rows: int,
) -> None:
    """Warns where more has to be asked than what is shown, as to sort by the answers or to count them."""
    try:
        runner = runner_of(session, con, sql, parameters, tables)
    except (Unplannable, *UNBOUND):
        return
    stopping = {number for stop in early_stops(runner.statement, runner.stages) for number in stop.numbers}
    needed = {number: _n_inputs(runner, number) for number in runner.stages if number not in stopping}
    if needed and (most := max(needed.values())) > n_rows + 1:
        call = next(runner.statement.written(number) for number, n in needed.items() if n == most)
        _log.warning(
            "inlay: showing %d rows needs up to %s inputs of %s: the statement sorts, groups, counts or compares rows "
            "by its answers.",
            n_rows, f"{most:,}", call,
        )  # fmt: skip


def _n_inputs(runner: Runner, number: int) -> int:
    """Distinct inputs that reach a call; 0 where they depend on the answers to another."""
    try:
        inputs = runner.looked_up(next(gathers(runner.statement, number, ())))
        return int(runner.query(f"SELECT count(*) FROM ({inputs})").fetchall()[0][0])
    except duckdb.InterruptException:
        raise
    except (Unplannable, duckdb.Error):  # it is asked as rows come, and DuckDB says what is wrong
        return 0
