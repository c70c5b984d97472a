"""What DuckDB refuses of functions with side effects, or of macros, works on a connection of inlay's: try(), and DISTINCT,
ORDER BY and FILTER in aggregates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

import inlay


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", language_model="fake-generate", progress="off") as connection:
        connection.execute(
            "create table x as select 't' || (i % 4) as a, i, i % 2 as k, if(i = 3, 'no', i::varchar) as n from range(8) r(i)"
        )
        connection.execute("create table answered as select *, ai_sentiment(a) as felt, ai_complete(a) as said from x")
        yield connection


@pytest.mark.parametrize(
    ("tried", "answered"),
    [
        ("try(ai_sentiment(a))", "felt"),
        ("try(ai_sentiment(a)::int)", "try(felt::int)"),
        ("try(upper(ai_sentiment(a) || '/' || ai_complete(a)))", "try(upper(felt || '/' || said))"),
        (
            "try(case when ai_sentiment(a) = 'positive' then n::int end)",
            "try(case when felt = 'positive' then n::int end)",
        ),
        ("try(ai_sentiment(a) || n::int)", "try(felt || n::int)"),
        ("coalesce(try(ai_complete(a)::int), 7)", "coalesce(try(said::int), 7)"),
    ],
)
def test_try(con: Any, tried: str, answered: str) -> None:
    sql = f"select i, {tried} from x"
    with pytest.raises(duckdb.BinderException, match="TRY can not be used"):
        con.duckdb.execute(sql)
    found, expected = con.sql(sql), con.duckdb.sql(f"select i, {answered} from answered")
    assert found.types == expected.types
    assert sorted(found.fetchall(), key=repr) == sorted(expected.fetchall(), key=repr)


def test_a_tried_argument_that_fails_is_null(con: Any) -> None:
    found = con.execute("select i, try(ai_sentiment(n::int::varchar)) as t from x order by i").fetchall()
    assert [i for i, t in found if t is None] == [3]


def test_a_tried_row_that_fails_is_null_and_not_an_error(con: Any) -> None:
    sql = "select try(ai_extract_json(a, 'nosuch', on_error := 'raise')) from x"
    with pytest.raises(inlay.InlayError):  # a wrong schema is no row that fails
        con.execute(sql)
    found = con.execute("select try(ai_score(a, 'x', model := 'fake-generate', on_error := 'raise')) from x").fetchall()
    assert len(found) == 8


def test_the_column_keeps_its_name(con: Any) -> None:
    assert con.execute("select try(ai_sentiment(a)) from x").description[0][0] == "TRY(ai_sentiment(a))"
    assert con.sql("select try(ai_sentiment(a)) as t, i from x").columns == ["t", "i"]


@pytest.mark.parametrize(
    ("aggregate", "texts"),
    [
        ("ai_agg(distinct a, 'q')", "list_sort(list(distinct a))"),
        ("ai_agg(a, 'q' order by i desc)", "list(a order by i desc)"),
        ("ai_agg(distinct a, 'q' order by a desc)", "list(distinct a order by a desc)"),
        ("ai_agg(a, 'q' order by i desc) filter (where i > 3)", "list(a order by i desc) filter (where i > 3)"),
        ("ai_agg(a, 'q' order by ai_sentiment(a) desc, i)", "list(a order by ai_sentiment(a) desc, i)"),
        (
            "ai_agg(distinct a, 'q' order by a) filter (where ai_sentiment(a) <> 'positive')",
            "list(distinct a order by a) filter (where ai_sentiment(a) <> 'positive')",
        ),
        ("ai_summarize_agg(distinct a, max_words := 7)", "list_sort(list(distinct a))"),
    ],
)
def test_aggregates(con: Any, aggregate: str, texts: str) -> None:
    con._session.cache.clear()
    before = len(con._session.ledger.rows())
    found = con.execute(f"select k, {aggregate} as r from x group by k order by k")
    rows = found.fetchall()
    asked = con._session.ledger.rows()[before:]
    assert [column[0] for column in found.description] == ["k", "r"]
    assert all(len({row.statement for row in asked}) == 1 for _ in asked)
    name, rest = aggregate.partition("(")[0], ", 'q'" if aggregate.startswith("ai_agg") else ", max_words := 7"
    sql = f"select k, _inlay_{name}(to_json({texts})::varchar{rest}) as r from x group by k order by k"
    assert rows == con.duckdb.execute(sql).fetchall()
