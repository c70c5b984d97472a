"""What DuckDB hands a function as text is looked up by that text: JSON, integers, dates, UUIDs, enums, and by its bytes
where a column has a collation. Of times and fractions it is the text that Arrow makes of them."""

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

TIMES = [
    "ts",
    "ts::timestamp_s",
    "ts::timestamp_ms",
    "ts::timestamp_ns",
    "ts::timestamptz",
    "ts::time",
    "nullif(ts, ts)",
]
FRACTIONS = ["f", "f::float", "if(i = 3, null, f * 1000)", "ai_similarity(c, 'q')"]


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


@pytest.mark.parametrize("column", TIMES)
@pytest.mark.parametrize(
    "sql",
    [
        "select i, ai_complete({}) from t",
        "select i from t where ai_sentiment({}) <> 'x' order by i limit 3",
        "select ai_sentiment({}) as s, count(*) from t group by s",
        "select q.x from (select i, ai_complete({}) as x from t) q join small using (i)",
        "select i, ai_similarity({}, 'a') from t order by i limit 3",
        "select i, ai_complete({}) from t union all select i, ai_complete(({})::varchar) from t",
        "select a.i, b.i from t a join t b on ai_similarity(a.ts, b.c) > 0",
    ],
)
def test_times_are_planned(con: Any, column: str, sql: str) -> None:
    answered = same_both_ways(con, sql.replace("{}", column))
    assert answered.is_planned and answered.gathered > 0 and answered.by_the_calls == 0


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"])
def test_times_of_a_zone_are_planned(con: Any, zone: str) -> None:
    con.execute(f"set timezone = '{zone}'")
    sql = "select i, ai_complete(ts::timestamptz), ai_complete((ts + to_days(i * 15))::timestamptz) as later from t"
    answered = same_both_ways(con, sql)
    assert answered.gathered == answered.plain and answered.by_the_calls == 0
    con.execute("reset timezone")


def test_times_of_several_types_have_several_texts(con: Any) -> None:
    types = ("timestamp_s", "timestamp_ms", "timestamp", "timestamp_ns", "varchar")
    sql = f"select {', '.join(f'ai_complete(ts::{kind}) as {kind}' for kind in types)} from t"
    assert same_both_ways(con, sql).planned == 30 * (len(types) - 1)  # a second's text is DuckDB's


@pytest.mark.parametrize("column", FRACTIONS)
def test_fractions_are_asked_ahead_and_stay_calls(con: Any, column: str) -> None:
    """DuckDB joins and groups -0.0 and 0.0 as one value, and a function is handed two texts."""
    sql = f"select i, ai_complete({column}) from t where ai_sentiment({column}) <> 'x'"
    answered = same_both_ways(con, sql)
    assert answered.gathered > 0 and answered.planned == answered.plain


@pytest.mark.parametrize(
    "value",
    [
        "case i when 1 then '-0.0' when 2 then '0.0' when 3 then '1e12' when 4 then '1e-9' when 5 then 'nan' else i::varchar end::double",
        "if(i = 1, 'infinity'::timestamp, ts)",
        "if(i = 1, timestamp '12024-01-01', ts)",
        "if(i = 1, time '24:00:00', ts::time)",
        "if(i = 1, 'infinity'::date, d)",
    ],
)
def test_a_value_that_arrow_writes_in_its_own_way_is_left_to_the_call(con: Any, value: str) -> None:
    for sql in (
        f"select i, ai_complete({value}) from t",
        f"select i, v from (select i, {value} as v from t) where ai_sentiment(v) <> 'x' order by i limit 3",
    ):
        answered = same_both_ways(con, sql)
        assert answered.is_planned and answered.planned == answered.plain


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
