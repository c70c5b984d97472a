"""What a planned statement is made of grows with the statement: queries with its distinct calls, text with its length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import inlay
from inlay.execution.replacement_scan import with_tables
from inlay.execution.statement import prepare
from inlay.planner.crowds import MOST_LOOKUPS
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


IN_MANY_PLACES = {
    "columns": "select " + ", ".join(f"length(ai_complete(a)) + {i} as c{i}" for i in range(30)) + " from x",
    "OR": "select a from x where " + " or ".join(f"ai_complete(a) = 'x{i}'" for i in range(30)),
    "AND": "select a from x where " + " and ".join(f"ai_complete(a) <> 'x{i}'" for i in range(30)),
    "CASE": "select case " + " ".join(f"when ai_complete(a) = 'x{i}' then {i}" for i in range(30)) + " end as c from x",
    "clauses": "select ai_complete(a) as c from x where ai_complete(a) like '%t1%' group by a having ai_complete(a) <> 'q' "
    "order by ai_complete(a)",
}


@pytest.mark.parametrize("sql", IN_MANY_PLACES.values(), ids=IN_MANY_PLACES)
def test_one_call_in_many_places_is_gathered_once(con: Any, sql: str) -> None:
    prepared = prepare(con._session, con.duckdb, sql)
    assert sum(len(staged.texts) for staged in prepared.staged.values()) == 1
    assert prepared.reasons == {}
    answered = same_both_ways(con, sql)
    assert answered.planned == answered.gathered == 20


@pytest.mark.parametrize(
    ("sql", "inputs"),
    [
        # Of fewer rows first, and then of others.
        ("select case when k = 0 then ai_complete(a) end as b, ai_complete(a) as c from x", 20),
        ("select a from x where k = 0 and ai_complete(a) = 'q' or ai_complete(a) like '%1%'", 20),
        ("select k, ai_complete(min(a)) as b, max(ai_complete(a)) as c from x group by k having k > 0", 20),
        ("select ai_complete(a) as b from x where k = 0 union all select ai_complete(a) from x where k = 1", 14),
        ("with q as (select ai_complete(a) as a from x where k = 0) select a, ai_complete(a) as b from q", 14),
    ],
)
def test_calls_that_are_asked_of_other_rows_are_gathered_too(con: Any, sql: str, inputs: int) -> None:
    answered = same_both_ways(con, sql)
    assert (answered.gathered, answered.planned) == (inputs, inputs)


def many(n: int) -> str:
    return ", ".join(f"ai_complete(a || '{i}') as c{i}" for i in range(n))


def lookups(sql: str) -> int:
    return sql.count("SELECT _inlay_v FROM")


def test_of_many_calls_some_are_made_whose_answers_are_known(con: Any) -> None:
    prepared = prepare(con._session, con.duckdb, f"select {many(30)} from x")
    assert lookups(prepared.sql) == MOST_LOOKUPS and prepared.reasons == {}
    answered = same_both_ways(con, f"select {many(30)} from x")
    assert answered.planned == answered.plain == 580  # t1 || 10 is t11 || 0
    sides = " union all ".join(f"select ai_complete(a || '{i}') from x" for i in range(30))
    assert lookups(prepare(con._session, con.duckdb, sides).sql) == 30


def test_where_nothing_is_remembered_all_are_looked_up() -> None:
    with inlay.connect(language_model="fake-generate", memory_mb=0, progress="off") as con:
        con.execute("create table x as select 't' || i as a from range(20) r(i)")
        con.execute(f"select {many(30)} from x").fetchall()
        assert sum(row.inferred for row in con._session.ledger.rows()) == 580


def test_what_a_dry_run_guesses_is_looked_up(con: Any) -> None:
    con._session.cache.clear()
    sql = f"with q as (select {many(30)} from x) select ai_complete(c29) as d from q where c28 = c29"
    assert "waits" not in str(con.explain(sql))
