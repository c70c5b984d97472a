"""How often DuckDB is asked, and what is made anew, while a statement is planned and runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

import inlay
from inlay.execution import answering, gathering, rehearsal, statement
from inlay.execution.statement import prepare
from inlay.planner.crowds import MOST_LOOKUPS
from inlay.planner.keyed import KEY
from support.plain_and_planned import same_both_ways

N = 20


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", language_model="fake-generate", progress="off") as connection:
        connection.execute("create table few as select 't' || i as a, i % 3 as k from range(20) r(i)")
        yield connection


def calls(pattern: str, joined: str) -> str:
    return joined.join(pattern.format(f"ai_complete(a || '{i}')", i) for i in range(N))


LINKED = {
    "AND": f"select k from few where {calls('{} <> {}::varchar', ' and ')}",
    "OR": f"select k from few where {calls('{} = {}::varchar', ' or ')}",
    "CASE": f"select case {calls('when {} = {}::varchar then k', ' ')} end as c from few",
    "coalesce": f"select coalesce({calls('nullif({}, {}::varchar)', ', ')}) as c from few",
}


@pytest.mark.parametrize("sql", LINKED.values(), ids=LINKED)
def test_a_gather_mentions_each_call_before_it_once(con: Any, sql: str) -> None:
    prepared = prepare(con._session, con.duckdb, sql)
    texts = [staged.texts[0] for staged in prepared.staged.values()]
    assert len(texts) == N
    for before, text in enumerate(texts):
        assert text.count(" || '") == before + 1  # those before it, and its own input


def test_calls_that_were_answered_ahead_are_not_answered_again(con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()
    answer = answering.answer
    monkeypatch.setattr(answering, "answer", lambda *a, **o: (asked.append(1), answer(*a, **o))[1])
    found = con.execute(LINKED["AND"]).fetchall()
    assert len(asked) == N  # by the planner, for all rows; DuckDB's calls find these answers
    assert found == con.duckdb.execute(LINKED["AND"]).fetchall()
    assert prepare(con._session, con.duckdb, LINKED["AND"]).sql.count("SELECT _inlay_v FROM") == MOST_LOOKUPS


def test_two_calls_of_the_same_rows_are_gathered_by_one_query(con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = "with q as (select ai_complete(a) as c, ai_summarize(a) as s from few) select c, s, count(*) from q group by all"
    same = same_both_ways(con, sql)
    assert same.gathered == same.planned == 40
    read = list[int]()
    texts = gathering._as_texts
    monkeypatch.setattr(gathering, "_as_texts", lambda *a: (read.append(1), texts(*a))[1])
    prepare(con._session, con.duckdb, sql)
    assert len(read) == 1


def test_a_name_is_asked_of_duckdb_once(con: Any) -> None:
    statement.column_name(con.duckdb, "upper('once')")
    closed = duckdb.connect()
    closed.close()
    assert statement.column_name(closed, "upper('once')") == "upper('once')"


def test_twins_are_made_when_a_statement_needs_one() -> None:
    twins = "select count(*) from duckdb_functions() where function_name like '\\_inlay\\_twin\\_%' escape '\\'"
    with inlay.connect(model="fake", progress="off") as con:
        con.execute("select ai_sentiment('a')").fetchall()
        assert con.duckdb.execute(twins).fetchall() == [(0,)]
        with pytest.raises(duckdb.BinderException, match="nosuch"):
            con.execute("select ai_sentiment('a'), nosuch").fetchall()
        assert con.duckdb.execute(twins).fetchall()[0][0] > 40


def test_a_statement_is_bound_once_before_it_is_asked(con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bound = list[str]()
    binds = rehearsal.Queries.binds
    monkeypatch.setattr(
        rehearsal.Queries, "binds", lambda self, sql, *a, **o: (bound.append(sql), binds(self, sql, *a, **o))[1]
    )
    prepare(con._session, con.duckdb, "select ai_complete(a) as c from few where k = 1")
    assert len(bound) == 1


def queries_of(con: Any, monkeypatch: pytest.MonkeyPatch, sql: str) -> list[str]:
    """What DuckDB is asked for the inputs of a statement."""
    asked = list[str]()
    run = rehearsal.Queries.run
    with monkeypatch.context() as patch:
        patch.setattr(rehearsal.Queries, "run", lambda self, sql, *a: (asked.append(sql), run(self, sql, *a))[1])
        prepare(con._session, con.duckdb, sql)
    return asked


@pytest.mark.skipif(not gathering._GOES_ON, reason="DuckDB 1 does not say of which types the columns of a result are")
def test_the_inputs_of_what_had_few_rows_before_are_read_row_by_row(con: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sql = "select ai_complete(a) as once_more from few where k = 1"
    are_distinct = []
    for _ in range(2):
        for _ in range(2):
            asked = queries_of(con, monkeypatch, sql)
            are_distinct.append(["GROUP BY" in text for text in asked if KEY in text])
        con.execute("insert into few select 't' || i, 1 from range(2000) r(i)")
    assert are_distinct == [[True], [False], [False, True], [True]]
    assert same_both_ways(con, sql).planned == 2000


@pytest.mark.parametrize("n_rows", [0, gathering.FIRST_ROWS, gathering.FIRST_ROWS + 1, 1_000])
def test_the_inputs_of_many_rows_are_distinct_as_those_of_few(
    con: Any, monkeypatch: pytest.MonkeyPatch, n_rows: int
) -> None:
    con.execute(
        "create or replace table many as select case when i % 10 > 0 then 'm' || (i % 90) end as a, (i % 7) as k "
        f"from range({n_rows}) r(i)"
    )
    sql = "select a, k, ai_complete(a) as c, ai_summarize(k) as d from many"
    same = same_both_ways(con, sql)
    assert same.is_planned and same.planned == same.plain == (88 if n_rows else 0)
    asked = queries_of(con, monkeypatch, sql)
    assert sum("GROUP BY" in text for text in asked) == (
        2 if n_rows > gathering.FIRST_ROWS or not gathering._GOES_ON else 0
    )
