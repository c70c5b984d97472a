"""A DuckDB connection that speaks inlay's errors: what inlay.connect() gives.

It behaves as the connection it holds, and so do the relations it gives. Two things differ. An error raised inside
one of inlay's functions arrives as itself (DuckDB hands on its text alone), and Ctrl-C as KeyboardInterrupt.
"""

from __future__ import annotations

import functools
import threading
from typing import Any, cast

import duckdb

from inlay.duckdb_udf import attach, connection_number, create_macros, find_session, original_error
from inlay.engine import cancel
from inlay.errors import InterruptedQueryError
from inlay.estimate import expected_rows
from inlay.session import Session


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
        except (duckdb.Error, RuntimeError) as error:
            if (itself := _as_itself(error, __watch)) is error:
                raise
            raise itself from error
        return self._wrapped(__result)

    def _before(self, args: tuple[Any, ...]) -> None:
        """Whatever there is to do ahead of a call, under the same care for its errors."""

    def _wrapped(self, result: Any) -> Any:
        if result is self._held:
            return self
        if isinstance(result, duckdb.DuckDBPyRelation):
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


class Connection(_Holder):
    """What inlay.connect() gives. `duckdb` is the connection inside, for libraries that insist on it."""

    __class__ = property(lambda self: duckdb.DuckDBPyConnection)

    _session: Session

    @property
    def duckdb(self) -> duckdb.DuckDBPyConnection:
        return cast("duckdb.DuckDBPyConnection", self._held)

    def __init__(self, held: Any, session: Session) -> None:
        super().__init__(held, connection_number(held))
        object.__setattr__(self, "_session", session)

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
        if session.progress.shown and args and isinstance(args[0], str) and "ai_" in args[0]:
            functions = tuple(session.settings.prefix + name for name in session.specs if name.startswith("ai_"))
            session.progress.expect(expected_rows(self._held, args[0], functions))

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
    except BaseException:
        con.close()
        raise
    return Connection(con, session)
