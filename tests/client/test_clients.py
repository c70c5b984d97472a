"""The clients that people use, with the real packages. ibis has an environment of its own: other_environments/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import inlay
from inlay.backends.fake import CALLS

REVIEWS = "CREATE TABLE reviews AS SELECT * FROM (VALUES (1, 'love it'), (2, NULL), (3, 'love it')) v(id, body)"
CLASSIFY = "ai_classify(body, ['bug', 'praise']{})"


def answers(con: Any) -> list[tuple[int, str | None]]:
    """What the native connection says, which every client must say as well."""
    query = f"SELECT id, {CLASSIFY.format(', model := ' + repr('fake-nli'))} FROM reviews ORDER BY id"
    return [tuple(row) for row in con.execute(query).fetchall()]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Any]:
    """A duckdb-engine of SQLAlchemy on a file, whose every raw connection is attached."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"duckdb:///{tmp_path / 'shop.duckdb'}")

    @sqlalchemy.event.listens_for(engine, "connect")
    def attach(connection: Any, _: object) -> None:
        inlay.attach(connection, model="fake")

    yield engine
    engine.dispose()


def test_sqlalchemy_connections_have_named_options(engine: Any) -> None:
    from sqlalchemy import text

    with engine.begin() as connection:
        connection.execute(text(REVIEWS))
        rows = connection.execute(
            text(f"SELECT id, {CLASSIFY.format(', model := :model')} FROM reviews ORDER BY id"), {"model": "fake-nli"}
        ).fetchall()
        assert [tuple(row) for row in rows] == answers(connection.connection.driver_connection)
        assert [kind is None for _, kind in rows] == [False, True, False]


def test_sqlalchemy_expressions_call_the_functions(engine: Any) -> None:
    from sqlalchemy import column, func, select, table, text

    with engine.begin() as connection:
        connection.execute(text(REVIEWS))
        tokens = func.ai_count_tokens(column("body")).label("tokens")
        rows = connection.execute(select(tokens).select_from(table("reviews")).order_by(column("id"))).fetchall()
        assert [row.tokens for row in rows] == [8, None, 8]


def test_sqlalchemy_connections_of_a_pool_share_what_is_known(engine: Any) -> None:
    from sqlalchemy import text

    with engine.begin() as connection:
        connection.execute(text(REVIEWS))
    query = text("SELECT ai_embed(body) IS NULL FROM reviews ORDER BY id")
    before = CALLS["rows"]
    with engine.connect() as first, engine.connect() as second:
        assert first.connection.driver_connection is not second.connection.driver_connection
        assert first.execute(query).fetchall() == second.execute(query).fetchall()
        assert CALLS["rows"] - before == 1
        ledger = text('SELECT statement, "rows", distinct_inputs, known, inferred FROM inlay_ledger() ORDER BY 1')
        assert [tuple(row) for row in second.execute(ledger)] == [(1, 3, 1, 0, 1), (2, 3, 1, 1, 0)]


def test_an_error_in_a_function_reaches_sqlalchemy_with_its_message(engine: Any) -> None:
    from sqlalchemy import exc, text

    with engine.connect() as connection, pytest.raises(exc.DBAPIError, match="ai_classify: labels is empty"):
        connection.execute(text("SELECT ai_classify('x', [])")).fetchall()


@pytest.fixture
def shell() -> Iterator[Any]:
    """An IPython shell with JupySQL's magics."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.io import capture_output
    from sql.connection import ConnectionManager

    shell = InteractiveShell.instance()
    try:
        with capture_output():
            shell.run_line_magic("load_ext", "sql")
            shell.run_line_magic("config", "SqlMagic.displaycon = False")
            shell.run_line_magic("config", "SqlMagic.feedback = 0")
        yield shell
        # JupySQL holds on to the last connection as long as the process lives, a closed one too.
        shell.run_line_magic("sql", "--close duckdb")
        ConnectionManager.current = None
    finally:
        InteractiveShell.clear_instance()


@pytest.mark.parametrize(
    "call",
    [CLASSIFY.format(", {'model': 'fake-nli'}"), "inlay." + CLASSIFY.format(", model := 'fake-nli'")],
    ids=["struct", "qualified"],
)
def test_jupysql_on_an_attached_connection(shell: Any, call: str) -> None:
    with duckdb.connect() as con:
        inlay.attach(con, model="fake")
        con.execute(REVIEWS)
        shell.user_ns["con"] = con
        shell.run_line_magic("sql", "con --alias duckdb")
        rows = shell.run_cell_magic("sql", "", f"select id, {call} as kind from reviews order by id")
        assert [tuple(row) for row in rows] == answers(con)
        ledger = shell.run_cell_magic("sql", "", 'select distinct model, "rows" from inlay.inlay_ledger()')
        assert [tuple(row) for row in ledger] == [("fake-nli", 3)]


def test_jupysql_on_what_connect_gives_has_named_options(shell: Any) -> None:
    with inlay.connect(model="fake") as con:
        con.execute(REVIEWS)
        shell.user_ns["con"] = con
        shell.run_line_magic("sql", "con --alias duckdb")
        call = CLASSIFY.format(", model := 'fake-nli'")
        rows = shell.run_cell_magic("sql", "", f"select id, {call} as kind from reviews order by id")
        assert [tuple(row) for row in rows] == answers(con)
