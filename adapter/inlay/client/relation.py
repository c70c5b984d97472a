"""Relations that raise inlay's errors: what statements on a connection of inlay.connect() return.

A relation behaves as the DuckDB relation that it holds. Two things differ. An error raised inside one of inlay's
functions arrives as itself (DuckDB hands on its text alone), and Ctrl-C as KeyboardInterrupt.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING, Any, cast

import duckdb

from inlay.client.explaining import load_explaining
from inlay.client.original_errors import error_for_caller
from inlay.client.sessions import stop
from inlay.client.shown import SHOWN_ROWS, computed, html_table
from inlay.engine import signals
from inlay.errors import ForkedProcessError, InlayError
from inlay.execution.session import Session

if TYPE_CHECKING:
    from inlay.explanation.report import Explanation


class Holder:
    """Delegates to the DuckDB object in `_held`, and wraps the relations that come out of it. `_number`: the
    connection's, for cancel. `_text`: what the user wrote, in whose lines errors are placed. Private attributes are the
    holder's own."""

    _held: Any
    _number: int
    _text: str

    def __init__(self, held: Any, number: int, text: str = "") -> None:
        self._held = held
        self._process = os.getpid()
        self._number = number
        self._text = text

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
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._held, name, value)

    def __dir__(self) -> list[str]:
        return sorted({*dir(self._held), *dir(type(self))})

    def _call(self, __method: Any, *__args: Any, **__kwargs: Any) -> Any:
        if self._process != os.getpid():
            raise ForkedProcessError.connection()
        with signals.watch(self._number, functools.partial(stop, self._number)) as __watch:
            try:
                __result = __method(
                    *(_unwrapped(arg) for arg in __args), **{name: _unwrapped(arg) for name, arg in __kwargs.items()}
                )
            except (duckdb.Error, InlayError, RuntimeError) as error:
                __shown = error_for_caller(error, __watch, self._text)
                if __shown is error and isinstance(error, RuntimeError):
                    raise
                # The message stands alone. The frames up to here, and DuckDB's error behind it, would say it once more.
                raise __shown.with_traceback(None) from None
            if __watch.raised is not None:  # and swallowed on its way
                raise __watch.raised
        return self._wrapped(__result)

    def _wrapped(self, result: Any) -> Any:
        if result is self._held:
            return self
        if isinstance(result, duckdb.DuckDBPyRelation) and not isinstance(result, Holder):
            return Relation(result, self._number, self._text)
        return result

    def __repr__(self) -> str:
        return cast(str, self._call(self._held.__repr__))


def _unwrapped(value: Any) -> Any:
    if isinstance(value, PlannedRelation):
        return value._unplanned
    return value._held if isinstance(value, Holder) else value


class Relation(Holder):
    """A DuckDB relation whose evaluation raises inlay's errors."""

    # DuckDB asks isinstance() before it reads a variable named in SQL ("from rel"); any other object with an Arrow
    # stream is read through the connection that is busy with that very statement, which fails (2.0) or hangs (1.4).
    __class__ = property(lambda self: duckdb.DuckDBPyRelation)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._call(self._held.__arrow_c_stream__, requested_schema)

    def __getitem__(self, name: str) -> Any:
        return self._wrapped(self._held[name])

    def answered(self) -> duckdb.DuckDBPyRelation:
        """DuckDB's own relation, its calls answered by now where they are planned."""
        return cast("duckdb.DuckDBPyRelation", self._held)

    def _shown(self) -> dict[str, str]:
        """What a notebook shows, by kind; a table in HTML too where DuckDB gives one (2.0)."""
        if hasattr(self._held, "_repr_mimebundle_"):
            return cast("dict[str, str]", self._call(self._held._repr_mimebundle_))
        return {"text/plain": repr(self)}

    def __len__(self) -> int:
        return cast(int, self._call(self._held.__len__))

    def __contains__(self, name: str) -> bool:
        return name in self._held


def load_statements() -> Any:
    """What plans and explains, imported with the first statement that calls a model: the parser takes a while."""
    with signals.inside(None, None):  # Ctrl-C in the midst of an import would leave half a package
        from inlay.client import statements
    return statements


_RUN_THE_QUERY = {
    "__arrow_c_stream__", "arrow", "create", "df", "execute", "fetch_arrow_reader", "fetch_arrow_table",
    "fetch_df_chunk", "fetch_record_batch", "fetchall", "fetchdf", "fetchmany", "fetchnumpy", "fetchone", "insert_into",
    "pl", "record_batch", "tf", "to_arrow_reader", "to_arrow_table", "to_csv", "to_df", "to_parquet", "to_table",
    "torch", "write_csv", "write_parquet",
}  # fmt: skip
"""Methods that make a relation run. All others describe it, or make another relation of it."""

_WRITES_DISTINCT = duckdb.__version__ >= "2"
"""Whether the SQL of a relation says that a union is distinct. DuckDB 1 says it of a SELECT alone."""

_READ_THE_NEXT_ROWS = {"fetchone", "fetchmany", "fetch_df_chunk"}
"""Those among them that go on in the result of their last call, where they follow each other."""


