"""What it takes to show a relation, and where its errors are placed: in the user's own text."""

from __future__ import annotations

import logging

import duckdb
import pytest

import inlay
from inlay.client.connection import Connection
from inlay.client.first_rows import limited_to
from inlay.client.original_errors import error_for_caller
from inlay.engine import cancel
from inlay.parsing.tokens import Text


@pytest.fixture
def shop(con: Connection) -> Connection:
    con.execute("create table t as select i, 'text ' || i as s from range(5000) r(i)")
    return con


@pytest.mark.parametrize(
    "text",
    [
        "select ai_embed(s) is null as n from t where i < 3;",
        "select ai_embed(s) is null as n from t where i < 3 ; -- that is all",
        "select ai_embed(s) is null as n from t where i < 3;;\n",
        "create table u as from t limit 3;\n\nselect ai_embed(s) is null as n from u;",
        "-- first\ncreate table u as from t limit 3; /* ; */ select ai_embed(s) is null as n from u\n;\n-- last",
    ],
)
def test_a_text_may_end_in_a_semicolon(shop: Connection, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    relation = shop.sql(text)
    assert repr(relation).count("false") == 3
    assert relation._repr_mimebundle_()["text/html"].count("<td>false</td>".replace("false", "False")) == 3
    relation.show()
    assert capsys.readouterr().out.count("false") == 3
    assert relation.fetchall() == [(False,)] * 3
    assert relation.filter("not n").count("*").fetchall() == [(3,)]


def test_a_text_that_ends_in_a_semicolon_is_planned_on_any_connection(shop: Connection) -> None:
    assert "false" in repr(inlay.sql(shop.duckdb, "select ai_embed(s) is null as n from t where i = 1;"))
    assert "ai_embed" in repr(shop.sql("explain select ai_embed(s) from t;"))


@pytest.mark.parametrize(
    ("sql", "cut"),
    [
        ("select * from t", "select * from t\nLIMIT 5"),
        ("select * from t order by i -- x", "select * from t order by i -- x\nLIMIT 5"),
        ("select * from (from t limit 9) limit 9 offset 2", "select * from (from t limit 9) limit 5 offset 2"),
        ("select * from t limit 3", "select * from t limit 3"),
        ("select * from t limit 40%", "SELECT * FROM (select * from t limit 40%\n) LIMIT 5"),
        ("select * from t limit 2 + 3", "SELECT * FROM (select * from t limit 2 + 3\n) LIMIT 5"),
        ("select * from t offset 3", "SELECT * FROM (select * from t offset 3\n) LIMIT 5"),
        ("(select 1) union all (from t limit 1)", "SELECT * FROM ((select 1) union all (from t limit 1)\n) LIMIT 5"),
        ("pivot t on i using sum(i)", "SELECT * FROM (pivot t on i using sum(i)\n) LIMIT 5"),
    ],
)
def test_a_statement_is_cut(shop: Connection, sql: str, cut: str) -> None:
    assert limited_to(Text(sql), 5) == cut
    if "pivot" not in sql and "union" not in sql:
        assert len(shop.execute(limited_to(Text(sql), 5)).fetchall()) <= 5


@pytest.mark.parametrize(
    ("sql", "asked"),
    [
        ("select ai_embed(s) from t", 21),
        ("select s, ai_embed(s) from t order by i desc", 21),
        ("select s, ai_embed(s) from t limit 1200", 21),
        ("select s, ai_embed(s) from t limit 7", 7),
        ("with a as (select i, ai_embed(s) from t) select * from a where i > 7", 21),
        ("select ai_embed(s) from t where i < 3 union all select ai_embed(s) from t", 21),
    ],
)
def test_showing_asks_for_the_rows_that_are_shown(
    shop: Connection, calls: dict[str, int], caplog: pytest.LogCaptureFixture, sql: str, asked: int
) -> None:
    text = repr(shop.sql(sql))
    assert calls["rows"] <= asked
    assert text.endswith("first 20 rows, more exist\n") == (asked > 20)
    assert not caplog.records


def test_as_many_rows_as_the_user_wants_are_shown(
    shop: Connection, calls: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    shop.sql("select i, ai_embed(s) is null from t order by i").show(max_rows=3)
    assert calls["rows"] == 4
    assert capsys.readouterr().out.endswith("first 3 rows, more exist\n")


@pytest.mark.parametrize(
    "sql",
    [
        "select i, ai_embed(s)[1] as v from t order by v",
        "select ai_embed(s)[1] > 0 as v, count(*) from t group by v",
        "select i, sum(ai_embed(s)[1]) over () from t",
    ],
)
def test_it_is_said_first_where_more_rows_are_needed(
    shop: Connection, calls: dict[str, int], caplog: pytest.LogCaptureFixture, sql: str
) -> None:
    asked_when_told: list[int] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            asked_when_told.append(calls["rows"])

    logger = logging.getLogger("inlay.client")
    handler = Handler()
    logger.addHandler(handler)
    try:
        repr(shop.sql(sql))
    finally:
        logger.removeHandler(handler)
    assert asked_when_told == [0]
    assert "showing 20 rows asks for up to 5,000 inputs of ai_embed(s)" in caplog.text


def test_no_more_is_said_than_is_asked(
    shop: Connection, calls: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    shop.execute("create table lefts as select 'left ' || i % 40 as a from range(90) r(i)")
    shop.execute("create table rights as select 'right ' || i % 30 as b from range(70) r(i)")
    pairs = shop.sql(
        "select * from lefts join rights on ai_similarity(a, b) > 0.2"
    )  # which asks for values, not for pairs
    repr(pairs)
    assert "showing 20 rows asks for up to 70 inputs of ai_similarity(a, b)" in caplog.text
    assert calls["rows"] == 70
    caplog.clear()
    repr(pairs)  # which is known
    assert not caplog.text


def test_relations_made_from_one_that_asks_a_model_show_as_little(shop: Connection, calls: dict[str, int]) -> None:
    made = shop.sql("select i, ai_embed(s) is null as n from t").project("i, n, i + 1 as next")
    assert repr(made).endswith("first 20 rows, more exist\n")
    assert calls["rows"] <= 2_048  # one chunk of DuckDB's


def test_other_relations_are_shown_by_duckdb(shop: Connection) -> None:
    assert repr(shop.sql("from t")) == repr(shop.duckdb.sql("from t"))


ERRORS = [
    ("select ai_embed(s),\n  s::int from t", "LINE 2:   s::int from t\n           ^^^^^"),
    ("select 1;\n\nselect ai_embed(s),\n  s::int from t;", "LINE 4:   s::int from t;\n           ^^^^^"),
    ("select ai_embed(s), 'é' as é, s::int from t", "LINE 1: select ai_embed(s), 'é' as é, s::int from t"),
]


@pytest.mark.parametrize(("sql", "place"), ERRORS)
@pytest.mark.parametrize("method", ["sql", "execute"])
def test_an_error_is_placed_in_the_users_own_text(shop: Connection, method: str, sql: str, place: str) -> None:
    with pytest.raises(duckdb.ConversionException) as raised:
        getattr(shop, method)(sql).fetchall()
    assert str(raised.value).startswith("Conversion Error: Could not convert string 'text 0' to INT32")
    if duckdb.__version__ >= "2":
        assert place in str(raised.value)
    elif method == "execute":  # where DuckDB 1 marks one character
        assert place.replace("^^^^^", "^") in str(raised.value)
    else:  # where DuckDB 1 shows a text of its own
        assert "LINE" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    "text",
    [
        "select ai_embed(s) from t",
        "select i::int from t",  # too little is alike
        "select s::int, ai_embed(s) from t\nunion all select s::int, ai_embed(s) from t",  # either
    ],
)
def test_a_line_that_the_user_has_not_written_is_not_shown(text: str) -> None:
    line = "LINE 7: select s::int, ai_embed(s) from _inlay_core"
    error = duckdb.ConversionException(f"Conversion Error: no\n\n{line}\n{' ' * line.index('::')}^^^^^")
    assert str(error_for_caller(error, cancel.Watch(0, lambda: None), text)) == "Conversion Error: no"
