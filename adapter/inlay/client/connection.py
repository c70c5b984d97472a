"""A DuckDB connection that speaks inlay's errors: what inlay.connect() gives.

It behaves as the connection it holds, and so do the relations it gives. Two things differ. An error raised inside
one of inlay's functions arrives as itself (DuckDB hands on its text alone), and Ctrl-C as KeyboardInterrupt.
"""

from __future__ import annotations

import functools
import sys
import threading
from typing import TYPE_CHECKING, Any, cast

import duckdb

from inlay.client.attach import (
    CONNECTION,
    attach,
    connection_number,
    create_macros,
    find_session,
    native_connection,
    original_error,
)
from inlay.engine import cancel
from inlay.errors import InterruptedQueryError, NotAttachedError
from inlay.execution.session import Session
from inlay.explanation.cardinality import expected_rows

if TYPE_CHECKING:
    from inlay.explanation.report import Explanation
from inlay.execution.views import views_that_call


class _Holder:
    """Delegates to `_held`; wraps the relations that come out of it. `_number`: the connection's, for cancel."""

    _held: Any
    _number: int

    def __init__(self, held: Any, number: int) -> None:
        object.__setattr__(self, "_held", held)
        object.__setattr__(self, "_number", number)

    # DuckDB looks for tables named in SQL among the variables of its callers, these frames first. Names that begin
    # with two underscores are out of the way of anybody's data frame called `value`, `args` or `result`.
    def __getattr__(self, __name: str) -> Any:
        __value = getattr(self._held, __name)
        if not callable(__value) or __name.startswith("__"):
            return __value

        @functools.wraps(__value)
        def method(*__args: Any, **__kwargs: Any) -> Any:
            return self._call(__value, *__args, **__kwargs)

        return method

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._held, name, value)

    def __dir__(self) -> list[str]:
        return sorted({*dir(self._held), *dir(type(self))})

    def _call(self, __method: Any, *__args: Any, **__kwargs: Any) -> Any:
        cancel.install()
        __watch = cancel.Watch(self._number)
        try:
            self._before(__args)
            __result = __method(
                *(_unwrapped(arg) for arg in __args), **{name: _unwrapped(arg) for name, arg in __kwargs.items()}
            )
        except (duckdb.Error, RuntimeError, InterruptedQueryError) as error:
            if (itself := _as_itself(error, __watch)) is error:
                raise
            raise itself from error
        return self._wrapped(__result)

    def _before(self, args: tuple[Any, ...]) -> None:
        """Whatever there is to do ahead of a call, under the same care for its errors."""

    def _wrapped(self, result: Any) -> Any:
        if result is self._held:
            return self
        if isinstance(result, duckdb.DuckDBPyRelation) and not isinstance(result, _Holder):
            return Relation(result, self._number)
        return result

    def __repr__(self) -> str:
        return cast(str, self._call(self._held.__repr__))


def _unwrapped(value: Any) -> Any:
    return value._held if isinstance(value, _Holder) else value


def _as_itself(error: Exception, watch: cancel.Watch) -> BaseException:
    """What the caller of a failed statement should see."""
    if watch.ctrl_c:
        if threading.current_thread() is threading.main_thread():
            return KeyboardInterrupt()
        return InterruptedQueryError("interrupted by Ctrl-C; finished rows are kept.")
    if watch.interrupted:
        return duckdb.InterruptException("INTERRUPT Error: Interrupted!")
    return original_error(str(error)) or error


class Relation(_Holder):
    """A DuckDB relation whose evaluation speaks inlay's errors."""

    # DuckDB asks isinstance() before it reads a variable named in SQL ("from rel"); any other object with an Arrow
    # stream is read through the connection that is busy with that very statement, which fails (2.0) or hangs (1.4).
    __class__ = property(lambda self: duckdb.DuckDBPyRelation)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._call(self._held.__arrow_c_stream__, requested_schema)

    def __getitem__(self, name: str) -> Any:
        return self._wrapped(self._held[name])

    def __len__(self) -> int:
        return cast(int, self._call(self._held.__len__))

    def __contains__(self, name: str) -> bool:
        return name in self._held


def _statements() -> Any:
    """What plans and explains, imported with the first statement that calls a model: the parser takes a while."""
    with cancel.inside(None, None):  # Ctrl-C in the midst of an import would leave half a package
        from inlay.client import statements
    return statements


