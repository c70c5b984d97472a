"""Which session belongs to a database instance, and what a connection to it tells inlay's functions.

DuckDB gives Python no handle of a database instance. So attach() registers a function there that returns the number
of the session; every connection to the database can call it. The functions, too, know their session by number alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import weakref
from typing import Any

import duckdb

from inlay.engine import cancel
from inlay.errors import ConfigError, NotAttachedError
from inlay.execution.session import Session

IDENTITY = "_inlay_session"
"""The SQL function that returns the session's number."""

CONNECTION = "inlay_connection"
"""A variable of DuckDB's, so of one connection. It tells a function which connection calls it."""

NODE = "inlay_node"
"""Another: which node of a dbt project runs on the connection."""

_connection_numbers = itertools.count(1)
_by_number: weakref.WeakValueDictionary[int, duckdb.DuckDBPyConnection] = weakref.WeakValueDictionary()
_numbers: weakref.WeakKeyDictionary[duckdb.DuckDBPyConnection, int] = weakref.WeakKeyDictionary()
"""DuckDB is not asked for them: a busy connection does not answer."""
_sessions: dict[int, Session] = {}
_owners: dict[int, duckdb.DuckDBPyConnection] = {}
"""The cursor that registered a session's functions, since DuckDB lets only the connection that did remove them, and
since what the user's own connection registers in an open transaction would go with a rollback. It closes together
with the connection that was attached, so it keeps no database open."""


def add(session: Session, owner: duckdb.DuckDBPyConnection) -> None:
    _sessions[session.number] = session
    _owners[session.number] = owner


def remove(number: int) -> None:
    _sessions.pop(number)
    close_owner(number)


def owner_of(number: int) -> duckdb.DuckDBPyConnection | None:
    """None once the connection that was attached is closed."""
    return _owners.get(number)


def close_owner(number: int) -> None:
    owner = _owners.pop(number, None)
    if owner is not None:
        if session := _sessions.get(number):
            session.close_account()
        with contextlib.suppress(duckdb.Error):  # a statement runs on it, or the database is gone
            owner.close()


def close_all() -> None:
    for session in list(_sessions.values()):
        session.close_account()
    for number in list(_owners):
        close_owner(number)


def _begin_anew() -> None:
    """In a forked child. The parent's databases are left as they are, even when the interpreter ends: closing one would
    write to its file and wait for DuckDB's threads, which are not there."""
    for con in (*_owners.values(), *_by_number.values()):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(con))
    _owners.clear()
    for session in _sessions.values():
        session.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def forget_results_of_closed_databases() -> None:
    """DuckDB does not report that a database is closed. If its attaching connection is closed, it probably is; other
    connections to it still get answers, computed again."""
    for number, session in _sessions.items():
        if number not in _owners:
            session.forget_results()


def find_session(con: duckdb.DuckDBPyConnection) -> Session | None:
    """The session of this connection's database instance, if any connection to it was attached."""
    number = registered_number(con)
    if number is None:
        return None
    session = _sessions.get(number)
    if session is None:
        raise NotAttachedError("this database was attached by a part of the process that has ended; reopen it.")
    return session


def attached_session(number: int, function: str) -> Session:
    """The session of a function that DuckDB calls. Raises NotAttachedError after detach()."""
    session = _sessions.get(number)
    if session is None or not session.attached:
        raise NotAttachedError(f"{function}: inlay was detached from this database. Attach again: inlay.attach(con)")
    return session


def registered_number(con: duckdb.DuckDBPyConnection) -> int | None:
    """The number of the session whose functions are in the database; None where there are none."""
    with con.cursor() as cursor:
        try:
            return int(cursor.execute(f"SELECT {IDENTITY}(0)").fetchall()[0][0])
        except duckdb.CatalogException:
            return None


def native_connection(con: Any) -> duckdb.DuckDBPyConnection:
    """The DuckDB connection itself, out of what inlay.connect() or duckdb-engine wrapped around it. The module duckdb
    stands for its default connection."""
    if con is duckdb:
        return duckdb.default_connection()
    for holder in ("_held", "_ConnectionWrapper__c"):
        con = getattr(con, holder, con)
    if not isinstance(con, duckdb.DuckDBPyConnection):
        raise ConfigError(
            f"{type(con).__name__!r} object is not a DuckDB connection. Attach to what duckdb.connect() gives."
        )
    return con


def has_number(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether connection_number() was called for this connection before."""
    return con.execute(f"SELECT getvariable('{CONNECTION}')").fetchall()[0][0] is not None


def connection_number(con: duckdb.DuckDBPyConnection) -> int:
    """By which cancel.interrupt() knows a connection; it gets one where it has none."""
    con.execute(f"SET VARIABLE {CONNECTION} = coalesce(getvariable('{CONNECTION}'), {next(_connection_numbers)})")
    number = int(con.execute(f"SELECT getvariable('{CONNECTION}')").fetchall()[0][0])
    _by_number[number], _numbers[con] = con, number
    return number


def interrupt(con: Any) -> None:
    """Stops the statement that a connection is running, from another thread: its rows under way too, where attach() or
    connect() has seen that connection."""
    native = native_connection(con)
    native.interrupt()
    if (number := _numbers.get(native)) is not None:
        cancel.interrupt(number)


def stop(number: int) -> None:
    """Stops what DuckDB runs on a connection."""
    if (con := _by_number.get(number)) is not None:
        with contextlib.suppress(duckdb.Error):  # it was closed meanwhile
            con.interrupt()


def set_node(con: duckdb.DuckDBPyConnection, node: str | None) -> None:
    """What runs on this connection from here on is accounted to this node; None is no node."""
    con.execute(f"SET VARIABLE {NODE} = ?", [node])
