"""A call is asked of the rows of which DuckDB itself would ask it: inside CASE, if() and coalesce(), beside casts, below
samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pandas
import pytest

import inlay
from inlay.execution.statement import prepare
from support.plain_and_planned import same_both_ways


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", language_model="fake-generate", progress="off") as connection:
        connection.execute(
            """
            create table x as
            select 't' || i as a, i, i % 3 as k, case when i % 4 = 0 then null else 'n' || i % 5 end as n,
                   if(i = 3, 'no number', i::varchar) as s
            from range(20) r(i);
            create table none as from x where false;
            """
        )
        yield connection


CAST = "ai_sentiment((a::int)::varchar)"

GATHERED = {
    "select coalesce(n, ai_complete(a)) from x": 5,
    "select ifnull(n, ai_complete(a)) from x": 5,
    "select coalesce('c', ai_complete(a)) from x": 0,
    "select ai_complete(coalesce(n, ai_summarize(a))) from x": 11,
    "select if(i > 15, ai_complete(a), 'no') from x": 4,
    "select if(i > 15, 'no', ai_complete(a)) from x": 16,
    "select case k when 1 then 'no' when 2 then ai_complete(a) else 'x' end from x": 6,
    "select case k when 0 then 'no' when 1 then 'y' else ai_complete(a) end from x": 6,
    "select sum(case k when 1 then length(ai_complete(a)) else 0 end) from x group by i % 2": 7,
    "select a from x where if(k = 1, ai_sentiment(a) <> 'x', true)": 7,
    "select a from x where coalesce(k = 1, ai_sentiment(a) <> 'x')": 0,
    "select i > 15 or ai_sentiment(a) = 'x' from x": 20,  # there DuckDB computes both
    "select case when i > 15 or ai_sentiment(a) = 'x' then 1 end from x": 16,
    "select a from x where ai_sentiment(a) <> 'x' and k::varchar = '0'": 7,
    "select a from x where ai_sentiment(a) <> 'x' and i = (select max(i) from x)": 1,
    f"select case k when 99 then {CAST} end from x": 0,
    f"select if(k = 99, {CAST}, 'n'), coalesce(a, {CAST}) from x": 0,
    "select ai_sentiment((s::int)::varchar) from x where i <> 3 and ai_sentiment(a) <> 'x'": 38,
    "select a from none where ai_sentiment('c') = 'x'": 0,
    "select ai_sentiment(a) from x where (select bool_or(a = 't9') from x) and k = 1": 7,
    "select ai_sentiment(a) from x where (select bool_or(ai_complete(a) = 'x') from none)": 0,
    "select ai_complete('c') from x where i > 100": 0,
}


@pytest.mark.parametrize("sql", GATHERED)
def test_only_rows_that_reach_it(con: Any, sql: str) -> None:
    answered = same_both_ways(con, sql)
    assert answered.is_planned and answered.by_the_calls == 0
    assert answered.gathered == GATHERED[sql]
    assert answered.planned <= answered.plain


def test_a_cast_that_fails_fails_where_the_statement_reaches_it(con: Any) -> None:
    sql = "select ai_sentiment((s::int)::varchar) from x"
    for each in (con, con.duckdb):
        with pytest.raises(duckdb.ConversionException):
            each.execute(sql).fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        "select count(ai_sentiment(a)) from (select a from x using sample 3 rows)",
        "select count(ai_sentiment(a)) from (select a from x order by random() limit 3)",
        "with q as (select a from x order by random() limit 3) select count(*) from q where ai_sentiment(a) <> 'x'",
        "select count(ai_sentiment(r)) from (select random()::varchar as r from x limit 3)",
    ],
)
def test_rows_that_are_picked_at_random_are_left_to_the_call(con: Any, sql: str) -> None:
    answered = same_both_ways(con, sql)
    assert (answered.gathered, answered.planned) == (0, 3)


def test_a_value_made_at_random_beside_it_is_no_reason(con: Any) -> None:
    sql = "with q as (select uuid() as id, a from x) select id is null, ai_sentiment(a) from q"
    assert same_both_ways(con, sql).gathered == 20


def test_a_recursive_ctes_own_name_is_no_variable(con: Any) -> None:
    q = pandas.DataFrame({"i": [1], "a": ["another"]})
    sql = "with recursive q(i, a) as (select 1, 'b' union all select i + 1, ai_complete(a) from q where i < 3) from q"
    before = len(con._session.ledger.rows())
    assert con.execute(sql).fetchall() == con.duckdb.execute(sql).fetchall()
    assert not prepare(con._session, con.duckdb, sql, tables={"q": q}).staged
    assert len(con._session.ledger.rows()) > before