# What makes a relation run; everything else describes one, or makes another of it.
_RUNS = {
    "__arrow_c_stream__", "arrow", "create", "df", "execute", "fetch_arrow_reader", "fetch_arrow_table",
    "fetch_df_chunk", "fetch_record_batch", "fetchall", "fetchdf", "fetchmany", "fetchnumpy", "fetchone", "insert_into",
    "pl", "record_batch", "tf", "to_arrow_reader", "to_arrow_table", "to_csv", "to_df", "to_parquet", "to_table",
    "torch", "write_csv", "write_parquet",
}  # fmt: skip
_GOES_ON = {"fetchone", "fetchmany", "fetch_df_chunk"}


class PlannedRelation(Relation):
    """A relation over a statement that calls a model. It is planned each time it runs, on the data as they are then;
    relations made from it are plain ones."""

    def __init__(self, session: Session, con: Any, sql: str, params: Any, alias: str, number: int) -> None:
        # A relation keeps the variables that it was made from, wherever it runs.
        __tables = _statements().variables(sql)
        object.__setattr__(self, "_asked", (session, con, sql, params, alias, __tables))
        object.__setattr__(self, "_going_on", False)
        object.__setattr__(self, "_plain", _statements().plain_relation(session, con, sql, params, alias, __tables))
        super().__init__(self._plain, number)

    def __getattr__(self, __name: str) -> Any:
        if __name == "show":
            return self._show
        if __name not in _RUNS:
            object.__setattr__(self, "_held", self._plain)
            return super().__getattr__(__name)

        def method(*__args: Any, **__kwargs: Any) -> Any:
            self._plan(__name)
            return super(PlannedRelation, self).__getattr__(__name)(*__args, **__kwargs)

        return method

    def _plan(self, name: str) -> None:
        if not (name in _GOES_ON and self._going_on):  # relations of duckdb before 2.0 keep their result
            object.__setattr__(self, "_held", self._call(_statements().relation, *self._asked)._held)
        object.__setattr__(self, "_going_on", name in _GOES_ON)

    def _show(self, **__kwargs: Any) -> None:
        self._call(self._first_rows()._held.show, **__kwargs)

    def _first_rows(self) -> Any:
        """As many as DuckDB would compute to show some."""
        session, con, sql, *others = self._asked
        return self._call(_statements().relation, session, con, f"SELECT * FROM ({sql}\n) LIMIT 10000", *others)

    def _repr_mimebundle_(self, **__kwargs: Any) -> dict[str, str]:
        """What a notebook shows; a table in HTML too where DuckDB gives one (2.0)."""
        __shown = self._first_rows()._held
        if not hasattr(__shown, "_repr_mimebundle_"):
            return {"text/plain": cast(str, self._call(__shown.__repr__))}
        return cast("dict[str, str]", self._call(__shown._repr_mimebundle_, **__kwargs))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        self._plan("__arrow_c_stream__")
        return super().__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        object.__setattr__(self, "_held", self._plain)
        return super().__len__()

    def __repr__(self) -> str:
        return cast(str, self._call(self._first_rows()._held.__repr__))


class ExplainRelation(Relation):
    """What EXPLAIN gives: columns explain_key and explain_value. Shown, it is the explanation."""

    def __init__(self, con: Any, explanation: Explanation, alias: str, number: int) -> None:
        object.__setattr__(self, "_explanation", explanation)
        super().__init__(_statements().explain_rows(con, explanation, "sql", alias), number)

    def __repr__(self) -> str:
        return str(self._explanation)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self._explanation), "text/html": self._explanation._repr_html_()}

    def show(self, **_: Any) -> None:
        sys.stdout.write(f"{self._explanation}\n")


