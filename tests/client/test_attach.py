"""inlay.attach() on any DuckDB connection: which names work from where, and what goes when it is detached."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest

import inlay
from inlay.backends.fake import CALLS
from inlay.errors import (
    ConfigError,
    NameTakenError,
)
from support.attached import NAMED, PLAIN, QUALIFIED, STRUCT, one

Con = duckdb.DuckDBPyConnection


@pytest.fixture
def con(attached: Con) -> Con:
    return attached


def catalog(con: Con) -> list[Any]:
    """Everything that can be seen from a connection, built-in functions included."""
    return con.execute(
        "SELECT database_name, function_name FROM duckdb_functions() "
        "UNION ALL SELECT 'database', database_name FROM duckdb_databases() ORDER BY ALL"
    ).fetchall()


# Which names work from where


def test_named_options_work_on_the_attached_connection(con: Con) -> None:
    assert {one(con, sql) for sql in (NAMED, STRUCT, QUALIFIED)} <= {"a", "b"}


@pytest.mark.parametrize("sql", [PLAIN, STRUCT, QUALIFIED])
def test_a_cursor_that_was_never_attached_calls_plain_and_qualified_names(con: Con, sql: str) -> None:
    with con.cursor() as cursor:
        assert one(cursor, sql) == one(con, sql)


def test_options_as_a_map_do_as_well_as_a_struct(con: Con) -> None:
    with con.cursor() as cursor:
        assert one(cursor, "SELECT ai_classify('x', ['a', 'b'], MAP {'model': 'fake-nli'})") == one(con, STRUCT)


def test_a_named_option_on_a_bare_cursor_is_refused_with_what_to_write(con: Con) -> None:
    with con.cursor() as cursor, pytest.raises(duckdb.Error) as caught:
        cursor.execute(NAMED)
    if duckdb.__version__ >= "2":
        assert "write inlay.ai_classify(text, labels, template := …)" in str(caught.value)
        assert "ai_classify(text, labels, {'template': …})" in str(caught.value)


def test_a_second_connection_to_the_file_has_the_functions(file: str) -> None:
    with duckdb.connect(file) as first, duckdb.connect(file) as second:
        inlay.attach(first, model="fake")
        assert [one(second, sql) for sql in (PLAIN, STRUCT, QUALIFIED)] == [
            one(first, sql) for sql in (PLAIN, STRUCT, QUALIFIED)
        ]


def test_other_databases_of_the_process_have_no_functions(con: Con) -> None:
    with duckdb.connect() as other, pytest.raises(duckdb.CatalogException, match="ai_classify does not exist"):
        other.execute(PLAIN)


@pytest.mark.parametrize("how", ["closed", "collected"])
def test_functions_outlive_the_connection_that_attached_them(file: str, how: str) -> None:
    first = duckdb.connect(file)
    inlay.attach(first, model="fake")
    with duckdb.connect(file) as second:
        expected = one(second, PLAIN), one(second, QUALIFIED)
        if how == "closed":
            first.close()
        else:
            del first
        gc.collect()
        assert (one(second, PLAIN), one(second, QUALIFIED)) == expected
        assert one(second, "SELECT count(*) FROM inlay.inlay_ledger()") > 0


def test_a_file_is_free_again_once_its_connections_are_closed(file: str) -> None:
    con = duckdb.connect(file)
    inlay.attach(con, model="fake")
    con.close()
    with duckdb.connect(file, config={"threads": 1}) as again:  # refused while the file is open with another setting
        with pytest.raises(duckdb.CatalogException):
            again.execute(PLAIN)
        inlay.attach(again, model="fake")
        assert one(again, PLAIN) in ("a", "b")


def test_a_file_is_free_again_once_its_connections_are_collected(file: str) -> None:
    con = duckdb.connect(file)
    inlay.attach(con, model="fake")
    del con
    gc.collect()
    with duckdb.connect(file, config={"threads": 1}):
        pass


def test_the_default_connection_of_the_duckdb_module_can_be_attached() -> None:
    inlay.attach(duckdb.default_connection(), model="fake")
    try:
        assert duckdb.sql(NAMED).fetchall()[0][0] in ("a", "b")
    finally:
        inlay.detach(duckdb.default_connection())


def test_views_over_qualified_names_answer_from_every_connection(file: str) -> None:
    with duckdb.connect(file) as first, duckdb.connect(file) as second:
        inlay.attach(first, model="fake")
        first.execute(f"CREATE VIEW labelled AS {QUALIFIED} AS label")
        assert one(second, "FROM labelled") == one(second.cursor(), "FROM labelled") == one(first, QUALIFIED)
    with duckdb.connect(file) as later:
        with pytest.raises(duckdb.CatalogException):
            later.execute("FROM labelled")
        inlay.attach(later, model="fake")
        assert one(later, "FROM labelled") in ("a", "b")


def test_nothing_is_written_into_the_users_file(file: str) -> None:
    with duckdb.connect(file) as con:
        con.execute("CREATE TABLE t AS SELECT 1")
        before = catalog(con)
    with duckdb.connect(file) as con:
        inlay.attach(con, model="fake")
        con.execute("CREATE TABLE u AS " + NAMED)
    with duckdb.connect(file) as con:
        assert catalog(con) == before


# Attaching again


def test_attaching_again_changes_nothing(con: Con) -> None:
    session = inlay.attach(con)
    before = catalog(con)
    assert inlay.attach(con) is session
    assert inlay.attach(con.cursor()) is session
    assert catalog(con) == before
    assert session.settings.model == "fake"


def test_attaching_again_with_other_options_replaces_the_settings(con: Con) -> None:
    one(con, "SELECT ai_embed('known')")
    session = inlay.attach(con, model="fake-nli", on_error="raise")
    assert one(con, "SELECT (try_ai_classify('x', ['a', 'b'])).model") == "fake-nli"
    with pytest.raises(duckdb.Error, match="RowsFailedError"):
        con.execute("SELECT ai_classify('<<fail>>', ['a', 'b'])").fetchall()
    assert session.settings.on_error == "raise"
    assert one(con, "SELECT (try_ai_embed('known', model := 'fake')).cached")


def test_a_second_connection_becomes_attached_by_attaching_it(file: str) -> None:
    with duckdb.connect(file) as first, duckdb.connect(file) as second:
        assert inlay.attach(first, model="fake") is inlay.attach(second)
        assert one(second, NAMED) == one(first, NAMED)


def test_threads_that_attach_at_once_share_one_session(file: str) -> None:
    with duckdb.connect(file) as con:
        cursors = [con.cursor() for _ in range(12)]
        start = threading.Barrier(len(cursors))
        sessions: list[Any] = []
        failures: list[BaseException] = []

        def attach(cursor: Con) -> None:
            try:
                start.wait()
                sessions.append(inlay.attach(cursor, model="fake"))
                assert one(cursor, NAMED) in ("a", "b")
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=attach, args=(cursor,)) for cursor in cursors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not failures
        assert len(set(map(id, sessions))) == 1


def test_an_open_transaction_is_refused_and_left_as_it_was(con: Con) -> None:
    with duckdb.connect() as fresh:
        fresh.execute("BEGIN; CREATE TABLE t AS SELECT 7 AS i")
        with pytest.raises(ConfigError, match="inside a transaction.*COMMIT or ROLLBACK first"):
            inlay.attach(fresh, model="fake")
        fresh.execute("COMMIT")
        assert one(fresh, "FROM t") == 7
        inlay.attach(fresh, model="fake")
        assert one(fresh, NAMED) in ("a", "b")


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_attaching_again_in_an_open_transaction_is_harmless(con: Con, end: str) -> None:
    con.execute("BEGIN; CREATE TABLE t AS SELECT 'x' AS s")
    inlay.attach(con)
    assert one(con, NAMED) in ("a", "b")
    con.execute(end)
    assert one(con, NAMED) in ("a", "b")


def test_a_rollback_keeps_the_functions(con: Con) -> None:
    con.execute("BEGIN")
    one(con, NAMED)
    con.execute("ROLLBACK")
    assert one(con, NAMED) == one(con.cursor(), QUALIFIED)


# Detaching


def test_detaching_leaves_the_catalog_as_it_was() -> None:
    with duckdb.connect() as con:
        before = catalog(con)
        inlay.attach(con, model="fake")
        assert catalog(con) != before
        inlay.detach(con)
        assert catalog(con) == before
        with pytest.raises(duckdb.CatalogException, match="ai_classify does not exist"):
            con.execute(PLAIN)


def test_detaching_what_is_not_attached_does_nothing() -> None:
    with duckdb.connect() as con:
        inlay.detach(con)


def test_detaching_through_another_connection_removes_the_functions(file: str) -> None:
    with duckdb.connect(file) as first, duckdb.connect(file) as second:
        inlay.attach(first, model="fake")
        inlay.detach(second)
        for connection in (second, first.cursor()):
            with pytest.raises(duckdb.CatalogException, match="ai_classify does not exist"):
                connection.execute(PLAIN)


@pytest.mark.parametrize("how", ["closed", "collected"])
def test_functions_whose_owner_is_gone_refuse_after_detaching(file: str, how: str) -> None:
    first = duckdb.connect(file)
    inlay.attach(first, model="fake")
    with duckdb.connect(file) as second:
        if how == "closed":
            first.close()
        else:
            del first
            gc.collect()
        inlay.detach(second)
        for sql in (PLAIN, "SELECT _inlay_ledger(0)"):
            with pytest.raises(duckdb.Error, match=r"NotAttachedError.*inlay\.attach\(con\)"):
                second.execute(sql).fetchall()
        inlay.attach(second, model="fake")
        assert one(second, NAMED) == one(second.cursor(), QUALIFIED)


def test_attaching_works_again_after_detaching(file: str) -> None:
    with duckdb.connect(file) as first, duckdb.connect(file) as second:
        for connection, other in ((first, second), (second, first), (first, second)):
            inlay.attach(connection, model="fake")
            assert one(connection, NAMED) == one(other.cursor(), QUALIFIED)
            inlay.detach(other)


def test_a_query_that_runs_while_inlay_is_detached_ends_without_a_crash(con: Con) -> None:
    con.execute("CREATE TABLE t AS SELECT concat('row ', i, if(i < 3, '<<slow>>', '')) s FROM range(2000) r(i)")
    cursor = con.cursor()
    ended: list[object] = []

    def run() -> None:
        try:
            ended.append(len(cursor.execute("SELECT ai_embed(s) FROM t").fetchall()))
        except duckdb.Error as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    before = CALLS["batches"]
    thread.start()
    while CALLS["batches"] == before and thread.is_alive():
        pass
    inlay.detach(con)
    gc.collect()
    thread.join(30)
    assert len(ended) == 1


# Names that are taken


def test_a_function_of_another_extension_is_not_replaced() -> None:
    with duckdb.connect() as con:
        con.create_function("ai_classify", lambda text: "theirs", [duckdb.sqltype("VARCHAR")], "VARCHAR")
        before = catalog(con)
        with pytest.raises(NameTakenError, match=r"functions named ai_classify.*prefix='inlay_'"):
            inlay.attach(con, model="fake")
        assert catalog(con) == before
        inlay.attach(con, model="fake", prefix="inlay_")
        assert one(con, "SELECT ai_classify('x')") == "theirs"
        assert one(con, "SELECT inlay_ai_classify('x', ['a', 'b'], model := 'fake-nli')") in ("a", "b")
        assert one(con.cursor(), "SELECT inlay.inlay_ai_classify('x', ['a', 'b'])") in ("a", "b")
        assert one(con, "SELECT (inlay_try_ai_classify('x', ['a', 'b'])).value") in ("a", "b")
        with pytest.raises(ConfigError, match="prefix is '', but this database is attached with 'inlay_'"):
            inlay.attach(con, model="fake")
        inlay.detach(con)
        assert catalog(con) == before


@pytest.mark.parametrize("kind", ["MACRO", "TEMP MACRO"])
def test_a_macro_of_the_user_is_not_replaced(kind: str) -> None:
    with duckdb.connect() as con:
        con.execute(f"CREATE {kind} ai_score(a, b) AS 'mine'")
        with pytest.raises(NameTakenError, match="functions named ai_score"):
            inlay.attach(con, model="fake")
        assert one(con, "SELECT ai_score(1, 2)") == "mine"


def test_a_file_that_is_called_inlay_keeps_its_own_catalog(tmp_path: Path) -> None:
    path = str(tmp_path / "inlay.duckdb")
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE t AS SELECT 'x' AS s")
        before = catalog(con)
        inlay.attach(con, model="fake")
        assert one(con, NAMED) == one(con.cursor(), STRUCT)
        inlay.detach(con)
        assert catalog(con) == before
    with duckdb.connect(path, read_only=True) as con:
        assert one(con, "SELECT count(*) FROM duckdb_functions() WHERE database_name = 'inlay'") == 0


def test_a_database_opened_for_reading_only_can_be_attached(file: str) -> None:
    with duckdb.connect(file) as con:
        con.execute("CREATE TABLE t AS SELECT 'x' AS s")
    with duckdb.connect(file, read_only=True) as con:
        inlay.attach(con, model="fake")
        assert one(con, "SELECT ai_classify(s, ['a', 'b'], model := 'fake-nli') FROM t") == one(con.cursor(), QUALIFIED)


def test_the_module_stands_for_its_default_connection() -> None:
    asked = "SELECT ai_classify(s, ['a', 'b']) FROM (VALUES ('x'), ('x'), (NULL)) t(s)"
    inlay.attach(duckdb, model="fake")
    try:
        assert duckdb.sql(asked).fetchall() == inlay.sql(duckdb, asked).fetchall()
    finally:
        inlay.detach(duckdb)
    with pytest.raises(duckdb.Error, match="ai_classify"):
        duckdb.sql(asked).fetchall()
