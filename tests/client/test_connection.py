"""The connection that inlay.connect() returns, and its relations: how they pass for DuckDB's, and what they raise."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import inlay
from inlay.arrays import relation_reader
from inlay.client.relation import Relation
from inlay.engine import signals
from inlay.errors import (
    CannotServeError,
    ConfigError,
    NotAttachedError,
    RowsFailedError,
    UnknownModelError,
)
from support.attached import NAMED, PLAIN, one


def test_a_relation_can_be_named_in_sql(con: Any) -> None:
    labelled = con.sql(NAMED + " AS label")
    assert con.sql("SELECT label FROM labelled").fetchall() == labelled.fetchall()
    assert isinstance(labelled.filter("label IS NOT NULL"), Relation)
    assert labelled.union(labelled).aggregate("count(*)").fetchall() == [(2,)]


def test_a_relation_has_what_this_version_of_duckdb_gives_one(con: Any) -> None:
    labelled, plain = con.sql(NAMED + " AS label"), con.duckdb.sql("SELECT 1")
    names = ("to_arrow_reader", "fetch_arrow_reader", "to_arrow_table", "fetch_arrow_table", "pl", "nosuch")
    assert [hasattr(labelled, name) for name in names] == [hasattr(plain, name) for name in names]
    assert relation_reader(con.sql(NAMED + " AS label"), 10).read_all().num_rows == 1


def test_a_relation_of_a_plain_connection_can_be_named_in_sql(con: Any) -> None:
    labelled = con.duckdb.sql(NAMED + " AS label")
    assert con.sql("SELECT label FROM labelled").fetchall() == labelled.fetchall()


def test_a_local_arrow_table_can_be_named_in_sql(con: Any) -> None:
    texts = pa.table({"s": ["x"]})
    assert con.sql("SELECT ai_classify(s, ['a', 'b'], model := 'fake-nli') FROM texts").fetchall() == [
        (one(con, NAMED),)
    ]
    assert con.execute("SELECT count(*) FROM texts").fetchall() == [(texts.num_rows,)]


def test_a_local_data_frame_can_be_named_in_sql(con: Any) -> None:
    frame = pytest.importorskip("pandas").DataFrame({"s": ["x", None]})
    assert con.sql("SELECT ai_embed(s) IS NULL FROM frame").fetchall() == [(False,), (True,)]
    assert len(con.sql("FROM frame").df()) == len(frame)


NAMES = ["args", "error", "held", "kwargs", "method", "name", "result", "session", "token", "value", "watch"]


@pytest.mark.parametrize("name", NAMES)
def test_no_variable_of_inlay_stands_before_one_of_the_caller(con: Any, name: str) -> None:
    scope = {"con": con, name: pa.table({"s": ["mine"]})}
    exec(f"def f({name}):\n    return con.sql('FROM {name}').fetchall(), con.execute('FROM {name}').fetchall()", scope)
    assert scope["f"](scope[name]) == ([("mine",)], [("mine",)])


def test_an_arrow_table_of_an_outer_function_and_a_registered_one_work(con: Any) -> None:
    con.register("given", pa.table({"s": ["x"]}))
    assert con.sql("SELECT ai_count_tokens(s) FROM given").fetchall() == [(2,)]


def test_it_passes_for_a_duckdb_connection(con: Any) -> None:
    assert isinstance(con, duckdb.DuckDBPyConnection)
    assert isinstance(con, inlay.Connection)
    assert isinstance(con.sql("SELECT 1"), duckdb.DuckDBPyRelation)
    assert type(con.duckdb) is duckdb.DuckDBPyConnection
    assert con.execute("SET threads = 2") is con
    assert {"sql", "execute", "duckdb", "cursor"} <= set(dir(con))
    assert repr(con.sql("SELECT 42 AS answer")).count("42") == 1


def test_it_closes_at_the_end_of_a_with_block() -> None:
    with inlay.connect(model="fake") as con:
        assert one(con, NAMED) in ("a", "b")
    with pytest.raises(duckdb.ConnectionException):
        con.execute("SELECT 1")


def test_its_cursors_have_named_options(con: Any) -> None:
    cursor = con.cursor()
    assert isinstance(cursor, inlay.Connection)
    assert one(cursor, NAMED) == one(con, NAMED)


def test_attach_and_detach_take_it_too(con: Any) -> None:
    assert inlay.attach(con) is inlay.attach(con.duckdb)
    inlay.detach(con)
    with pytest.raises(duckdb.CatalogException):
        con.execute(PLAIN)


def test_a_wrong_setting_leaves_no_open_file(file: str) -> None:
    with pytest.raises(ConfigError, match="no option named 'modle'.*Did you mean 'model'"):
        inlay.connect(file, modle="fake")
    with duckdb.connect(file, config={"threads": 1}):
        pass


def test_duckdbs_own_settings_and_reading_only_are_passed_on(file: str) -> None:
    with inlay.connect(file, config={"threads": 3}, model="fake") as con:
        assert one(con, "SELECT current_setting('threads')") == 3
    with inlay.connect(file, read_only=True, model="fake") as con:
        assert one(con, NAMED) in ("a", "b")
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            con.execute("CREATE TABLE t (i INT)")


def test_ctrl_c_during_the_import_of_what_plans_is_keyboard_interrupt(
    con: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        with signals.inside(None, None):
            signal.raise_signal(signal.SIGINT)

    for loaded in ("connection.load_statements", "connection.load_explaining", "api.load_statements"):
        monkeypatch.setattr(f"inlay.client.{loaded}", interrupted)
    for run in (con.execute, con.sql, con.explain, lambda _: inlay.sql(con.duckdb, "SELECT 1")):
        with pytest.raises(KeyboardInterrupt):
            run(NAMED)


@pytest.fixture
def watched() -> Iterator[Any]:
    """A connection that shows progress, for which rows are counted ahead."""
    with inlay.connect(model="fake", progress="lines") as con:
        con.execute("CREATE TABLE t AS SELECT 'x' AS s")
        yield con


def test_showing_progress_runs_no_statement_twice(watched: Any) -> None:
    watched.sql("SELECT ai_embed(s) FROM t; INSERT INTO t SELECT ai_classify(s, ['a', 'b']) FROM t")
    assert watched.sql("SELECT ai_embed(s) FROM t").fetchall() != []
    assert one(watched, "SELECT count(*) FROM t") == 2
    watched.sql("SELECT ai_embed(s) FROM t; INSERT INTO t VALUES ('y')")
    assert one(watched, "SELECT count(*) FROM t") == 3


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        ("SELECT ai_embed(s) FROM t WHERE s = ?", ["x"]),
        ("EXPLAIN SELECT ai_embed(s) FROM t", None),
        ("SELECT ai_embed(s) FROM t", None),
    ],
)
def test_showing_progress_does_not_abort_a_transaction(watched: Any, sql: str, params: Any) -> None:
    watched.execute("BEGIN")
    assert watched.sql(sql, params=params).fetchall() != []
    assert one(watched, "SELECT count(*) FROM t") == 1
    watched.execute("COMMIT")


ERRORS: list[tuple[str, type[Exception], str]] = [
    ("SELECT ai_classify('x', [])", ConfigError, "labels is empty"),
    ("SELECT ai_classify('x', ['a', 'b'], model := 'nope')", UnknownModelError, "no model named 'nope'"),
    ("SELECT ai_rerank('x', 'y')", CannotServeError, "ai_rerank needs a cross-encoder"),
    ("SELECT ai_embed('<<fail>> é\n\"', on_error := 'raise')", RowsFailedError, "1 distinct input failed"),
    ("SELECT 1 +", duckdb.ParserException, "syntax error"),
    ("SELECT nothing", duckdb.BinderException, "nothing"),
]


@pytest.mark.parametrize(("sql", "error", "message"), ERRORS)
def test_errors_arrive_as_their_own_class(con: Any, sql: str, error: type[Exception], message: str) -> None:
    for run in (lambda: con.execute(sql).fetchall(), lambda: con.sql(sql).fetchall()):
        with pytest.raises(error, match=message) as caught:
            run()
        assert type(caught.value) is error
    assert one(con, NAMED) in ("a", "b")


def test_an_error_of_one_thread_is_not_another_threads(con: Any) -> None:
    wrong: list[object] = []

    def expect(sql: str, error: type[Exception]) -> None:
        cursor = con.cursor()
        for _ in range(30):
            try:
                cursor.execute(sql).fetchall()
                wrong.append("no error")
            except Exception as caught:
                if type(caught) is not error:
                    wrong.append(caught)

    threads = [threading.Thread(target=expect, args=(sql, error)) for sql, error, _ in ERRORS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


def test_a_detached_connection_says_so_as_its_own_class(file: str) -> None:
    with duckdb.connect(file) as owner:
        inlay.attach(owner, model="fake")
        with inlay.connect(file) as con:
            owner.close()
            inlay.detach(con)
            with pytest.raises(NotAttachedError):
                con.execute(PLAIN).fetchall()


PIVOT = "PIVOT (SELECT i % 2 AS k, ai_classify('text ' || i, ['a', 'b']) AS topic FROM range(8) t(i)) ON topic USING count(*) GROUP BY k"


@pytest.mark.parametrize(
    "text", ["{0}", "{0};", "SELECT 1; {0}", "CREATE TEMP TABLE other AS SELECT ';' AS a; -- one; two\n{0};"]
)
def test_a_pivot_is_one_statement_on_every_duckdb(text: str) -> None:
    """DuckDB below 2 makes two statements of it."""
    with inlay.connect(model="fake") as con:
        expected = sorted(inlay.sql(con.duckdb, PIVOT).fetchall())
        assert len(expected) == 2
        assert sorted(con.sql(text.format(PIVOT)).fetchall()) == expected
        assert (
            sorted(con.execute(text.format(PIVOT).replace("TEMP TABLE other", "TEMP TABLE another")).fetchall())
            == expected
        )


def test_a_pivot_is_explained_as_one_statement() -> None:
    with inlay.connect(model="fake") as con:
        assert "ai_classify" in str(con.explain(PIVOT + ";"))
        with pytest.raises(ConfigError, match="this text has 2"):
            con.explain(f"{PIVOT}; {PIVOT}")
