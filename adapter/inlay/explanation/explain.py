"""Explains a statement: the same plan as when it runs, and the same queries for its inputs, but no model answers them.

Answers that are known decide what comes after them; in the place of the others stand guesses. The guesses are in tables
of the explanation alone; nothing goes to the ledger or to the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import duckdb

from inlay.engine.executors.counting import Counting
from inlay.errors import BudgetExceededError, ConfigError
from inlay.execution.records import CallWork
from inlay.execution.replacement_scan import variables, with_tables
from inlay.execution.runner import Runner
from inlay.execution.session import Session
from inlay.execution.statement import runner_of, taken_form
from inlay.execution.surroundings import surroundings
from inlay.explanation.analyze import analyzed
from inlay.explanation.cardinality import expected_rows
from inlay.explanation.cost import Costs, costs
from inlay.explanation.guesses import DrawnGuesses
from inlay.explanation.report import Explanation, Stage, Step
from inlay.explanation.written import duckdb_plan, rules_applied, shape
from inlay.parsing.calls import find_calls
from inlay.parsing.marks import numbers_in
from inlay.parsing.tokens import Text, statement_texts
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons


def explain(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any = None,
    *,
    analyze: bool = False,
    tables: Mapping[str, Any] | None = None,
) -> Explanation:
    """The plan of one statement. Without analyze nothing but queries of its inputs runs. Raises what DuckDB says of a
    statement that it would not run, and ConfigError for more statements than one.

    tables: variables that the statement may name as tables; those of the callers where none are given.
    """
    sql = taken_form(session, con, _single(con, sql))
    tables = variables(sql) if tables is None else tables
    counting, guesses = Counting(), DrawnGuesses()
    number = surroundings(con).connection
    # DuckDB evaluates the arguments of a table function for EXPLAIN, too.
    with nullcontext() if number is None else session.within(number, session.context.dry(counting)):
        explanation = _explained(session, con, sql, parameters, tables, counting, guesses)
    return analyzed(session, con, explanation, sql, parameters, tables) if analyze else explanation


def explain_rows(con: duckdb.DuckDBPyConnection, explanation: Explanation, method: str, alias: str = "") -> Any:
    """What con.execute() or con.sql() gives for EXPLAIN, in DuckDB's own columns: inlay's plan, then what DuckDB says
    of the statement that runs."""
    keys = ["inlay", *(key for key, _ in explanation.plans)]
    values = [str(explanation), *(value for _, value in explanation.plans)]
    return with_tables(
        con,
        "SELECT unnest($keys) AS explain_key, unnest($explained) AS explain_value",
        {}, {"keys": keys, "explained": values}, method, {"alias": alias} if method == "sql" else {},
    )  # fmt: skip


def _single(con: duckdb.DuckDBPyConnection, sql: str) -> Text:
    con.extract_statements(sql)  # raises where it is none
    statements = statement_texts(sql)
    if len(statements) != 1:
        raise ConfigError(f"explain takes one statement; this text has {len(statements)}. Explain the last one alone.")
    return statements[0]


def _explained(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any,
    tables: Mapping[str, Any],
    counting: Counting,
    guesses: DrawnGuesses,
) -> Explanation:
    try:
        runner = runner_of(session, con, sql, parameters, tables, session.context.dry(counting, guesses))
        runner.run()
        prepared = runner.prepared()
        plans = duckdb_plan(con, prepared.sql, prepared.tables, prepared.parameters)
    except Unplannable as reason:
        return _plain(session, con, sql, parameters, tables, str(reason))
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        # Where the user's own statement is at fault, this raises.
        explanation = _plain(session, con, sql, parameters, tables, "")
        return replace(explanation, reason=f"DuckDB does not bind it with lookups: {str(error).splitlines()[0]}")
    estimate, places = costs(session, counting), _places(runner)
    return Explanation(
        statement=sql,
        runs_as=prepared.sql,
        shape=shape(runner, places),
        stages=tuple(_stages(runner, guesses, places)),
        plain=tuple(
            Step(runner.plan.statement.written(number), reason)
            for number, reason in sorted(runner.reasons.items())
            if number not in runner.unforeseen and reason != reasons.UNREAD
        ),
        unread=tuple(
            runner.plan.statement.written(number)
            for number, reason in sorted(runner.reasons.items())
            if reason == reasons.UNREAD
        ),
        rules=rules_applied(runner),
        costs=estimate,
        refused=_refused(session, estimate),
        plans=plans,
        rows=_expected(session, con, sql),
    )


def _plain(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any,
    tables: Mapping[str, Any],
    reason: str,
) -> Explanation:
    """Of a statement that runs as it is."""
    plans = duckdb_plan(con, sql, tables, parameters)
    plain = tuple(Step(call.text, "") for call in find_calls(sql, session.called))
    return Explanation(sql, sql, reason=reason, plain=plain, plans=plans, rows=_expected(session, con, sql))


def _expected(session: Session, con: duckdb.DuckDBPyConnection, sql: str) -> int | None:
    calls = find_calls(sql, session.called)
    return expected_rows(con, sql, tuple({call.function for call in calls})) if calls else None


def _refused(session: Session, estimate: Costs) -> str:
    try:
        estimate.hold_against(session.limits)
    except BudgetExceededError as error:
        return str(error)
    return ""


def _places(runner: Runner) -> dict[int, int]:
    """Of the calls that are answered ahead: which comes when, from 1."""
    answered = [number for number in runner.plan.stages if number in runner.answers or number in runner.unforeseen]
    return {number: place for place, number in enumerate(answered, 1)}


def _stages(runner: Runner, guesses: DrawnGuesses, places: Mapping[int, int]) -> Iterator[Stage]:
    for number, place in places.items():
        basis = list(_guessed_before(runner, guesses, number, places))
        call = runner.plan.statement.calls[number]
        held = runner.held.get(number)
        if held is not None and runner.session.binding.has_targets(call.spec.name, held.options):
            targets = runner.held.quality.said(call.spec, runner.held.written(call)) or "its targets"
            basis.append(f"within {targets} a proxy decides some of them: the exact model is asked of no more")
        if number in runner.undecided:
            basis.append("which of these is asked first is decided when it runs, by a sample of rows")
        unforeseen = runner.unforeseen.get(number)
        work = runner.staged[number].work if number in runner.staged else {}
        yield Stage(
            place,
            runner.plan.statement.written(number),
            next(iter(work), None) or runner.model_name(number),
            None if unforeseen else sum(work.values(), CallWork()),
            (unforeseen,) if unforeseen else tuple(dict.fromkeys(basis)),
            at=number,
        )


def _guessed_before(runner: Runner, guesses: DrawnGuesses, number: int, places: Mapping[int, int]) -> Iterator[str]:
    """What is guessed of the calls that decide which inputs reach this one."""
    staged = runner.staged.get(number)
    if staged is None:
        return
    reads = set(staged.reads)
    for text in staged.texts:
        reads |= set(numbers_in(text))
    for other in sorted(reads, key=lambda each: places.get(each, 0)):
        held = runner.held.get(other)
        if held is not None and guesses.n_unknown(held.name):
            yield guesses.tables[held.name].text(f"call {places[other]}")
