"""inlay.attach() on any DuckDB connection: which names work from where, and what goes when it is detached."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import inlay
from inlay.backends.fake import CALLS
from inlay.errors import (
    CannotServeError,
    ConfigError,
    NameTakenError,
    NotAttachedError,
    RowsFailedError,
    UnknownModelError,
)
from inlay.functions.definitions import all_definitions

PLAIN = "SELECT ai_classify('x', ['a', 'b'])"
STRUCT = "SELECT ai_classify('x', ['a', 'b'], {'model': 'fake-nli'})"
NAMED = "SELECT ai_classify('x', ['a', 'b'], model := 'fake-nli')"
QUALIFIED = "SELECT inlay.ai_classify('x', ['a', 'b'], model := 'fake-nli')"

Con = duckdb.DuckDBPyConnection


@pytest.fixture
def con() -> Iterator[Con]:
    """A plain DuckDB connection with inlay attached."""
    with duckdb.connect() as con:
        inlay.attach(con, model="fake")
        yield con


@pytest.fixture
def wrapped() -> Iterator[Any]:
    """What inlay.connect() gives."""
    with inlay.connect(model="fake") as con:
        yield con


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "shop.duckdb")


def one(con: Any, sql: str) -> Any:
    return con.execute(sql).fetchall()[0][0]


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


# Definitions: shipped and the user's own


@pytest.mark.parametrize("name", sorted(all_definitions()))
def test_the_example_of_every_definition_runs(wrapped: Any, name: str) -> None:
    inlay.attach(wrapped, model="fake", language_model="fake-generate", models={"my-reranker": "fake:rerank"})
    example = all_definitions()[name].example.replace("FLOAT[384]", "FLOAT[8]")  # the fake model's vectors are short
    rows = wrapped.sql(example).fetchall()
    if not all_definitions()[name].is_table:
        assert rows[0][0] is not None


def test_a_folder_of_definitions_adds_functions(tmp_path: Path, con: Con) -> None:
    header = 'summary = "s"\nargs = [["text", "VARCHAR", "t"]]\nreturns = "VARCHAR"\nnulls = "n"\npure = true\n'
    (tmp_path / "ticket_topic.sql").write_text(
        f'/*\n{header}cost = "tokens"\nexample = "SELECT ticket_topic(\'x\')"\n*/\n'
        "CREATE MACRO ticket_topic(text, model := NULL) AS inlay.ai_classify(text, ['a', 'b'], model := model);"
    )
    (tmp_path / "topics.sql").write_text(
        f'/*\n{header}cost = "tokens"\nexample = "FROM topics()"\n*/\n'
        "CREATE MACRO topics() AS TABLE SELECT unnest(['a', 'b']) AS topic;"
    )
    inlay.attach(con, model="fake", functions_folders=[str(tmp_path)])
    assert one(con, "SELECT ticket_topic('x', model := 'fake-nli')") == one(con, NAMED)
    assert one(con.cursor(), "SELECT inlay.ticket_topic('x', model := 'fake-nli')") == one(con, NAMED)
    assert con.execute("FROM topics()").fetchall() == [("a",), ("b",)]
    assert con.execute("SELECT name, example FROM inlay_functions() WHERE name = 'topics'").fetchall() == [
        ("topics", "FROM topics()")
    ]
    inlay.detach(con)
    with pytest.raises(duckdb.CatalogException):
        con.execute("FROM topics()")


def test_a_definition_may_not_replace_a_shipped_one(tmp_path: Path, con: Con) -> None:
    shipped = all_definitions()["ai_score"].path
    (tmp_path / "ai_score.sql").write_text(shipped.read_text("utf-8"), "utf-8")
    with pytest.raises(ConfigError, match="ai_score is already defined in"):
        inlay.attach(con, functions_folders=[str(tmp_path)])
    assert one(con, PLAIN) in ("a", "b")


# Looking inside from SQL

COLUMNS = {
    "inlay_models": "model task source backend width max_tokens fingerprint device status is_default",
    "inlay_functions": "name signature returns summary nulls cost example",
    "inlay_errors": "function model input error",
    "inlay_ledger": "statement function model rows distinct_inputs known inferred failed truncated tokens output_tokens "
    "seconds device "
    "node cost",
    "inlay_history": "run invocation node started_at statement function model fingerprint rows distinct_inputs known "
    "inferred failed truncated tokens output_tokens seconds loading_seconds cost device host",
    "inlay_failures": "run failed_at node function model input error",
}


@pytest.mark.parametrize("table", COLUMNS)
def test_the_tables_have_their_columns_even_without_rows(con: Con, table: str) -> None:
    for name in (f"{table}()", f"inlay.{table}()"):
        relation = con.sql(f"FROM {name}")
        assert relation.columns == COLUMNS[table].split()
        assert all(type(row) is tuple for row in relation.fetchall())


def test_the_ledger_has_one_row_for_each_call_of_each_statement(con: Con) -> None:
    # 10,000 rows in five chunks of DuckDB's: 100 distinct texts, one of which fails, and every tenth is NULL.
    con.execute(
        "CREATE TABLE t AS SELECT CASE WHEN i % 10 = 9 THEN NULL WHEN i % 100 = 1 THEN '<<fail>>' "
        "ELSE concat('text ', i % 100) END AS s FROM range(10_000) r(i)"
    )
    con.execute("SELECT ai_embed(s), ai_classify(s, ['a', 'b']) FROM t").fetchall()
    con.execute("SELECT ai_embed(s) FROM t").fetchall()
    ledger = con.execute(
        'SELECT statement, "function", model, "rows", distinct_inputs, known, inferred, failed, device '
        "FROM inlay_ledger() ORDER BY ALL"
    ).fetchall()
    first, second, third = ledger
    assert first[:5] == (1, "ai_classify", "fake", 10_000, 90)
    assert second[:5] == (1, "ai_embed", "fake", 10_000, 90)
    # The two calls share one pass over the texts; which of them came first is DuckDB's choice.
    assert {first[5] + second[5], first[6] + second[6]} == {89}
    assert first[7:] == second[7:] == (1, "fake")
    assert third == (2, "ai_embed", "fake", 10_000, 90, 89, 0, 1, "fake")
    assert one(con, "SELECT sum(tokens) > 89 * 7 AND min(seconds) >= 0 FROM inlay_ledger()")


def test_calls_through_a_bare_cursor_are_in_the_ledger_too(con: Con) -> None:
    con.cursor().execute("SELECT ai_embed(concat('t', i % 7)) FROM range(5_000) r(i)").fetchall()
    assert con.execute('SELECT "function", "rows", distinct_inputs, inferred FROM inlay_ledger()').fetchall() == [
        ("ai_embed", 5_000, 7, 7)
    ]


def test_failed_rows_are_listed_with_their_reason(con: Con) -> None:
    assert con.execute("SELECT ai_embed(s) IS NULL FROM (VALUES ('a'), ('<<fail>> b')) v(s)").fetchall() == [
        (False,),
        (True,),
    ]
    assert con.execute("FROM inlay_errors()").fetchall() == [
        ("ai_embed", "fake", "<<fail>> b", "ValueError: the fake model was asked to fail")
    ]


def test_models_lists_every_registered_model(con: Con) -> None:
    inlay.attach(con, model="fake", models={"nowhere": "hub:nobody/nothing"})
    rows = dict(con.execute("SELECT model, (status, is_default) FROM inlay_models()").fetchall())
    assert rows["fake"][1] is True
    assert rows["nowhere"] == ("not on this machine", False)


# The connection that inlay.connect() gives


def test_a_relation_can_be_named_in_sql(wrapped: Any) -> None:
    labelled = wrapped.sql(NAMED + " AS label")
    assert wrapped.sql("SELECT label FROM labelled").fetchall() == labelled.fetchall()
    assert isinstance(labelled.filter("label IS NOT NULL"), inlay.connection.Relation)
    assert labelled.union(labelled).aggregate("count(*)").fetchall() == [(2,)]


def test_a_relation_of_a_plain_connection_can_be_named_in_sql(wrapped: Any) -> None:
    labelled = wrapped.duckdb.sql(NAMED + " AS label")
    assert wrapped.sql("SELECT label FROM labelled").fetchall() == labelled.fetchall()


def test_a_local_arrow_table_can_be_named_in_sql(wrapped: Any) -> None:
    texts = pa.table({"s": ["x"]})
    assert wrapped.sql("SELECT ai_classify(s, ['a', 'b'], model := 'fake-nli') FROM texts").fetchall() == [
        (one(wrapped, NAMED),)
    ]
    assert wrapped.execute("SELECT count(*) FROM texts").fetchall() == [(texts.num_rows,)]


def test_a_local_data_frame_can_be_named_in_sql(wrapped: Any) -> None:
    frame = pytest.importorskip("pandas").DataFrame({"s": ["x", None]})
    assert wrapped.sql("SELECT ai_embed(s) IS NULL FROM frame").fetchall() == [(False,), (True,)]
    assert len(wrapped.sql("FROM frame").df()) == len(frame)


NAMES = ["args", "error", "held", "kwargs", "method", "name", "result", "session", "token", "value", "watch"]


@pytest.mark.parametrize("name", NAMES)
def test_no_variable_of_inlay_stands_before_one_of_the_caller(wrapped: Any, name: str) -> None:
    scope = {"con": wrapped, name: pa.table({"s": ["mine"]})}
    exec(f"def f({name}):\n    return con.sql('FROM {name}').fetchall(), con.execute('FROM {name}').fetchall()", scope)
    assert scope["f"](scope[name]) == ([("mine",)], [("mine",)])


def test_an_arrow_table_of_an_outer_function_and_a_registered_one_work(wrapped: Any) -> None:
    wrapped.register("given", pa.table({"s": ["x"]}))
    assert wrapped.sql("SELECT ai_count_tokens(s) FROM given").fetchall() == [(2,)]


def test_it_passes_for_a_duckdb_connection(wrapped: Any) -> None:
    assert isinstance(wrapped, duckdb.DuckDBPyConnection)
    assert isinstance(wrapped, inlay.Connection)
    assert isinstance(wrapped.sql("SELECT 1"), duckdb.DuckDBPyRelation)
    assert type(wrapped.duckdb) is duckdb.DuckDBPyConnection
    assert wrapped.execute("SET threads = 2") is wrapped
    assert {"sql", "execute", "duckdb", "cursor"} <= set(dir(wrapped))
    assert repr(wrapped.sql("SELECT 42 AS answer")).count("42") == 1


def test_it_closes_at_the_end_of_a_with_block() -> None:
    with inlay.connect(model="fake") as con:
        assert one(con, NAMED) in ("a", "b")
    with pytest.raises(duckdb.ConnectionException):
        con.execute("SELECT 1")


def test_its_cursors_have_named_options(wrapped: Any) -> None:
    cursor = wrapped.cursor()
    assert isinstance(cursor, inlay.Connection)
    assert one(cursor, NAMED) == one(wrapped, NAMED)


def test_attach_and_detach_take_it_too(wrapped: Any) -> None:
    assert inlay.attach(wrapped) is inlay.attach(wrapped.duckdb)
    inlay.detach(wrapped)
    with pytest.raises(duckdb.CatalogException):
        wrapped.execute(PLAIN)


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


ERRORS: list[tuple[str, type[Exception], str]] = [
    ("SELECT ai_classify('x', [])", ConfigError, "labels is empty"),
    ("SELECT ai_classify('x', ['a', 'b'], model := 'nope')", UnknownModelError, "no model named 'nope'"),
    ("SELECT ai_rerank('x', 'y')", CannotServeError, "ai_rerank needs a cross-encoder"),
    ("SELECT ai_embed('<<fail>> é\n\"', on_error := 'raise')", RowsFailedError, "1 distinct input failed"),
    ("SELECT 1 +", duckdb.ParserException, "syntax error"),
    ("SELECT nothing", duckdb.BinderException, "nothing"),
]


@pytest.mark.parametrize(("sql", "error", "message"), ERRORS)
def test_errors_arrive_as_their_own_class(wrapped: Any, sql: str, error: type[Exception], message: str) -> None:
    for run in (lambda: wrapped.execute(sql).fetchall(), lambda: wrapped.sql(sql).fetchall()):
        with pytest.raises(error, match=message) as caught:
            run()
        assert type(caught.value) is error
    assert one(wrapped, NAMED) in ("a", "b")


def test_an_error_of_one_thread_is_not_another_threads(wrapped: Any) -> None:
    wrong: list[object] = []

    def expect(sql: str, error: type[Exception]) -> None:
        cursor = wrapped.cursor()
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


# Options for each function from the settings


def test_a_function_takes_its_options_from_the_settings() -> None:
    functions = {"ai_filter": {"model": "fake-nli"}, "ai_classify_multi": {"threshold": -1.0}}
    with inlay.connect(model="fake", functions=functions) as con:
        assert one(con, "SELECT (try_ai_filter('x', 'it is x')).model") == "fake-nli"
        assert one(con.duckdb.cursor(), "SELECT (try_ai_filter('x', 'it is x')).model") == "fake-nli"
        assert len(one(con, "SELECT ai_classify_multi('x', ['a', 'b'])")) == 2
        assert one(con, "SELECT ai_classify_multi('x', ['a', 'b'], threshold := 1.0)") == []
        with pytest.raises(ConfigError, match="threshold is missing"):
            con.execute("SELECT ai_filter('x', 'it is x', model := 'fake')").fetchall()


def test_an_unknown_option_in_the_settings_is_refused_before_its_function_is_called() -> None:
    with pytest.raises(ConfigError, match="ai_filter: no option named 'treshold'. Did you mean 'threshold'"):
        inlay.connect(model="fake", functions={"ai_filter": {"treshold": 1}})


def test_wrong_options_leave_a_running_session_as_it_was() -> None:
    with inlay.connect(model="fake") as con:
        before = inlay.attach(con).settings
        with pytest.raises(ConfigError, match="functions: no function named 'ai_fliter'. Did you mean 'ai_filter'"):
            inlay.attach(con, model="fake-nli", functions={"ai_fliter": {}})
        assert inlay.attach(con).settings is before
