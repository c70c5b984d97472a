"""Calls as lookups in their answers: each row finds its own, whatever the argument is and however often it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

import inlay
from inlay.execution.statement import prepare
from support.installed_versions import DUCKDB
from support.plain_and_planned import same_both_ways

TABLES = """
    create table x as
    select 't' || i as a, i, i % 3 as k, case when i % 4 = 0 then null else 'n' || i % 5 end as n, ['L' || i, 'M'] as l
    from range(20) r(i);
    create table y as select i as k, 'w' || i as w, i % 2 as z from range(4) r(i);
    create table big as select 't' || i % 300 as s, i from range(6000) r(i);
"""


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", language_model="fake-generate", progress="off") as connection:
        connection.execute(TABLES)
        yield connection


QUERY = "list_cosine_similarity(ai_embed(a), ai_embed('query'))"

KEYED = [
    "select a, ai_complete(a.upper()) from x",
    "select a, ai_complete(x.a.upper()) from x",
    "select a, ai_complete((a).upper()) from x",
    "select a, ai_complete(l[1].lower()) from x",
    "select a, ai_complete(a[:k]) from x",
    "select a, ai_complete(a.upper()) from (select * from x order by i limit 1)",
    "select ai_complete(#2), a from (select i, a from x) q",
    "select ai_complete(#1) from x order by i limit 2",
    "select k, ai_complete(a.max()) from x group by k",
]

if DUCKDB < 2:  # which reads no method of an element, and fails over positions
    KEYED = [sql for sql in KEYED if "l[1]." not in sql and "#" not in sql]

ONE_ROW = [
    "select ai_complete('c') from x where ai_complete('c') <> 'x' and i < 3",
    "select ai_complete('c') from x where i < 3 union all select ai_complete('c') from y",
    "select ai_complete('c' || 'd') from x where ai_complete('c' || 'd') <> '' limit 2",
    "select x.i, z from x left join (select k, 'p' || ai_complete('c') as z from y) q on q.k = x.i",
    "select a from x where ai_sentiment('q') <> 'x' and ai_sentiment('q') <> 'y' limit 3",
    "select i from big where ai_similarity(s, 'q') > 0 and ai_sentiment('q') <> 'x'",
    "select i from big where ai_sentiment(s.upper()) <> 'x' and ai_sentiment('q') <> 'x' and ai_sentiment('q') <> 'y'",
    f"select a from x where {QUERY} > .1 order by {QUERY} desc",
]

WITHOUT_A_ROW = [
    "select x.i, q.z from x left join (select k, ai_complete(coalesce(w, 'none')) as z from y) q on q.k = x.i",
    "select x.i, q.z from x full join (select k, ai_complete(coalesce(w, 'none')) as z from y) q on q.k = x.i "
    "order by x.i limit 7",
    "select x.i, q.z from (select k, coalesce(ai_complete(w), 'none') as z from y) q right join x on q.k = x.i",
    "select x.i, q.z from x left join (select k, ai_complete(w) is null as z from y) q on q.k = x.i",
    "select x.i, q.z from x left join (select k, {'v': ai_complete(w)} as z from y) q on q.k = x.i",
    "select x.i, q.z from x left join (select k, ai_complete(w) as z from y union all select 9, 'no') q on q.k = x.i",
]

OF_NULL = [
    "select i, list_cosine_similarity(ai_embed(n), ai_embed('query')) from x",
    "select i, list_distance(ai_embed(n), ai_embed(a)) from x where list_cosine_similarity(ai_embed(n), ai_embed(a)) < 2",
    "select i, list_cosine_similarity(ai_embed(n), ai_embed('q')) as s from x order by s desc nulls last limit 3",
    "select x.i, list_cosine_similarity(e, ai_embed('q')) from x left join (select k, ai_embed(w) as e from y) q "
    "on q.k = x.i",
    "select i, ai_complete(n), ai_similarity(n, a) from x",
]

OF_ALL_ROWS = [
    "select a.max() from x where ai_sentiment(a) <> 'none' limit 3",
    "select product(i) from x where ai_sentiment(a) <> 'none' limit 3",
]


def has_methods(con: Any) -> bool:
    """Whether DuckDB finds the column of an outer query in `a.upper()`; 1.4 does not, and the call stays a call."""
    try:
        con.duckdb.execute("select (select max(v) from (values (1)) t(v) where v = length(a.upper())) from x")
    except duckdb.BinderException:
        return False
    return True


@pytest.mark.parametrize("sql", [*KEYED, *ONE_ROW, *WITHOUT_A_ROW, *OF_NULL, *OF_ALL_ROWS])
def test_each_row_finds_its_own_answer(con: Any, sql: str) -> None:
    answered = same_both_ways(con, sql)
    stays = "#" in sql or (any(method in sql for method in (".upper()", ".lower()", ".max()")) and not has_methods(con))
    assert answered.is_planned and (answered.by_the_calls == 0 or stays)
    assert answered.planned <= max(answered.plain, 512)


def test_a_lookup_never_gives_another_rows_answer(con: Any) -> None:
    con.execute("set scalar_subquery_error_on_multiple_rows = false")
    try:
        for sql in (*KEYED, *ONE_ROW):
            same_both_ways(con, sql)
    finally:
        con.execute("reset scalar_subquery_error_on_multiple_rows")


def test_a_word_that_follows_at_once_is_a_word_of_its_own(con: Any) -> None:
    sql = "select case when k = 1 then ai_complete(a)else a end, ai_complete(a)as r, ai_complete(a)from x"
    assert same_both_ways(con, sql).by_the_calls == 0
    assert prepare(con._session, con.duckdb, sql).sql.count("_inlay_v") == 3


def test_a_constant_is_asked_once_wherever_it_stands(con: Any) -> None:
    assert same_both_ways(con, ONE_ROW[0]).planned == 1
    assert same_both_ways(con, ONE_ROW[1]).planned == 1
