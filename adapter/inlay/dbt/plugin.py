"""A dbt-duckdb plugin: inlay's functions in every model, test, hook and Python model of a dbt run.

    # profiles.yml
    plugins:
      - module: inlay.dbt_plugin
        config: {model: minilm, on_error: raise}     # any option of inlay.attach(); all have defaults

dbt-duckdb opens one connection and gives each thread, and each node, a cursor of it. The functions belong to the
database, so they are registered once; macros with named options belong to a cursor, so every cursor gets them.
"""

from __future__ import annotations

import re
import sys
import weakref
from typing import Any

import duckdb
from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt_common.events.contextvars import get_node_info
from dbt_common.invocation import get_invocation_id
from duckdb import DuckDBPyConnection

from inlay.client.attach import attach
from inlay.client.macros import create_macros
from inlay.client.original_errors import original_error
from inlay.client.sessions import connection_number, set_node
from inlay.client.wrong_arguments import with_wrong_argument
from inlay.engine import cancel, signals
from inlay.execution.session import Session
from inlay.settings.read import beneath_the_environment, read_settings

_sessions: weakref.WeakKeyDictionary[DuckDBPyConnection, Session] = weakref.WeakKeyDictionary()
"""The session of each cursor that dbt may run statements on."""

_without_macros: weakref.WeakSet[DuckDBPyConnection] = weakref.WeakSet()
"""Cursors that get their macros with the first statement that may need them: dbt opens one for every node, most of
which call no function, and the macros of one cursor cost 10 ms."""

_called_by_others: weakref.WeakSet[Session] = weakref.WeakSet()
"""Sessions of databases with views or macros that name a function of ours: there any statement may need the macros,
without which DuckDB would drop the names of options."""

_DEFINES = re.compile(r"\b(macro|function|view)\b", re.IGNORECASE)
_DEFINITIONS = """
    SELECT sql FROM duckdb_views() WHERE NOT internal
    UNION ALL
    SELECT macro_definition FROM duckdb_functions()
    WHERE NOT internal AND database_name <> 'temp' AND NOT contains(replace(macro_definition, '"', ''), 'system.main.')
"""
"""Views and macros of the user's. Ours call functions in system.main; the name of their database does not distinguish
them, since the user's own file may be called inlay."""


def _sees_statements() -> bool:
    """Whether the statements of this plugin's cursors pass through us."""
    return hasattr(getattr(DuckDBCursorWrapper, "execute", None), "_inlay")


def _plan_what_dbt_runs() -> None:
    """Has the statements of models, tests and snapshots planned, on the cursors of this plugin alone.

    Every statement of dbt's passes through this method of dbt-duckdb's, which offers no place for it. Where a version
    of dbt-duckdb has no such method, statements run on the plain path, with the same answers.
    """
    plain = getattr(DuckDBCursorWrapper, "execute", None)
    if plain is None or _sees_statements():
        return

    def execute(self: Any, sql: Any, bindings: Any = None) -> Any:
        session = _sessions.get(self._cursor)
        if session is None or not isinstance(sql, str):
            return plain(self, sql, bindings)
        named = session.mentions.may_need_macros(sql)
        if named and _DEFINES.search(sql):
            _called_by_others.add(session)
        if self._cursor in _without_macros and (named or session in _called_by_others):
            create_macros(self._cursor, session)
            _without_macros.discard(self._cursor)
        if not session.mentions.may_call(sql):
            return plain(self, sql, bindings)
        from inlay.client import statements  # the parser takes a while, and many runs make no call

        return plain(_Planned(statements.execute, session, self._cursor), sql, bindings)

    execute._inlay = True  # type: ignore[attr-defined]
    DuckDBCursorWrapper.execute = execute  # type: ignore[method-assign]


class _Planned:
    """In the place of a cursor wrapper, so that dbt-duckdb's own method goes on treating errors as it does."""

    def __init__(self, execute: Any, session: Session, cursor: DuckDBPyConnection) -> None:
        self._cursor = self
        self._planned = execute, session, cursor

    def execute(self, sql: str, bindings: Any = None) -> Any:
        run, session, cursor = self._planned
        try:
            return run(session, cursor, sql, bindings)
        except duckdb.Error as error:
            # In dbt's log the message stands alone.
            shown = original_error(error) or with_wrong_argument(error, sql)
            if shown is error:
                raise
            raise shown from None


class Plugin(BasePlugin):
    """What `module: inlay.dbt_plugin` names; dbt-duckdb makes one for each profile."""

    options: dict[str, Any]
    session: Session | None = None
    invocation: tuple[str, int] = "", 0
    """Of dbt: its id, and how many interrupts there were when its first cursor was made."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Checks the options before anything runs; raises ConfigError naming the key and what is allowed."""
        self.options = beneath_the_environment(self._own(plugin_config))
        settings = read_settings(self._given(), config=self.options.get("config"), given_by="config of the dbt plugin")
        # A dbt run is long and mostly watched through a log: where no bar can be drawn, lines tell that it lives.
        if settings.progress == "auto" and not (sys.stderr is not None and sys.stderr.isatty()):
            self.options["progress"] = "lines"

    def configure_connection(self, conn: DuckDBPyConnection) -> None:
        """On the parent connection, which dbt may close and open again; attaching twice is attaching once."""
        _plan_what_dbt_runs()
        self.session = attach(conn, **self.options)
        with conn.cursor() as cursor:
            definitions = cursor.execute(_DEFINITIONS).fetchall()
        if any(self.session.mentions.may_need_macros(text) for (text,) in definitions):
            _called_by_others.add(self.session)
        if self.session.account is not None:
            self.session.account.invocation = get_invocation_id()

    def configure_cursor(self, cursor: DuckDBPyConnection) -> None:
        # The functions run in dbt's worker threads, which no signal reaches. One cursor is made in the main thread
        # before they start: there, and nowhere else, Ctrl-C can be listened for.
        signals.install()
        if self.session is not None:
            node = get_node_info()
            _sessions[cursor] = self.session
            # dbt stops the statements that run at a Ctrl-C, but not one that a thread is still about to send.
            if self.invocation[0] != get_invocation_id():
                self.invocation = get_invocation_id(), cancel.process_count()
            cancel.stop_from(connection_number(cursor), self.invocation[1])
            if _sees_statements() and not str(node.get("node_path")).endswith(".py"):
                _without_macros.add(cursor)
            else:  # a Python model's statements go past us
                create_macros(cursor, self.session)
            set_node(cursor, node.get("unique_id"))

    def _own(self, plugin_config: dict[str, Any]) -> dict[str, Any]:
        """The config without the DuckDB `settings:` of the profile, which dbt-duckdb mixes into every plugin's."""
        for entry in (self.creds.plugins if self.creds else None) or []:
            if (entry.alias or entry.module.split(".")[-1]) == self.name:
                return dict(entry.config or {})
        return dict(plugin_config)

    def _given(self) -> dict[str, Any]:
        return {key: value for key, value in self.options.items() if key != "config"}
