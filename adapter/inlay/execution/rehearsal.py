"""A statement bound with its lookups before any model is asked: what DuckDB refuses asks none, and where it binds a
call and no lookup, the call stays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from inlay.execution.answer_tables import HeldAnswers, question_of
from inlay.execution.gathering import kinds_of, types_of
from inlay.execution.queries import Queries
from inlay.parsing.kinds import is_query
from inlay.parsing.marks import unmarked
from inlay.parsing.statement import Statement
from inlay.parsing.twins import twin_name
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.crowds import crowded
from inlay.planner.gather import gathers
from inlay.planner.lookups import Answers, answers_of, with_lookups
from inlay.planner.plan import Plan


def not_looked_up(
    plan: Plan, written: Statement, held: HeldAnswers, queries: Queries, create_twins: Callable[[], None]
) -> set[int]:
    """Calls that are answered ahead and stay calls all the same, since DuckDB does not bind their lookups. written: the
    user's statement. Raises Unplannable where DuckDB does not bind that, or what the rules have made of it."""
    statement, tables = plan.statement, dict(queries.tables)
    answers = _without_rows(plan, held, tables)
    # DuckDB evaluates these while it binds.
    twins = {
        number: twin_name(statement.names[number])
        for number, reason in plan.reasons.items()
        if reason == reasons.IN_TABLE_FUNCTION
    }
    if twins:
        create_twins()

    def looked_up(numbers: Collection[int]) -> str:
        found = {number: answers[number] for number in numbers}
        return with_lookups(plan.binds.text, found, {**statement.names, **twins})

    if any(
        found.alone and not _is_gathered(statement, number, answers, replace(queries, tables=tables))
        for number, found in answers.items()
    ):
        raise Unplannable(reasons.REFUSED)
    if not plan.stages or queries.binds(looked_up(answers), tables, gives_rows=is_query(plan.binds.text)):
        return set()
    create_twins()
    if not _is_accepted(written if plan.binds is plan.runs else statement, queries):
        raise Unplannable(reasons.REFUSED)
    if queries.accepts(looked_up(answers), tables):
        return set()
    refused = {number for number in answers if not queries.binds(looked_up([number]), tables)}
    for each in (refused, set(answers)):
        if queries.accepts(looked_up(answers.keys() - each), tables):
            return each
    raise Unplannable(reasons.NOT_REHEARSED)


def _without_rows(plan: Plan, held: HeldAnswers, tables: dict[str, Any]) -> dict[int, Answers]:
    """The lookups of the calls that are to be looked up, in tables without rows, which are added to `tables`."""
    names: dict[tuple[Any, ...], str] = {}
    answers, made = {}, crowded(plan.statement, plan.stages)
    for number in plan.stages:
        call = plan.statement.calls[number]
        name = names.setdefault(question_of(call), f"_inlay_b{number}")
        found = answers_of(plan.statement, number, name, number in made)
        if found.kept:
            continue
        try:
            if name not in tables:
                tables[name] = held.without_rows(call)
        except Unplannable:  # it will not be answered ahead either
            continue
        answers[number] = found
    return answers


def _is_gathered(statement: Statement, number: int, answers: Mapping[int, Answers], queries: Queries) -> bool:
    """Whether DuckDB binds a query for the inputs of a call, of types that it may have, or nothing reads them."""
    found = {other: replace(each, complete=True) for other, each in answers.items()}
    try:
        for text in gathers(statement, number, answers):
            sql = with_lookups(text, found, statement.names)
            if queries.binds(sql):
                types = [kind for _, kind in queries.shape(sql, gives_rows=True)]
                kinds_of(types[:-1], types_of(statement.calls[number]))
                return True
    except Unplannable as reason:
        return str(reason) == reasons.UNREAD
    return False


def _is_accepted(statement: Statement, queries: Queries) -> bool:
    """Whether DuckDB binds the user's statement."""
    twin = unmarked(statement.text, {number: twin_name(name) for number, name in statement.names.items()})
    # A twin's column has another name, and some statements are bound by EXPLAIN alone.
    return queries.binds(twin) or queries.accepts(statement.plain)
