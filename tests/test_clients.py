"""The clients that people use, with the real packages."""

from __future__ import annotations

import warnings
from pathlib import Path

import duckdb
import pytest

import inlay


def test_sqlalchemy_through_duckdb_engine(tmp_path: Path) -> None:
    # duckdb-engine 0.17 was written before SQLAlchemy 2.1 and duckdb 2.0 and says so at import and at connect.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import sqlalchemy
        from sqlalchemy import event, text

        engine = sqlalchemy.create_engine(f"duckdb:///{tmp_path / 'shop.duckdb'}")
        sessions = []

        @event.listens_for(engine, "connect")
        def attach(connection, _record) -> None:
            sessions.append(inlay.attach(connection, model="fake"))

        with engine.connect() as connection:
            connection.execute(text("create table reviews as select * from (values ('love it'), (null)) v(body)"))
            rows = connection.execute(
                text("select body, ai_classify(body, ['bug', 'praise'], model := 'fake') is not null from reviews")
            ).fetchall()
            assert [tuple(row) for row in rows] == [("love it", True), (None, False)]
            assert connection.execute(text("select count(*) from inlay.inlay_ledger()")).scalar() == 1
        with engine.connect() as connection:
            assert connection.execute(text("select ai_count_tokens('ab')")).scalar() == 3
        engine.dispose()
    assert len({session.number for session in sessions}) == 1


@pytest.fixture
def shell():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from IPython.core.interactiveshell import InteractiveShell
        from IPython.utils.io import capture_output

        shell = InteractiveShell.instance()
        try:
            with capture_output():
                shell.run_line_magic("load_ext", "sql")
                shell.run_line_magic("config", "SqlMagic.displaycon = False")
                shell.run_line_magic("config", "SqlMagic.feedback = 0")
            yield shell
        finally:
            InteractiveShell.clear_instance()


def test_jupysql_on_a_native_connection(shell) -> None:
    con = duckdb.connect()
    try:
        inlay.attach(con, model="fake")
        con.execute("create table reviews as select * from (values ('love it'), (null)) v(body)")
        shell.user_ns["con"] = con
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shell.run_line_magic("sql", "con --alias duckdb")
            query = (
                "select body, ai_classify(body, ['bug', 'praise']) is not null as plain, "
                "inlay.ai_classify(body, ['bug', 'praise'], model := 'fake-nli') is not null as named from reviews"
            )
            rows = shell.run_cell_magic("sql", "", query)
            assert [tuple(row) for row in rows] == [("love it", True, True), (None, False, False)]
            ledger = shell.run_cell_magic("sql", "", 'select model, "rows" from inlay.inlay_ledger() order by model')
        assert [tuple(row) for row in ledger] == [("fake", 2), ("fake-nli", 2)]
    finally:
        con.close()
