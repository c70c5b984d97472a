"""What a planned statement is made of grows with the statement: queries with its distinct calls, text with its length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import inlay
from inlay.execution.replacement_scan import with_tables
from inlay.execution.statement import prepare
from support.plain_and_planned import same_both_ways


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", language_model="fake-generate", progress="off") as connection:
        connection.execute(
            "create table x as select 't' || i as a, i % 3 as k, case when i % 4 > 0 then 'n' || i % 5 end as n "
            "from range(20) r(i)"
        )
        yield connection


def deep(depth: int, inside: str = "a", between: str = "{}") -> str:
    for level in range(depth):
        inside = f"ai_complete({between.format(inside)})" if level % 2 else f"ai_summarize({between.format(inside)})"
    return inside


def test_calls_in_calls(con: Any) -> None:
    sizes = []
    for depth in range(1, 9):
        prepared = prepare(con._session, con.duckdb, f"select {deep(depth)} as r from x")
        assert sum(len(staged.texts) for staged in prepared.staged.values()) == depth
        sizes.append(len(prepared.sql))
    assert sizes[7] < 4_500  # each level is a lookup more in the key of every level above, and no more than that
    assert sizes[7] - sizes[6] < 9 * (sizes[1] - sizes[0])


@pytest.mark.parametrize("between", ["{}", "{} || n", "coalesce({}, 'none')", "case when k > 0 then {} else n end"])
@pytest.mark.parametrize("clause", ["select {} as r from x", "select a from x where {} like 'f%'"])
def test_calls_in_calls_are_answered_alike(con: Any, between: str, clause: str) -> None:
    answered = same_both_ways(con, clause.format(deep(3, "n", between)))
    assert answered.is_planned and answered.planned == answered.plain


@pytest.mark.parametrize("between", ["{}", "{} || n", "coalesce({}, 'none')", "n || upper({})", "{}[k:]"])
@pytest.mark.parametrize("emptied", [0, 1])
def test_answers_that_are_not_there_are_the_calls_own(con: Any, between: str, emptied: int) -> None:
    """As where rows come in between: no lookup takes another row's answer then."""
    sql = f"select a, {deep(3, 'n', between)} as r from x order by a"
    prepared = prepare(con._session, con.duckdb, sql)
    name = [name for name in prepared.tables if name.startswith("_inlay_a")][emptied]
    tables = {**prepared.tables, name: prepared.tables[name].slice(0, 2)}
    rows = with_tables(con.duckdb, prepared.sql, tables, None, "execute").fetchall()
    assert rows == con.duckdb.execute(sql).fetchall()
