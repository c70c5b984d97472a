"""A column's alias used again in its SELECT, which DuckDB refuses of what has side effects: planned, it is the column's
expression, asked once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

import inlay


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", progress="off") as connection:
        connection.execute(
            """
            create table x as select 't' || i as a, i, i % 3 as k from range(20) r(i);
            create table answered as
            select *, ai_classify(a, ['u', 'v']) as t, ai_similarity(a, 'q') as s from x;
            """
        )
        yield connection


TOPIC, NEAR = "ai_classify(a, ['u', 'v']) as topic", "ai_similarity(a, 'q') as near"


@pytest.mark.parametrize(
    ("sql", "answered"),
    [
        (f"select i, {TOPIC} from x where topic = 'u'", "select i, t as topic from answered where t = 'u'"),
        (f"select {TOPIC}, upper(topic), topic from x", "select t as topic, upper(t), t from answered"),
        (f"from x select {NEAR}, near * 2 as d where near > 0", "select s, s * 2 from answered where s > 0"),
        (
            f"select i, {NEAR} from x where near > 0 and near < 1 order by near limit 3",
            "select i, s from answered where s > 0 order by s limit 3",
        ),
        (
            f"select * from (select i, {TOPIC}, {NEAR}, topic || near as both from x where topic = 'v') where i < 9",
            "select i, t, s, t || s from answered where t = 'v' and i < 9",
        ),
        (
            f"select {TOPIC}, count(*) from x group by all having topic = 'u'",
            "select 'u', count(*) from answered where t = 'u'",
        ),
        (
            f"select {TOPIC}, count(*) from x group by all having topic > 'a' order by topic || 'x' limit 1",
            "select min(t), count(*) filter (t = 'u') from answered",
        ),
        (
            "select ai_classify(max(a), ['u', 'v']) as topic, k from x group by k having topic = 'u'",
            "select t, k from answered join (select max(a) as a from x group by k) using (a) where t = 'u'",
        ),
        (  # HAVING takes an alias before a column that is no key
            "select ai_classify(a, ['u', 'v']) as k, count(*) from x group by all having k = 'u'",
            "select 'u', count(*) from answered where t = 'u'",
        ),
    ],
)
def test_it_is_the_columns_expression(con: Any, sql: str, answered: str) -> None:
    with pytest.raises(duckdb.BinderException, match="has side effects"):
        con.duckdb.execute(sql)
    found = con.execute(sql)
    assert sorted(found.fetchall(), key=repr) == sorted(con.duckdb.execute(answered).fetchall(), key=repr)


def test_columns_keep_their_names(con: Any) -> None:
    found = con.execute(f"select {TOPIC}, upper(topic), topic || '!' as t from x where topic = 'u'")
    assert [column[0] for column in found.description] == ["topic", "upper(topic)", "t"]


def test_a_column_of_the_table_comes_first(con: Any) -> None:
    sql = "select ai_classify(a, ['u', 'v']) as k, i from x where k = 1"
    assert sorted(con.execute(sql).fetchall()) == sorted(con.duckdb.execute(sql).fetchall())


def test_it_is_asked_once(con: Any) -> None:
    before = len(con._session.ledger.rows())
    con._session.cache.clear()
    con.execute("select ai_classify(a, ['n', 'm']) as topic, topic || '!' from x where topic <> 'o'").fetchall()
    assert sum(row.inferred for row in con._session.ledger.rows()[before:]) == 20
