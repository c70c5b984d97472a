"""A DuckDB connection that speaks inlay's errors: what inlay.connect() gives.

It behaves as the connection it holds, and so do the relations it gives. Two things differ. An error raised inside
one of inlay's functions arrives as itself (DuckDB hands on its text alone), and Ctrl-C as KeyboardInterrupt.
"""

from __future__ import annotations

import functools
from typing import Any, cast

import duckdb

from inlay.duckdb_udf import attach
from inlay.engine.cancel import Token
from inlay.session import Session


class _Holder:
    """Delegates to `_held`; wraps the relations that come out of it."""

    _held: Any
    _session: Session

    def __init__(self, held: Any, session: Session) -> None:
        object.__setattr__(self, "_held", held)
        object.__setattr__(self, "_session", session)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._held, name)
        if not callable(value) or name.startswith("__"):
            return value

        @functools.wraps(value)
        def method(*args: Any, **kwargs: Any) -> Any:
            return self._call(value, *args, **kwargs)

        return method

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._held, name, value)

    def __dir__(self) -> list[str]:
        return sorted({*dir(self._held), *super().__dir__()})

    def _call(self, method: Any, *args: Any, **kwargs: Any) -> Any:
        session = self._session
        session.last_error = None
        token = Token()
        args = tuple(arg._held if isinstance(arg, _Holder) else arg for arg in args)
        kwargs = {name: arg._held if isinstance(arg, _Holder) else arg for name, arg in kwargs.items()}
        try:
            result = method(*args, **kwargs)
        except (duckdb.Error, RuntimeError) as error:
            if token.cancelled:
                raise KeyboardInterrupt from None
            if session.last_error is not None:
                raise session.last_error from error
            raise
        return self._wrapped(result)

    def _wrapped(self, result: Any) -> Any:
        if result is self._held:
            return self
        if isinstance(result, duckdb.DuckDBPyRelation):
            return Relation(result, self._session)
        return result

    def __repr__(self) -> str:
        return cast(str, self._call(self._held.__repr__))


class Relation(_Holder):
    """A DuckDB relation whose evaluation speaks inlay's errors."""

    # DuckDB asks isinstance() before it reads a variable named in SQL ("from rel"); any other object with an Arrow
    # stream is read through the connection that is busy with that very statement, which fails (2.0) or hangs (1.4).
    __class__ = property(lambda self: duckdb.DuckDBPyRelation)  # type: ignore[assignment]

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

    __class__ = property(lambda self: duckdb.DuckDBPyConnection)  # type: ignore[assignment]

    @property
    def duckdb(self) -> duckdb.DuckDBPyConnection:
        return cast("duckdb.DuckDBPyConnection", self._held)

    def cursor(self) -> Connection:
        """A cursor with the same functions and named options."""
        cursor = self._held.cursor()
        attach(cursor)
        return Connection(cursor, self._session)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()


def connect(database: str = ":memory:", read_only: bool = False, config: Any = None, **options: Any) -> Connection:
    """Opens a DuckDB database and attaches inlay.

    config: DuckDB's own settings as a dict, or the path of an inlay settings file. options: as for attach().
    """
    duckdb_config = config if isinstance(config, dict) else {}
    con = duckdb.connect(str(database), read_only=read_only, config=duckdb_config)
    try:
        # The caller's variables are two frames up from the one that DuckDB looks in.
        con.execute("SET python_scan_all_frames = true")
        session = attach(con, config=None if isinstance(config, dict) else config, **options)
    except BaseException:
        con.close()
        raise
    return Connection(con, session)
