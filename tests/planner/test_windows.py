"""Calls in PARTITION BY and ORDER BY of windows, which DuckDB refuses of functions with side effects: planned, they give
what the same answers in a table give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

import inlay
from inlay.execution.replacement_scan import with_tables
from inlay.execution.statement import prepare

CALLS = {
    "mood": "ai_sentiment(a)",
    "near": "ai_similarity(a, 'q')",
    "of_n": "ai_sentiment(n)",
    "twice": "ai_sentiment(ai_sentiment(n))",
}


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", progress="off") as connection:
        connection.execute(
            """
            create table x as
            select 't' || i as a, i, i % 3 as k, if(i % 4 = 0, null, 'n' || i % 5) as n from range(40) r(i);
            create table y as select i * 3 as i, 'w' || i as w from range(5) r(i);
            """
        )
        made = ", ".join(f"{call} as {name}" for name, call in CALLS.items())
        connection.execute(f"create table answered as select *, {made} from x")
        yield connection


@pytest.mark.parametrize(
    "sql",
    [
        "select i, row_number() over (partition by {mood} order by i) as r from x",
        "select i, rank() over (order by {near}, i) as r from x where i < 9",
        "select i, rank() over (order by {twice}, i) as r from x",
        "select i, lag(i) over (partition by k, {of_n} order by {near} desc nulls last, i) as r from x",
        "select i from x qualify row_number() over (partition by {mood} order by i) = 1",
        "select rank() over (order by {mood}, i) as r from x qualify lag(i) over (partition by k order by i) > 9 and {near} > -2",
        "select x.i, count(*) over (partition by {mood}) as c from x join y on x.i = y.i order by x.i limit 3",
        "select i, {mood} as m, count(*) over (partition by {mood}) as c from x",
        "select k, rank() over (order by {mood}) as r from x where i < 3 group by k, {mood}",
    ],
)
def test_they_are_planned(con: Any, sql: str) -> None:
    answered = sql.format(**{name: name for name in CALLS}).replace("from x", "from answered x")
    found, expected = con.execute(sql.format(**CALLS)).fetchall(), con.duckdb.execute(answered).fetchall()
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def test_a_row_that_came_in_between_ends_the_statement(con: Any) -> None:
    sql = "select i, row_number() over (partition by ai_sentiment(a) order by i) from x"
    prepared = prepare(con._session, con.duckdb, sql)
    fewer = {name: prepared.tables[name].slice(0, 3) for name in prepared.tables if name.startswith("_inlay_a")}
    with pytest.raises(duckdb.Error, match="rows changed while the statement was being answered"):
        with_tables(con.duckdb, prepared.sql, {**prepared.tables, **fewer}, None, "execute").fetchall()


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        (
            "select i, rank() over w from x window w as (partition by {mood} order by {near}, i)",
            ["i", "rank() OVER (PARTITION BY ai_sentiment(a) ORDER BY ai_similarity(a, 'q'), i)"],
        ),
        ("select i, {mood} as m, row_number() over (partition by m order by i) as r from x", ["i", "m", "r"]),
        ("select i, {mood} as m from x qualify row_number() over (partition by m order by i) = 1", ["i", "m"]),
        ("select i, {mood} as m, sum(i) over w as s from x window w as (partition by m order by i)", ["i", "m", "s"]),
        ("select i, {mood} as m from x order by m || 'z', i limit 3", ["i", "m"]),
    ],
)
def test_a_window_clause_and_an_alias_in_a_window(con: Any, sql: str, names: list[str]) -> None:
    answered = sql.format(**{name: name for name in CALLS}).replace("from x", "from answered x")
    found, expected = con.sql(sql.format(**CALLS)), con.duckdb.execute(answered).fetchall()
    assert found.columns == names
    assert sorted(found.fetchall(), key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize("text", ["null::varchar", "'a constant'"])
def test_a_constant_that_no_row_asks_sorts_nothing(con: Any, text: str) -> None:
    sql = f"select i, row_number() over (order by ai_sentiment({text}), i) as r from x where i > 100"
    assert con.execute(sql).fetchall() == []
    sql = f"select i, row_number() over (order by ai_sentiment({text}), i) as r from x where i < 2"
    assert con.execute(sql).fetchall() == [(0, 1), (1, 2)]


ORDERED = "select i, k, rank() over (order by {mood}) as r from x"
UNREAD = {
    f"with c as ({ORDERED}) select count(*) from c": 0,
    f"with c as ({ORDERED}) select ai_sentiment('q'), count(*) from c": 1,
    f"with c as ({ORDERED}), d as (select i, k from c) select i, ai_sentiment(k) from d": 3,
    f"select k from ({ORDERED} union all select i, k, 1 from x)": 0,
    f"select i from ({ORDERED} limit 3)": 0,
    f"select i, (select count(*) from ({ORDERED})) from x": 0,
    "select i from (select i, rank() over w as r from x window w as (order by {mood}))": 0,
    "select i from (select i, rank() over w as r from x window w as (order by {mood}) order by r)": 40,
    "select i from (select i, {mood} as m, rank() over (partition by m order by i) as r from x)": 0,
    # Which DuckDB makes all the same.
    "select count(*) from (select rank() over (order by {mood}) as r from x positional join y)": 0,
    f"describe {ORDERED}": 0,
}


@pytest.mark.parametrize("sql", UNREAD)
def test_one_that_nothing_reads_asks_nothing(con: Any, sql: str) -> None:
    answered = sql.replace("{mood}", "mood").replace("from x", "from answered x")
    expected = con.duckdb.execute(answered).fetchall()
    con._session.ledger.clear()
    con._session.cache.clear()
    assert sorted(con.execute(sql.format(**CALLS)).fetchall()) == sorted(expected)
    assert sum(row.inferred for row in con._session.ledger.rows()) == UNREAD[sql]


def test_one_over_the_values_of_a_group(con: Any) -> None:
    sql = "select k, rank() over (order by ai_sentiment(max(a)), k) as r, ai_sentiment(max(a)) as m from x group by k qualify r < 3"
    first = con.duckdb.execute("select k, ai_sentiment(max(a)) as m from x group by k order by m, k limit 2").fetchall()
    assert sorted((r, k, m) for k, r, m in con.execute(sql).fetchall()) == [(1, *first[0]), (2, *first[1])]


@pytest.mark.parametrize("asked", ["[a]", "x", "random()::varchar", "to_days(i)"])
def test_one_that_is_refused_asks_nothing_else(con: Any, asked: str) -> None:
    con._session.cache.clear()
    con._session.ledger.clear()
    with pytest.raises(duckdb.BinderException, match="volatile"):
        con.execute(f"select ai_sentiment(i), rank() over (order by ai_sentiment({asked})) from x")
    assert con._session.ledger.rows() == []
