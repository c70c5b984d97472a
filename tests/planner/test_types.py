"""What DuckDB hands a function as text is looked up by that text: JSON, integers, dates, UUIDs, enums, and by its bytes
where a column has a collation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import inlay
from inlay.execution import gathering
from support.plain_and_planned import same_both_ways

COLUMNS = {
    "j": "JSON", "w": "JSON inside", "i": "BIGINT", "h": "HUGEINT", "d": "DATE", "u": "UUID", "e": "an enum",
    "dc": "DECIMAL", "b": "BOOLEAN", "c": "VARCHAR with a collation", "n": "with NULLs", "i % 3": "an expression",
}  # fmt: skip


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", language_model="fake-generate", progress="off") as connection:
        connection.execute(
            """
            create type grade as enum ('good', 'bad');
            create table t (
                i bigint, k integer, j json, w json, h hugeint, d date, u uuid, e grade, dc decimal(6, 2), b boolean,
                c varchar collate nocase, n integer, f double, ts timestamp
            );
            insert into t select
                i, i % 3, json_object('v', i % 4), to_json('a' || i % 4), i * 10000000000000000000::hugeint,
                date '2024-02-27' + (i % 4)::int, ('00000000-0000-0000-0000-00000000000' || i % 5)::uuid,
                if(i % 2 = 0, 'good', 'bad')::grade, i / 3, i % 2 = 0, if(i % 2 = 0, 'Word', 'wORD') || i % 3,
                if(i % 4 = 0, null, i % 5), i / 7, timestamp '2024-01-01' + interval (i) hour
            from range(30) r(i);
            create table small as select i * 7 as i from range(4) r(i);
            """
        )
        yield connection


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(
    "sql",
    [
        "select i, ai_complete({}) from t",
        "select {} from t where ai_sentiment({}) <> 'x' order by i limit 3",
        "select ai_sentiment({}) as s, count(*) from t group by s",
        "select q.x from (select i, ai_complete({}) as x from t) q join small using (i)",
        "select i, ai_similarity({}, 'a') from t order by i limit 3",
    ],
)
def test_they_are_planned(con: Any, column: str, sql: str) -> None:
    answered = same_both_ways(con, sql.replace("{}", column))
    assert answered.is_planned and answered.gathered > 0 and answered.by_the_calls == 0


@pytest.mark.parametrize("column", [column for column in COLUMNS if column.isidentifier()])
def test_they_are_joined_by(con: Any, column: str) -> None:
    same_both_ways(con, f"select a.i, b.i from t a join t b on a.i = b.i + 1 and ai_similarity(a.c, b.{column}) > 0")
    same_both_ways(con, f"select a.i, b.i from t a join t b on ai_similarity(a.{column}, b.{column}) > 0.9")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_union_of_them_is_one_of_their_texts(con: Any, column: str) -> None:
    same_both_ways(
        con,
        f"select q.x from (select i, ai_complete({column}) as x from t union all select i, ai_complete(u) from t) q "
        "join small using (i)",
    )


@pytest.mark.parametrize("column", ["f", "ts"])
def test_fractions_and_times_stay_with_the_function(con: Any, column: str) -> None:
    """They have one text in Arrow, which functions are handed, and another in DuckDB."""
    assert not same_both_ways(con, f"select i, ai_complete({column}) from t").gathered


@pytest.mark.parametrize("column", ["j", "d", "n", "c", "i % 3"])
def test_inputs_come_in_several_reads(con: Any, column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "GATHER_ROWS", 2)
    sql = f"select i, ai_complete({column}) as r from t where ai_similarity({column}, i) is not null"
    answered = same_both_ways(con, sql)
    assert answered.is_planned and answered.planned == answered.plain


def test_a_date_that_arrow_writes_otherwise_is_left_to_the_call(con: Any) -> None:
    con.execute(
        "create or replace table far as select unnest([date '2024-01-01', date '12024-01-01', 'infinity'::date, null]) as d"
    )
    answered = same_both_ways(con, "select d, ai_complete(d) as r from far")
    assert (answered.gathered, answered.by_the_calls) == (2, 2)