class CallingRelation(Relation):
    """A relation whose rows a model answers. Showing it asks for as many rows as are shown."""

    def __init__(self, held: Any, con: Any, number: int, text: str) -> None:
        self._con = con
        self._failure: Exception | None = None
        super().__init__(held, number, text)

    def _wrapped(self, result: Any) -> Any:
        if isinstance(result, duckdb.DuckDBPyRelation) and not isinstance(result, Holder):
            return CallingRelation(result, self._con, self._number, self._text)
        return super()._wrapped(result)

    def _first_rows(self, n_rows: int) -> tuple[Any, bool]:
        """A relation of the first rows, and whether there are more."""
        __rows = computed(self._con, self._held.limit(n_rows + 1))
        return __rows.limit(n_rows), len(__rows.fetchall()) > n_rows

    def _to_show(self, n_rows: int) -> tuple[Any, str]:
        """A relation of the rows that are shown, and a line on those that are not."""
        __rows, __more = self._call(self._first_rows, n_rows)
        return __rows, f"first {n_rows:,} rows, more exist" if __more else ""

    def show(self, **__kwargs: Any) -> None:
        __rows, __line = self._to_show(__kwargs.get("max_rows") or SHOWN_ROWS)
        self._call(__rows.show, **__kwargs)
        if __line:
            sys.stdout.write(f"{__line}\n")

    def _shown(self) -> dict[str, str]:
        __rows, __line = self._to_show(SHOWN_ROWS)
        __text = self._call(__rows.__repr__)
        if __line:
            __text = f"{__text.rstrip()}\n{__line}\n"
        return {"text/plain": __text, "text/html": html_table(__rows, __line)}

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        try:
            return self._shown()
        except (duckdb.Error, InlayError) as error:
            # After any other error IPython asks for repr() as well, and would show this one twice.
            self._failure = error
            raise NotImplementedError(str(error)) from error

    def __repr__(self) -> str:
        __failure, self._failure = self._failure, None
        if __failure is not None:
            raise __failure.with_traceback(None)
        return self._shown()["text/plain"]


class PlannedRelation(CallingRelation):
    """A relation over a statement that calls a model, or made from such relations. It is planned each time it runs, on
    the data as they are then. unplanned: of one that is made from others DuckDB's own, which runs where it is not
    planned."""

    def __init__(
        self, session: Session, con: Any, sql: str, params: Any, alias: str, number: int, text: str,
        unplanned: Any = None, tables: Any = None,
    ) -> None:  # fmt: skip
        # A relation keeps the variables that it was made from, wherever it runs.
        __tables = load_statements().variables(sql) if tables is None else tables
        self._statement = session, con, sql, params, alias, __tables
        self._derived = unplanned
        self._unplanned = load_statements().bound_relation(*self._statement) if unplanned is None else unplanned
        self._is_being_read = False
        super().__init__(self._unplanned, con, number, text)

    def __getattr__(self, __name: str) -> Any:
        if __name not in _RUN_THE_QUERY:
            self._held = self._unplanned
            if __name == "distinct" and not _WRITES_DISTINCT:
                self._held = self._held.project("*").set_alias(self._held.alias)
            __value = getattr(self._held, __name)
            if not callable(__value) or __name.startswith("__"):
                return __value

            @functools.wraps(__value)
            def describing(*__args: Any, **__kwargs: Any) -> Any:
                return self._made_with(self._call(__value, *__args, **__kwargs), (*__args, *__kwargs.values()))

            return describing
        # What this version of DuckDB does not have is not there, before anything is planned.
        getattr(self._unplanned, __name)

        def method(*__args: Any, **__kwargs: Any) -> Any:
            self._plan_for(__name)
            return super(PlannedRelation, self).__getattr__(__name)(*__args, **__kwargs)

        return method

    def answered(self) -> duckdb.DuckDBPyRelation:
        self._plan_for("answered")
        return super().answered()

    def _plan_for(self, method: str) -> None:
        """Holds a relation whose calls are answered, for a method that runs it."""
        reads_on = method in _READ_THE_NEXT_ROWS
        if not (reads_on and self._is_being_read):  # relations of duckdb before 2.0 keep their result
            self._held = self._call(load_statements().relation, *self._statement, self._derived)._held
        self._is_being_read = reads_on

    def _made_with(self, made: Any, others: tuple[Any, ...]) -> Any:
        """A relation made from this one, and perhaps from others, which is planned too. DuckDB tells its SQL; where two
        of them have parameters, whose they are is not told."""
        if not isinstance(made, CallingRelation) or made is self:
            return made
        planned = [each for each in (self, *others) if isinstance(each, PlannedRelation)]
        given = [each._statement[3] for each in planned if each._statement[3]]
        tables = {name: table for each in planned for name, table in each._statement[5].items()}
        if len(given) > 1:
            return made
        session, con, *_ = self._statement
        params = given[0] if given else None
        return PlannedRelation(
            session, con, made._held.sql_query(), params, "", self._number, self._text, made._held, tables
        )

    def _first_rows(self, n_rows: int) -> tuple[Any, bool]:
        if self._derived is not None:
            __first = self._call(self._unplanned.limit, n_rows + 1)
            __rows = computed(self._con, self._made_with(__first, ()).answered())
            return __rows.limit(n_rows), len(__rows.fetchall()) > n_rows
        return cast("tuple[Any, bool]", load_statements().first_rows(*self._statement, n_rows))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        self._plan_for("__arrow_c_stream__")
        return super().__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        self._held = self._unplanned
        return super().__len__()


class ExplainRelation(Relation):
    """What EXPLAIN returns: columns explain_key and explain_value. Shown, it is the explanation."""

    def __init__(self, con: Any, explanation: Explanation, alias: str, number: int) -> None:
        self._explanation = explanation
        super().__init__(load_explaining().explain_rows(con, explanation, "sql", alias), number)

    def __repr__(self) -> str:
        return str(self._explanation)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": str(self._explanation), "text/html": self._explanation._repr_html_()}

    def show(self, **_: Any) -> None:
        sys.stdout.write(f"{self._explanation}\n")
