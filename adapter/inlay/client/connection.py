"""A DuckDB connection that plans statements and raises inlay's errors: what inlay.connect() returns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import duckdb

from inlay.client.explaining import load_explaining
from inlay.client.macros import create_macros
from inlay.client.relation import ExplainRelation, Holder, PlannedRelation, load_statements
from inlay.client.sessions import connection_number, find_session, interrupt
from inlay.engine import cancel
from inlay.execution.session import Session

if TYPE_CHECKING:
    from inlay.explanation.report import Explanation


CLOSE_S = 10.0
"""How long close() waits for a statement that it has stopped."""


class Connection(Holder):
    """What inlay.connect() returns. `duckdb` is the connection inside, for libraries that insist on it.

    Statements given to execute(), sql(), query() and from_query() are planned: their calls are answered in bulk, for
    the rows that need them.
    """

    __class__ = property(lambda self: duckdb.DuckDBPyConnection)

    def __init__(self, held: Any, session: Session) -> None:
        super().__init__(held, connection_number(held))
        self._session = session

    @property
    def duckdb(self) -> duckdb.DuckDBPyConnection:
        return cast("duckdb.DuckDBPyConnection", self._held)

    # Variables here begin with two underscores for the reason that Holder gives.
    def execute(self, __query: Any, __parameters: Any = None) -> Any:
        """As DuckDB's own; a statement that calls a model is planned."""
        self._text = __query if isinstance(__query, str) else ""
        if self._session.mentions.may_call(__query):
            return self._call(self._planned_execute, __query, __parameters)
        if __parameters is None:
            return self._call(self._held.execute, __query)
        return self._call(self._held.execute, __query, __parameters)

    def executemany(self, __query: Any, __parameters: Any = None) -> Any:
        """As DuckDB's own; calls that are given parameters are answered for all rows of them at once."""
        self._text = __query if isinstance(__query, str) else ""
        if self._session.mentions.may_call(__query):
            return self._call(self._planned_many, __query, __parameters)
        return self._call(self._held.executemany, __query, __parameters)

    def _planned_many(self, __query: str, __parameters: Any) -> Any:
        load_statements().answer_for_all(self._session, self._held, __query, __parameters)
        return self._held.executemany(__query, __parameters)

    def sql(self, __query: Any, *, alias: str = "", params: Any = None) -> Any:
        """As DuckDB's own; a statement that calls a model is planned when its relation runs."""
        self._text = __query if isinstance(__query, str) else ""
        if self._session.mentions.may_call(__query):
            return self._call(self._planned_sql, __query, alias, params)
        return self._call(self._held.sql, __query, alias=alias, params=params)

    query = from_query = sql

    def explain(self, __query: str, parameters: Any = None, *, analyze: bool = False) -> Explanation:
        """What a statement will ask of models, and how it will run: no model does. analyze: runs it, and sets what it
        did beside what was expected. Raises what DuckDB says of a statement that it would not run."""
        self._text = __query if isinstance(__query, str) else ""
        return cast("Explanation", self._call(self._explained, __query, parameters, analyze))

    # What is imported here is imported inside _call(), which turns a Ctrl-C during the import into KeyboardInterrupt.
    def _explained(self, __query: str, __parameters: Any, __analyze: bool) -> Any:
        return load_explaining().explain(self._session, self._held, __query, __parameters, analyze=__analyze)

    def _planned_execute(self, __query: str, __parameters: Any) -> Any:
        return load_statements().execute(self._session, self._held, __query, __parameters)

    def _planned_sql(self, __query: str, __alias: str, __params: Any) -> Any:
        __last, __after = load_statements().run_to_last_query(self._session, self._held, __query, __params)
        if __after:
            __tables = load_statements().variables(__last)
            return load_statements().relation(self._session, self._held, __last, None, __alias, __tables, after=__after)
        if (__explained := load_statements().explained_statement(__last)) is not None:
            __statement, __analyze = __explained
            __explanation = self._explained(__statement, __params, __analyze)
            return ExplainRelation(self._held, __explanation, __alias, self._number)
        __head = load_statements().trained(self._session, self._held, __last, __params, "sql", {"alias": __alias})
        if __head is not None:
            return __head
        if load_statements().writing_inside(__last):  # DuckDB runs it here and now, once
            __tables = load_statements().variables(__last)
            return load_statements().plain_relation(self._session, self._held, __last, __params, __alias, __tables)
        if load_statements().is_query(__last):
            return PlannedRelation(self._session, self._held, __last, __params, __alias, self._number, self._text)
        __tables = load_statements().variables(__last)
        return load_statements().relation(self._session, self._held, __last, __params, __alias, __tables)

    def cursor(self) -> Connection:
        """A cursor with the same functions and named options."""
        return cast(Connection, self._call(self._attached_cursor))

    def _attached_cursor(self) -> Connection:
        cursor = self._held.cursor()
        session = find_session(cursor)
        if session is not None:
            create_macros(cursor, session)
        return Connection(cursor, session or self._session)

    def interrupt(self) -> None:
        """Stops the statement that this connection is running, from another thread. Its rows under way included:
        DuckDB alone waits for the function calls that it has begun."""
        interrupt(self._held)

    def close(self) -> None:
        """Closes the connection; a statement that another thread runs on it is stopped first."""
        if cancel.is_watched(self._number):
            self.interrupt()
        deadline = time.monotonic() + CLOSE_S
        while True:
            try:
                self._held.close()
                break
            except duckdb.Error:  # duckdb 2.0: the connection is busy
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self._session.close_account()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
