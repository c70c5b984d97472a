"""ai_filter('{a} and {b} …', {'a': x, 'b': y}): a statement about several columns, planned, plain and in dbt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import inlay
from inlay.client.connection import Connection
from inlay.errors import ConfigError
from support.macros_alone import Macros, Refused

SAME = "ai_filter('{a} and {b} are the same', {'a': x, 'b': y})"


@pytest.fixture
def con() -> Iterator[Connection]:
    with inlay.connect(model="fake-nli", store=None) as connection:
        connection.execute(
            "create table pairs as select i, 'left ' || i % 4 as x, case when i % 5 > 0 then 'it''s ' || i % 3 end as y, "
            "i / 3.0 as part, date '2024-02-03' + i::int as day, timestamp '2024-02-03 04:05:06' as sent, "
            "(i * 1.5)::decimal(9, 3) as price, i % 2 = 0 as even, [i, null] as two from range(24) t(i)"
        )
        yield connection


def both(con: Connection, sql: str) -> list[Any]:
    """What a statement gives, planned as it does without a plan."""
    planned = con.execute(sql)
    names, rows = [column[0] for column in planned.description], planned.fetchall()
    plain = con.duckdb.execute(sql)
    assert [column[0] for column in plain.description] == names and plain.fetchall() == rows
    return rows


def test_the_text_is_the_columns_that_are_named(con: Connection) -> None:
    as_text = "ai_filter('a: ' || x || chr(10) || 'b: ' || y, 'a and b are the same')"
    rows = both(con, f"select {SAME}, {as_text} from pairs order by i")
    assert {same for same, _ in rows} == {True, False, None}
    assert all(same is text for same, text in rows)


def test_whichever_stands_first_and_by_name(con: Connection) -> None:
    written = (
        "ai_filter({'b': y, 'a': x, 'more': two}, '{a} and {b} are the same')",
        "ai_filter(predicate := '{a} and {b} are the same', text := {'a': x, 'b': y})",
        "ai_filter('{a} and {b} are the same', {a: x, \"b\": y})",
    )
    expected = both(con, f"select {SAME} as v from pairs order by i")
    for call in written:
        assert both(con, f"select {call} as v from pairs order by i") == expected
    bare = con.duckdb.cursor().execute(f"select inlay.{SAME} as v from pairs order by i").fetchall()
    assert bare == expected


def test_a_null_that_is_named_is_null(con: Connection) -> None:
    rows = both(con, f"select y is null, {SAME} is null from pairs")
    assert all(is_null == is_silent for is_null, is_silent in rows) and any(is_null for is_null, _ in rows)
    unnamed = both(con, "select ai_filter('{a} is good', {'a': x, 'b': y}) from pairs where y is null")
    assert unnamed and (None,) not in unnamed


def test_each_combination_is_asked_once_joins_too(con: Connection) -> None:
    plan = con.explain(f"select {SAME} from pairs")
    assert (
        plan.costs.inputs
        == con.execute("select count(distinct (x, y)) from pairs where y is not null").fetchall()[0][0]
    )
    join = "select count(*) from pairs l join pairs r on ai_filter('{a} fits {b}', {'a': l.x, 'b': r.y})"
    plan = con.explain(join)
    assert plan.costs.inputs == 4 * 3
    both(con, join)


@pytest.mark.parametrize(
    "column", ["part", "day", "sent", "price", "even", "two", "i", "sent::timestamptz", "part::float"]
)
def test_values_read_as_duckdb_casts_them_on_every_path(con: Connection, column: str) -> None:
    as_text = f"ai_filter('v: ' || ({column})::varchar, 'v is much')"
    row = "{'v': " + column + "}"
    rows = both(con, f"select ai_filter('{{v}} is much', {row}), {as_text} from pairs order by i")
    assert all(by_row is by_text for by_row, by_text in rows) and len({row[0] for row in rows}) >= 1


def test_rows_and_statements_that_are_no_literals(con: Connection) -> None:
    expected = both(
        con, "select ai_filter('{x} is good', {'x': x}), ai_filter('{x} is bad', {'x': x}) from pairs order by i"
    )
    assert (
        both(con, "select ai_filter('{x} is good', p), ai_filter('{x} is bad', p) from pairs p order by i") == expected
    )
    turned = "select ai_filter(s, {'x': x}) from pairs, (values (1, '{x} is good'), (2, '{x} is bad'), (3, null)) v(n, s) order by n, i"
    rows = both(con, turned)
    assert rows[:48] == [(good,) for good, _ in expected] + [(bad,) for _, bad in expected]
    assert set(rows[48:]) == {(None,)}


def test_braces_that_are_meant_are_doubled(con: Connection) -> None:
    as_text = "ai_filter('a: ' || x, 'a is {good}, it''s')"
    rows = both(con, f"select ai_filter('{{a}} is {{{{good}}}}, it''s', {{'a': x}}), {as_text} from pairs order by i")
    assert all(escaped is text for escaped, text in rows)


def test_a_call_inside_of_another(con: Connection) -> None:
    inner = "ai_filter('{a} is good', {'a': x})"
    nested = f"select ai_filter('{{kind}} and {{b}} match', {{'kind': {inner}, 'b': x}}) from pairs order by i"
    by_text = f"select ai_filter('kind: ' || ({inner})::varchar || chr(10) || 'b: ' || x, 'kind and b match') from pairs order by i"
    assert [row[0] for row in both(con, nested)] == [row[0] for row in both(con, by_text)]


def test_the_json_of_a_row_stays_for_a_statement_without_names(con: Connection) -> None:
    json = """'{"a":"' || x || '"}'"""
    rows = both(
        con, f"select ai_filter({{'a': x}}, 'it is good'), ai_filter({json}, 'it is good') from pairs order by i"
    )
    assert all(by_row is by_text for by_row, by_text in rows)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("{a} and {c} match", "names 'c', which the row has not; it has a, b"),
        ("nothing is named", "names no column of the row; it has a, b"),
        ("{a} and { match", "a brace that stands alone"),
        ("{a} and } match", "a brace that stands alone"),
    ],
)
def test_what_is_named_wrongly(con: Connection, statement: str, message: str) -> None:
    call = f"select ai_filter('{statement}', {{'a': x, 'b': y}}) from pairs"
    for planned in (con, con.duckdb):
        with pytest.raises(Exception, match=message):
            planned.execute(call).fetchall()
    with pytest.raises(ConfigError, match=message):
        con.execute(f"select * from pairs where ai_filter('{statement}', {{'a': x, 'b': y}})")


def test_targets_and_calibrations_take_it_as_any_statement(con: Connection, tmp_path: Any) -> None:
    inlay.attach(con.duckdb, model="fake-nli", heads=str(tmp_path))
    con.execute(f"create table gold as select x, y, {SAME} as same from pairs")
    con.execute("create table more as select x || ' ' || j as x, y from pairs, range(5) u(j)")
    con.execute(f"create or replace table gold as select x, y, {SAME} as same from more")
    card = inlay.calibrate(con, "same", "gold", call=SAME, label="same")
    assert card.judges is not None and card.judges.statement == "a and b are the same"
    assert both(con, f"select {SAME[:-1]}, calibration := 'same') from gold where same is not null") == both(
        con, "select same from gold where same is not null"
    )


def test_in_dbt_the_text_is_a_mapping(con: Connection) -> None:
    made = Macros().ai_filter({"a": "x", "b": "y"}, "{a} and {b} are the same")
    assert both(con, f"select {made} as v from pairs order by i") == both(
        con, f"select {SAME} as v from pairs order by i"
    )
    with pytest.raises(Refused, match="names 'c', which is none of the columns a, b"):
        Macros().ai_filter({"a": "x", "b": "y"}, "{a} and {c}")
    with pytest.raises(Refused, match="names no column"):
        Macros().ai_filter({"a": "x"}, "nothing")
    with pytest.raises(Refused, match="which ai_filter alone takes"):
        Macros().ai_score({"a": "x"}, "nothing")
