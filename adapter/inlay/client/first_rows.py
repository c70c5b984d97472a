"""The first rows of a statement that calls a model: what it takes to show some, and no more."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import duckdb

from inlay.client.shown import computed
from inlay.engine.executors.counting import Counting
from inlay.errors import InlayError, InterruptedQueryError
from inlay.execution.session import Session
from inlay.execution.statement import relation, runner_of
from inlay.explanation.guesses import DrawnGuesses
from inlay.parsing.kinds import is_query
from inlay.parsing.tokens import Text, Word, first_word
from inlay.parsing.unplannable import Unplannable
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
    """Warns where more has to be asked than what is shown, as to sort by the answers or to count them. Counted as the
    statement would ask: what is known is not asked, nor is a join by vectors asked for each pair."""
    try:
        context = session.context.dry(Counting(), DrawnGuesses())
        runner = runner_of(session, con, sql, parameters, tables, context)
        stopping = {number for stop in early_stops(runner.statement, runner.stages) for number in stop.numbers}
        if stopping.issuperset(runner.stages):
            return
        number = runner.queries.around.connection
        # DuckDB makes calls that no query of the planner's looks up, where it binds a table function.
        with nullcontext() if number is None else session.within(number, context):
            runner.run()
    except (duckdb.InterruptException, InterruptedQueryError):
        raise
    except (Unplannable, InlayError, duckdb.Error):  # what is wrong is said when it runs
        return
    needed = {
        number: sum((work.to_infer for work in runner.staged[number].work.values()), 0)
        for number in set(runner.staged) - stopping
    }
    if needed and (most := max(needed.values())) > n_rows + 1:
        call = next(runner.statement.written(number) for number, n in needed.items() if n == most)
        _log.warning(
            "inlay: showing %d rows asks for up to %s inputs of %s: the statement sorts, groups, joins, counts or "
            "compares rows by its answers.",
            n_rows, f"{most:,}", call,
        )  # fmt: skip