class Connection(_Holder):
    """What inlay.connect() gives. `duckdb` is the connection inside, for libraries that insist on it.

    Statements given to execute(), sql(), query() and from_query() are planned: their calls are answered in bulk, for
    the rows that need them.
    """

    __class__ = property(lambda self: duckdb.DuckDBPyConnection)

    _session: Session

    @property
    def duckdb(self) -> duckdb.DuckDBPyConnection:
        return cast("duckdb.DuckDBPyConnection", self._held)

    def __init__(self, held: Any, session: Session) -> None:
        super().__init__(held, connection_number(held))
        object.__setattr__(self, "_session", session)

    def execute(self, __query: Any, __parameters: Any = None) -> Any:
        """As DuckDB's own; a statement that calls a model is planned."""
        if self._session.mentions.may_call(__query):
            return self._call(_statements().execute, self._session, self._held, __query, __parameters)
        if __parameters is None:
            return self._call(self._held.execute, __query)
        return self._call(self._held.execute, __query, __parameters)

    def sql(self, __query: Any, *, alias: str = "", params: Any = None) -> Any:
        """As DuckDB's own; a statement that calls a model is planned when its relation runs."""
        if self._session.mentions.may_call(__query):
            return self._call(self._planned_sql, __query, alias, params)
        return self._call(self._held.sql, __query, alias=alias, params=params)

    query = from_query = sql

    def explain(self, __query: str, parameters: Any = None, *, analyze: bool = False) -> Explanation:
        """What a statement will ask of models, and how it will run: no model does. analyze: runs it, and sets what it
        did beside what was expected. Raises what DuckDB says of a statement that it would not run."""
        return cast("Explanation", self._call(self._explained, __query, parameters, analyze))

    def _explained(self, __query: str, __parameters: Any, __analyze: bool) -> Any:
        return _statements().explain(self._session, self._held, __query, __parameters, analyze=__analyze)

    def _planned_sql(self, __query: str, __alias: str, __params: Any) -> Any:
        __last = _statements().run_all_but_last(self._session, self._held, __query)
        if (__asked := _statements().explained_statement(__last)) is not None:
            __explanation = self._explained(__asked[0], __params, __asked[1])
            return ExplainRelation(self._held, __explanation, __alias, self._number)
        if _statements().is_query(__last):
            return PlannedRelation(self._session, self._held, __last, __params, __alias, self._number)
        _statements().execute(self._session, self._held, __last, __params)
        return None

    def cursor(self) -> Connection:
        """A cursor with the same functions and named options."""
        return cast(Connection, self._call(self._attached_cursor))

    def _attached_cursor(self) -> Connection:
        cursor = self._held.cursor()
        session = find_session(cursor)
        if session is not None:
            create_macros(cursor, session)
        return Connection(cursor, session or self._session)

    def _before(self, args: tuple[Any, ...]) -> None:
        """Tells the progress display how many rows are to come, where somebody watches."""
        session = self._session
        if session.context.progress.shown and args and isinstance(args[0], str) and "ai_" in args[0]:
            functions = tuple(session.settings.prefix + name for name in session.specs if name.startswith("ai_"))
            session.context.progress.expect(expected_rows(self._held, args[0], functions))

    def interrupt(self) -> None:
        """Stops the statement that this connection is running, from another thread. Its rows under way included:
        DuckDB alone waits for the function calls that it has begun."""
        self._held.interrupt()
        cancel.interrupt(self._number)

    def close(self) -> None:
        self._session.close_account()
        self._held.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(database: str = ":memory:", read_only: bool = False, config: Any = None, **options: Any) -> Connection:
    """Opens a DuckDB database and attaches inlay.

    config: DuckDB's own settings as a dict, or the path of an inlay settings file. options: as for attach().
    """
    duckdb_config = config if isinstance(config, dict) else {}
    con = duckdb.connect(str(database), read_only=read_only, config=duckdb_config)
    try:
        # The caller's variables are two frames up from the one that DuckDB looks in.
        con.execute("SET python_scan_all_frames = true")
        if "enable_progress_bar_print" not in duckdb_config:
            # DuckDB's own bar goes to standard output, among the results; inlay shows its own on standard error.
            con.execute("SET enable_progress_bar_print = false")
        session = attach(con, config=None if isinstance(config, dict) else config, **options)
        views_that_call(session, con)
    except BaseException:
        con.close()
        raise
    return Connection(con, session)


def sql(con: Any, query: str, *, alias: str = "", params: Any = None) -> Any:
    """What con.sql(query) gives, planned, on any DuckDB connection or cursor whose database is attached.

    Variables of the caller's may be named as tables. Raises NotAttachedError where inlay.attach() was never called.
    """
    attached = _attached(con, "sql")
    if isinstance(con, Connection) or attached._session.mentions.may_call(query):
        return attached.sql(query, alias=alias, params=params)
    # A plain connection looks for variables in this frame alone.
    return attached._call(
        _statements().plain_relation,
        attached._session,
        attached._held,
        query,
        params,
        alias,
        _statements().variables(query),
    )


def explain(con: Any, query: str, parameters: Any = None, *, analyze: bool = False) -> Explanation:
    """What a statement will ask of models, and how it will run, on any DuckDB connection whose database is attached.

    No model runs, unless analyze is true: then the statement runs as it always does, its rows are dropped, and what
    was done stands beside what was expected. Raises NotAttachedError where inlay.attach() was never called, and what
    DuckDB says of a statement that it would not run.
    """
    return _attached(con, "explain").explain(query, parameters, analyze=analyze)


def _attached(con: Any, function: str) -> Connection:
    if isinstance(con, Connection):
        return con
    native = native_connection(con)
    session = find_session(native)
    if session is None or not session.attached:
        raise NotAttachedError(f"{function}: inlay is not attached to this database. Type first: inlay.attach(con)")
    if native.execute(f"SELECT getvariable('{CONNECTION}')").fetchall()[0][0] is None:
        create_macros(native, session)  # a cursor that was never attached itself
    return Connection(native, session)
