"""inlay.attach() and inlay.detach(): what they leave in a database, and what they take away.

Each function is registered twice. Under its plain name as an Arrow function that takes any arguments, which every
cursor and every connection to the same database instance sees; there options come last as a struct, because DuckDB
drops their names. And as a macro with named options that calls it: in an attached in-memory database, as
inlay.ai_classify(…), for every cursor, and as a temporary macro ai_classify(…) on each connection that was attached,
which DuckDB finds before the plain name.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import weakref
from typing import Any

import duckdb

from inlay.client import sessions
from inlay.client.functions import ArrowFunction, functions_of
from inlay.client.macros import create_macros, create_qualified_macros, drop_macros
from inlay.engine import cancel, signals
from inlay.errors import ConfigError, NameTakenError
from inlay.execution.acceptance import in_transaction
from inlay.execution.session import Session
from inlay.functions.configured import configured_definitions
from inlay.locks import new_reentrant_lock
from inlay.parsing.twins import DATABASE
from inlay.settings.read import read_settings
from inlay.settings.schema import Settings

_IN_TRANSACTION = (
    "attach: this connection is inside a transaction, which cannot see functions that came after it began. "
    "COMMIT or ROLLBACK first, or attach before BEGIN."
)

_lock = new_reentrant_lock()
"""Around attach and detach: of two threads that attach to one database, the second finds the first one's session."""

_registered: list[ArrowFunction] = []
"""Every function ever given to DuckDB. DuckDB's catalog holds a bare pointer, and the connection that registered a
function drops it when it closes, while other connections to the database go on calling: without this list they
crash the process. So the functions know their session by number alone, and are small."""


def attach(con: duckdb.DuckDBPyConnection, *, config: str | os.PathLike[str] | None = None, **options: Any) -> Session:
    """Registers inlay's functions with the database of `con`; again on the same database, only what is missing.

    options: any key of inlay.toml (model, models, device, dtype, on_error, progress, prefix, memory_mb, functions,
    functions_folders). Given a second time they replace the settings of the running session.
    Raises ConfigError for a wrong setting and for a connection inside a transaction, and NameTakenError when another
    extension owns the names.
    """
    signals.install()
    con = sessions.native_connection(con)
    with _lock:
        session = sessions.find_session(con)
        if session is None:
            if in_transaction(con):
                raise ConfigError(_IN_TRANSACTION)
            sessions.forget_results_of_closed_databases()
            session = Session(read_settings(options, config=config))
            _register(con, session)
        else:
            if options or config:
                _configure(session, read_settings(options, config=config))
            session.attached = True
        create_qualified_macros(con, session)
        try:
            create_macros(con, session)
        except duckdb.CatalogException as error:
            if in_transaction(con):
                raise ConfigError(_IN_TRANSACTION) from error
            raise
    return session


def detach(con: duckdb.DuckDBPyConnection) -> None:
    """Removes what attach() made. Nothing happens where nothing was attached.

    The functions of a database whose attaching connection is gone cannot be removed (DuckDB allows it to that
    connection alone); they then refuse to answer.
    """
    con = sessions.native_connection(con)
    with _lock:
        session = sessions.find_session(con)
        if session is None:
            return
        session.attached = False
        drop_macros(con, session)
        with contextlib.suppress(duckdb.Error), con.cursor() as cursor:
            cursor.execute(f"DETACH DATABASE IF EXISTS {DATABASE}")
        owner = sessions.owner_of(session.number)
        if owner is not None:
            for function in functions_of(session):
                with contextlib.suppress(duckdb.Error):
                    owner.remove_function(function.name)
        if sessions.registered_number(con) is None:
            sessions.remove(session.number)


def _configure(session: Session, settings: Settings) -> None:
    """New settings for a running session."""
    if settings.prefix != session.settings.prefix:
        raise ConfigError(
            f"prefix is {settings.prefix!r}, but this database is attached with {session.settings.prefix!r}. "
            "Detach first: inlay.detach(con)"
        )
    configured_definitions(settings)  # raises while the session is still as it was
    session.configure(settings)


def _register(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    functions = list(functions_of(session))
    owner = con.cursor()
    try:
        taken = _taken(con, [function.name for function in functions])
        if taken:
            raise NameTakenError.functions(taken)
        for function in functions:
            _registered.append(function)
            # The stubs of duckdb 2.0 know enums alone; the strings serve 1.4 as well.
            owner.create_function(  # type: ignore[call-overload]
                function.name, function.call, None, function.returns,
                type="arrow", null_handling="special", side_effects=function.has_side_effects,
            )  # fmt: skip
    except BaseException:
        owner.close()
        raise
    sessions.add(session, owner)
    closing: Any = weakref.finalize(con, sessions.close_owner, session.number)
    closing.atexit = False


def _taken(con: duckdb.DuckDBPyConnection, names: list[str]) -> set[str]:
    """Names that stand for something else in the database, or as a temporary macro of this connection."""
    # A macro of ours outlives a detach() through another connection; it is made anew. The list of functions takes
    # DuckDB a while: it is made once.
    taken = con.execute(
        "SELECT function_name FROM duckdb_functions() WHERE function_name IN (SELECT unnest(?)) AND "
        "CASE database_name WHEN 'temp' THEN NOT contains(macro_definition, 'main.' || function_name || '(') "
        "ELSE database_name IN ('system', current_database()) AND schema_name = 'main' END",
        [names],
    ).fetchall()
    return {name for (name,) in taken}


@atexit.register
def _close_at_exit() -> None:
    """duckdb 2.0 prints some forty lines about leaks when the interpreter ends with an open connection that has
    Python functions."""
    cancel.stop_at_exit()
    sessions.close_all()
