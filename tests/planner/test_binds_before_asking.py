"""A statement is bound before a model is asked: one that DuckDB refuses asks none, and a transaction outlives planning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import inlay

X = """create table x as select 't' || i as a, i, i % 3 as k, case when i % 4 = 0 then null else 'n' || (i % 5) end as n
       from range(20) r(i)"""
Y = "create table y as select i as k, 'w' || i as w, i % 2 as z from range(4) r(i)"


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Any]:
    with inlay.connect(model="fake", language_model="fake-generate") as connection:
        connection.execute(X)
        connection.execute(Y)
        yield connection


def asked(con: Any) -> int:
    return sum(row.inferred for row in con._session.ledger.rows())


def outcome(run: Callable[[], Any]) -> Any:
    """Names and rows of a result, or the class of the error and its first line."""
    try:
        result = run()
        if result is None:  # of DuckDB 1's sql(), for a statement that is no query
            return [], []
        if isinstance(result, duckdb.DuckDBPyRelation):
            return result.columns, sorted(map(repr, result.fetchall()))
        return [column[0] for column in result.description], sorted(map(repr, result.fetchall()))
    except duckdb.Error as error:
        return type(error), str(error).split("\n")[0]


REFUSED = {
    "select ai_complete(a), nosuch from x": duckdb.BinderException,
    "create table x as select ai_complete(a) from x": duckdb.CatalogException,
    "create or replace table v as select ai_complete(a) from x": duckdb.CatalogException,
    "create temp table t as select ai_complete(a) from x": duckdb.CatalogException,
    "insert into nosuch select ai_complete(a) from x": duckdb.CatalogException,
    "insert into x select ai_complete(a) from x": duckdb.BinderException,
    "copy (select ai_complete(a) from x) to '/nosuch/a.csv'": duckdb.IOException,
    "copy (select ai_complete(a) from x) to 'a.csv' (format nosuch)": duckdb.CatalogException,
    "select ai_complete(a, modle := 'fake') from x": duckdb.BinderException,
    "select ai_complete(a) from x where length($1) > i": duckdb.BinderException,
    "create table other.main.t as select ai_complete(a) from x": duckdb.InvalidInputException,
    "insert into other.t select ai_complete(a), 1 from x": duckdb.BinderException,
    "insert into OTHER.t select ai_complete(a) from x": duckdb.InvalidInputException,
}


@pytest.mark.parametrize("transaction", [False, True])
@pytest.mark.parametrize("sql", REFUSED)
def test_a_statement_that_duckdb_refuses_asks_no_model(con: Any, sql: str, transaction: bool, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "other.db")) as other:
        other.execute("create table t as select 'a' as a")
    con.execute(f"attach '{tmp_path}/other.db' as other (read_only)")
    con.execute("create view v as select 1")
    con.execute("create temp table t as select 1")
    if transaction:
        con.execute("begin")
    parameters = [5] if "$1" in sql else None
    with pytest.raises(REFUSED[sql]):  # its own error, inside a transaction too
        con.execute(sql, parameters)
    assert asked(con) == 0


@pytest.mark.parametrize("method", ["execute", "sql"])
def test_a_table_that_exists_is_left_without_a_question(con: Any, method: str) -> None:
    getattr(con, method)("create table if not exists x as select ai_complete(a) from x")
    assert asked(con) == 0


def test_a_database_that_is_read_only_asks_no_model(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "read.db")) as made:
        made.execute(X)
    with inlay.connect(str(tmp_path / "read.db"), read_only=True, model="fake", language_model="fake-generate") as con:
        for sql in ("insert into x(a) select ai_complete(a) from x", "create table z as select ai_complete(a) from x"):
            with pytest.raises(duckdb.InvalidInputException, match="read-only"):
                con.execute(sql)
        assert asked(con) == 0
        con.execute("create temp table z as select a, ai_complete(a) as b from x")
        con.execute("insert into z select a, ai_complete(a) from x")
        assert asked(con) == 20


NOT_LOOKED_UP = (
    "select * from unnest([ai_complete('q')])",
    "select * from x, unnest([ai_complete('q'), a]) u(b)",
    "select * from range(length(ai_complete('q')))",
    "select unnest(ai_extract(a, ['who', 'what'])) from x",
    "select max(ai_extract(a, ['who', 'what'])), min(ai_extract(a, ['who'])) from x",
    "select max({'b': ai_complete(a)}), min([ai_complete(a)]), max(ai_embed(a)) from x",
    "select max([ai_complete(a)]), count(ai_sentiment(n)) from x",
    "create table z as select max([ai_complete(a)]) as b from x",
    "select max(try_ai_sentiment(a)) from x",
)


@pytest.mark.parametrize("sql", NOT_LOOKED_UP)
def test_where_a_lookup_cannot_be_bound_the_call_is_made(con: Any, sql: str) -> None:
    plain = outcome(lambda: con.duckdb.execute(sql))
    con.execute("drop table if exists z")
    by_plain = asked(con)
    con._session.cache.clear()
    con.execute("begin")
    assert outcome(lambda: con.execute(sql)) == plain
    con.execute("commit")
    assert isinstance(plain[0], list)
    assert asked(con) == 2 * by_plain


ALIVE = (
    "create table z as select ai_sentiment(i) from x where i > 100",
    "select ai_sentiment(i), ai_similarity(a, k) from x where i > 3",
    "select * from (pivot x on k using max(ai_sentiment(a)))",
    "select x.i from x join y on ai_similarity(x.a, y.w) > 0.2",
    "select i from x where ai_sentiment(a) = 'positive' order by i limit 2",
    "select b, ai_sentiment(b) from frame",
    "select (select ai_sentiment(u.a) from x u where u.i = x.i) from x",
    "with recursive r as (select 1 as q, 'a' as p union all select q + 1, ai_sentiment(p || q) from r where q < 4) from r",
    "insert into y select k, ai_complete(a), 1 from x returning w",
)


@pytest.mark.parametrize("sql", ALIVE)
def test_no_transaction_is_ended_by_planning(con: Any, sql: str) -> None:
    frame = pa.table({"b": ["one", "two"]})
    con.execute("begin")
    plain = outcome(lambda: con.duckdb.execute(sql))
    con.execute("rollback")
    con.execute("begin")
    con.execute("insert into x(a) values (null)")
    con.execute("delete from x where a is null")
    assert outcome(lambda: con.execute(sql)) == plain
    assert con.execute("select count(*) from x").fetchall() == [(20,)]
    con.execute("commit")
    del frame


def test_inside_a_transaction_the_first_error_is_shown(con: Any) -> None:
    for sql in (
        "select ai_complete(a), nosuch from x",
        "select ai_sentiment(a)::int from x",
        "create table x as select ai_sentiment(a) from x",
    ):
        plain = outcome(lambda sql=sql: con.duckdb.execute(sql))
        con.execute("begin")
        assert outcome(lambda sql=sql: con.execute(sql)) == plain
        con.execute("rollback")


def test_a_name_that_a_call_gives_its_column_is_bound(con: Any) -> None:
    sql = """select "ai_sentiment(a)" from (select ai_sentiment(a) from x) where "ai_sentiment(a)" is not null"""
    assert inlay.explain(con, sql).stages
    assert outcome(lambda: con.execute(sql)) == outcome(lambda: con.duckdb.execute(sql))


def test_twins_are_no_functions_of_the_users(con: Any) -> None:
    listed = con.execute("select name from inlay_functions()").fetchall()
    assert not [name for (name,) in listed if "twin" in name]
    mine = "select function_name from duckdb_functions() where database_name in ('memory', 'temp')"
    assert not [name for (name,) in con.execute(mine).fetchall() if "twin" in name]


def test_explaining_and_describing_ask_nothing(con: Any) -> None:
    for sql in (
        "select * from unnest([ai_complete('q')])",
        "select * from (describe select ai_complete(a) from x)",
        "describe select ai_complete(a) from x",
        "summarize select ai_complete(a) from x",
        "create table z as select max([ai_complete(a)]) as b from x",
        "update x set n = ai_complete(a)",
        "select * from (pivot x on k using max(ai_sentiment(a)))",
    ):
        inlay.explain(con, sql)
        con.execute(f"explain {sql}").fetchall()
        con.sql(f"explain {sql}").fetchall()
    con.execute("describe select ai_complete(a) from x").fetchall()
    con.sql("select column_name from (describe select ai_complete(a) from x)").fetchall()
    con.sql("select ai_complete(a) from x").describe  # noqa: B018
    assert asked(con) == 0


AS_DUCKDB = (
    "create table z as select ai_complete(a) as b from x",
    "create table if not exists x as select ai_complete(a) from x",
    "insert into y select k, ai_complete(a), 1 from x",
    "insert into y select k, ai_complete(a), 1 from x returning w, k",
    "insert into y values (7, ai_complete('q'), 1) returning w",
    "update x set n = ai_complete(a) where k = 1 returning n",
    "delete from x where ai_complete(a) = 'fake: t3' returning a",
    "copy (select ai_complete(a) from x) to '{folder}/a.csv'",
    "describe select ai_complete(a) from x",
    "summarize select ai_complete(a) from x",
    "call query('select ai_complete(a) from x')",
    "create view v as select ai_complete(a) as b from x",
    "create or replace temp view v as select ai_complete(a) as b from x",
    "select x.* replace (ai_complete(a) as a) from x",
    "select * replace (ai_complete(a) as a), ai_sentiment(n) from x",
    "pivot x on k using max(ai_sentiment(a))",
)


@pytest.mark.parametrize("method", ["execute", "sql"])
@pytest.mark.parametrize("sql", AS_DUCKDB)
def test_results_are_what_duckdb_gives(con: Any, sql: str, method: str, tmp_path: Path) -> None:
    sql = sql.format(folder=tmp_path)
    con.execute("begin")
    plain = outcome(lambda: getattr(con.duckdb, method)(sql))
    con.execute("rollback")
    assert outcome(lambda: getattr(con, method)(sql)) == plain
    assert isinstance(plain[0], list)


def test_a_view_is_planned_once_it_is_made(con: Any) -> None:
    con.execute('create or replace temp view "Moods" as select i, ai_sentiment(a) as mood from x')
    assert con.execute("select mood from moods where i < 3").fetchall()
    assert asked(con) == 3


@pytest.mark.parametrize("method", ["execute", "sql"])
def test_columns_of_returning_are_named_as_in_a_select(con: Any, method: str) -> None:
    sql = "update y set z = 3 returning ai_sentiment(w), upper(ai_sentiment(w)), ai_complete(w) as c, ai_complete(w) d, k;"
    names = ["ai_sentiment(w)", "upper(ai_sentiment(w))", "c", "d", "k"]
    assert outcome(lambda: getattr(con, method)(sql))[0] == names


@pytest.mark.parametrize(
    "sql",
    [
        "select nextval('numbers') as n, ai_sentiment(a) from x where i < 3",
        "select nextval('numbers') as n, ai_sentiment(a) from x order by i limit 3",
        "select n, w.who from (select nextval('numbers') as n, ai_extract(a, ['who']) as w from x where i < 3)",
        "select nextval('numbers') as n, ai_sentiment(columns('a')) from x where i < 3",
        "select next_number() as n, ai_sentiment(a) from x where i < 3 order by i",
    ],
)
def test_a_sequence_is_advanced_by_the_statement_alone(con: Any, sql: str) -> None:
    rows = []
    for run in (con.duckdb.execute, con.execute):
        con.duckdb.execute("create or replace sequence numbers")
        con.duckdb.execute("create or replace macro next_number() as nextval('numbers')")
        rows.append((run(sql).fetchall(), con.duckdb.execute("select nextval('numbers')").fetchall()))
    assert rows[0] == rows[1]
