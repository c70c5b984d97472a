"""The edge to DuckDB: names, arguments, types.

Each function is registered twice. Under its plain name as an Arrow function that takes any arguments, which every
cursor and every connection to the same database instance sees; there options come last as a struct, because DuckDB
drops their names. And as a macro with named options that calls it: in an attached in-memory database, as
inlay.ai_classify(…), for every cursor, and as a temporary macro ai_classify(…) on each connection that was attached,
where it stands before the plain name.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import weakref
from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from inlay.config import read_settings
from inlay.engine import cancel
from inlay.errors import ConfigError, InlayError, InterruptedQueryError, NameTakenError, NotAttachedError
from inlay.session import Session
from inlay.types import FunctionSpec

DATABASE = "inlay"
_IDENTITY = "_inlay_session"

_MODELS_TYPE = (
    "STRUCT(model VARCHAR, task VARCHAR, source VARCHAR, backend VARCHAR, width INTEGER, max_tokens INTEGER, "
    "fingerprint VARCHAR, device VARCHAR, status VARCHAR, is_default BOOLEAN)[]"
)
_FUNCTIONS_TYPE = (
    "STRUCT(name VARCHAR, signature VARCHAR, returns VARCHAR, summary VARCHAR, nulls VARCHAR, cost VARCHAR, "
    "example VARCHAR)[]"
)
_ERRORS_TYPE = "STRUCT(\"function\" VARCHAR, model VARCHAR, input VARCHAR, error VARCHAR)[]"
_LEDGER_TYPE = (
    "STRUCT(statement INTEGER, \"function\" VARCHAR, model VARCHAR, \"rows\" BIGINT, distinct_inputs BIGINT, "
    "known BIGINT, inferred BIGINT, failed BIGINT, truncated BIGINT, tokens BIGINT, seconds DOUBLE, device VARCHAR)[]"
)

_sessions: dict[int, Session] = {}
_owners: dict[int, weakref.ref[duckdb.DuckDBPyConnection]] = {}
"""The connection that registered a session's functions: DuckDB lets only that one remove them."""


def attach(con: duckdb.DuckDBPyConnection, *, config: str | os.PathLike[str] | None = None, **options: Any) -> Session:
    """Registers inlay's functions with the database of `con`; again on the same database, only what is missing.

    options: any key of inlay.toml (model, models, device, dtype, on_error, progress, prefix, memory_mb, functions,
    functions_folders). Given a second time they replace the settings of the running session.
    Raises ConfigError for a wrong setting and NameTakenError when another extension owns the names.
    """
    cancel.install()
    session = find_session(con)
    if session is None:
        session = Session(read_settings(options, config=config))
        _register(con, session)
    else:
        if options or config:
            settings = read_settings(options, config=config)
            if settings.prefix != session.settings.prefix:
                raise ConfigError(
                    f"prefix is {settings.prefix!r}, but this database is attached with {session.settings.prefix!r}. "
                    "Detach first: inlay.detach(con)"
                )
            session.configure(settings)
        session.attached = True
    create_qualified_macros(con, session)
    create_macros(con, session)
    return session


def detach(con: duckdb.DuckDBPyConnection) -> None:
    """Removes what attach() made. Nothing happens where nothing was attached.

    The functions of a database whose attaching connection is gone cannot be removed (DuckDB allows it to that
    connection alone); they then refuse to answer.
    """
    session = find_session(con)
    if session is None:
        return
    session.attached = False
    for spec in session.specs.values():
        for name in _names(spec, session.settings.prefix):
            kind = "MACRO" if spec.is_scalar else "MACRO TABLE"
            con.execute(f"DROP {kind} IF EXISTS temp.main.{name}")
    with contextlib.suppress(duckdb.Error), con.cursor() as cursor:
        cursor.execute(f"DETACH DATABASE IF EXISTS {DATABASE}")
    owner = _owners.get(session.number, lambda: None)()
    if owner is not None:
        for name, _, _ in _functions(session):
            with contextlib.suppress(duckdb.Error):
                owner.remove_function(name)
        _forget(session.number)


def find_session(con: duckdb.DuckDBPyConnection) -> Session | None:
    """The session of this connection's database instance, if any connection to it was attached."""
    with con.cursor() as cursor:
        here = cursor.execute(
            "SELECT count(*) FROM duckdb_functions() WHERE function_name = ? AND database_name = 'system'", [_IDENTITY]
        ).fetchall()
        if not here[0][0]:
            return None
        number = cursor.execute(f"SELECT {_IDENTITY}(0)").fetchall()[0][0]
    session = _sessions.get(number)
    if session is None:
        raise NotAttachedError("this database was attached by a part of the process that has ended; reopen it.")
    return session


def create_macros(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    """Temporary macros with named options on this one connection or cursor."""
    for spec in session.specs.values():
        for statement in _macros(spec, session.settings.prefix, "CREATE OR REPLACE TEMP MACRO {name}"):
            con.execute(statement)


def create_qualified_macros(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    """The same macros as inlay.ai_classify(…), in an in-memory database that every cursor sees and no file keeps."""
    # Its own cursor, so its own transaction: DuckDB lets one transaction write to one database only.
    with con.cursor() as cursor:
        attached = cursor.execute(
            "SELECT path IS NULL FROM duckdb_databases() WHERE database_name = ?", [DATABASE]
        ).fetchall()
        if attached and not attached[0][0]:
            return  # the user's own file is called inlay; named options then need an attached connection
        if not attached:
            cursor.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {DATABASE}")
        for spec in session.specs.values():
            head = f"CREATE OR REPLACE MACRO {DATABASE}.main.{{name}}"
            for statement in _macros(spec, session.settings.prefix, head):
                cursor.execute(statement)


def _macros(spec: FunctionSpec, prefix: str, head: str) -> list[str]:
    """The definition's macro, and for a scalar function its try_ twin."""
    body = spec.macro[re.match(r"CREATE\s+MACRO\s+\w+", spec.macro, re.I).end() :]  # type: ignore[union-attr]
    if not spec.is_scalar:
        return [head.format(name=f"{prefix}{spec.name}") + body]
    made = [head.format(name=f"{prefix}{spec.name}") + re.sub(r"system\.main\.(\w+)\(", rf"system.main.{prefix}\1(", body)]
    if f"system.main.{spec.name}(" in body:
        called = body.replace(f"system.main.{spec.name}(", f"system.main.{prefix}{spec.try_name}(")
        made.append(head.format(name=f"{prefix}{spec.try_name}") + called)
    return made


def _names(spec: FunctionSpec, prefix: str) -> list[str]:
    return [f"{prefix}{spec.name}"] + ([f"{prefix}{spec.try_name}"] if spec.is_scalar else [])


def _register(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    functions = _functions(session)
    with con.cursor() as cursor:
        taken = cursor.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE database_name = 'system' "
            "AND function_name IN (SELECT unnest(?))",
            [[name for name, _, _ in functions]],
        ).fetchall()
    if taken:
        raise NameTakenError.functions(name for (name,) in taken)
    for name, function, returns in functions:
        con.create_function(
            name, function, None, returns, type="arrow", null_handling="special", side_effects=True
        )
    _sessions[session.number] = session
    _owners[session.number] = weakref.ref(con)


def _functions(session: Session) -> list[tuple[str, Callable[..., pa.Array], str]]:
    """(name, Arrow function, SQL type of its result) of everything that DuckDB calls."""
    prefix = session.settings.prefix
    made: list[tuple[str, Callable[..., pa.Array], str]] = []
    for spec in session.specs.values():
        if spec.is_scalar and f"system.main.{spec.name}(" in spec.macro:
            made.append((f"{prefix}{spec.name}", _scalar(session, spec, detail=False), spec.returns))
            made.append((f"{prefix}{spec.try_name}", _scalar(session, spec, detail=True), spec.try_returns))
    tables: list[tuple[str, Callable[[], list[dict[str, Any]]], str]] = [
        ("_inlay_models", session.models_table, _MODELS_TYPE),
        ("_inlay_functions", lambda: functions_table(session), _FUNCTIONS_TYPE),
        ("_inlay_errors", lambda: [vars(error) for error in session.ledger.errors()], _ERRORS_TYPE),
        ("_inlay_ledger", lambda: [vars(row) for row in session.ledger.rows()], _LEDGER_TYPE),
    ]
    made += [(name, _table(read, returns), returns) for name, read, returns in tables]
    made.append((_IDENTITY, lambda *args: pa.array([session.number] * len(args[0]), type=pa.int32()), "INTEGER"))
    return made


def functions_table(session: Session) -> list[dict[str, Any]]:
    return [
        {
            "name": session.settings.prefix + spec.name,
            "signature": signature_text(spec),
            "returns": spec.returns,
            "summary": spec.summary,
            "nulls": spec.nulls,
            "cost": spec.cost,
            "example": spec.example,
        }
        for spec in session.specs.values()
    ]


def signature_text(spec: FunctionSpec) -> str:
    """ai_classify(text, labels := NULL, model := NULL, …)"""
    parts = [a.name if a.default is None else f"{a.name} := {a.default}" for a in (*spec.args, *spec.options)]
    return f"{spec.name}({', '.join(parts)})"


def _table(read: Callable[[], list[dict[str, Any]]], returns: str) -> Callable[..., pa.Array]:
    row_type = _arrow_struct(returns)

    def table(*args: pa.ChunkedArray) -> pa.Array:
        return pa.array([read()] * len(args[0]), type=pa.list_(row_type))

    return table


def _arrow_struct(returns: str) -> pa.DataType:
    kinds = {"VARCHAR": pa.string(), "INTEGER": pa.int32(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_()}
    fields = returns.removeprefix("STRUCT(").removesuffix(")[]").split(", ")
    return pa.struct([(name.strip('"'), kinds[kind]) for name, kind in (part.rsplit(" ", 1) for part in fields)])


def _scalar(session: Session, spec: FunctionSpec, *, detail: bool) -> Callable[..., pa.Array]:
    name = spec.try_name if detail else spec.name

    def scalar(*args: pa.ChunkedArray) -> pa.Array:
        try:
            arrays = [arg.combine_chunks() if isinstance(arg, pa.ChunkedArray) else arg for arg in args]
            return _answer(session, spec, name, [_plain(array) for array in arrays], detail)
        except KeyboardInterrupt:
            # DuckDB would turn it into text; Connection and the command line raise it again as what it is.
            session.last_error = KeyboardInterrupt()
            raise InterruptedQueryError(f"{name}: interrupted by Ctrl-C; finished rows are kept.") from None
        except InlayError as error:
            session.last_error = error
            raise

    return scalar


def _answer(session: Session, spec: FunctionSpec, name: str, arrays: list[pa.Array], detail: bool) -> pa.Array:
    n_rows = len(arrays[0])
    positional, options = _split_arguments(spec, name, arrays)
    takes_labels = any(argument.name == "labels" for argument in spec.args)
    texts = positional[:1] if takes_labels else positional
    labels = positional[1] if takes_labels and len(positional) > 1 else None
    columns = [_texts(name, argument.name, array) for argument, array in zip(spec.args, texts, strict=False)]
    settings = [array for array in (labels, options) if array is not None]
    results: list[pa.Array] = []
    order: list[pa.Array] = []
    for rows in _rows_of_equal_settings(settings, n_rows):
        first = 0 if rows is None else rows[0].as_py()
        said = options[first].as_py() if options is not None else {}
        said = dict(said) if isinstance(said, list) else (said or {})
        results.append(
            session.answer(
                spec.name,
                columns if rows is None else [column.take(rows) for column in columns],
                None if labels is None else labels[first].as_py(),
                said,
                statement=said.get("statement"),
                detail=detail,
            )
        )
        if rows is None:
            return results[0]
        order.append(rows)
    places = pc.sort_indices(pa.concat_arrays(order))
    return pa.concat_arrays(results).take(places)


def _split_arguments(spec: FunctionSpec, name: str, arrays: list[pa.Array]) -> tuple[list[pa.Array], pa.Array | None]:
    """Arguments, and the struct or map of options if one stands last."""
    options = None
    required = sum(argument.default is None for argument in spec.args)
    if len(arrays) > required and (pa.types.is_struct(arrays[-1].type) or pa.types.is_map(arrays[-1].type)):
        *arrays, options = arrays
    names = [argument.name for argument in spec.args]
    if not required <= len(arrays) <= len(names):
        wants = ", ".join(names)
        example = spec.options[0].name if spec.options else "model"
        raise ConfigError(
            f"{name} takes {wants}; it got {len(arrays)} arguments. Through this cursor DuckDB drops the names of "
            f"options: write {DATABASE}.{name}({wants}, {example} := …), or give them last as a struct: "
            f"{name}({wants}, {{'{example}': …}})."
        )
    return arrays, options


def _rows_of_equal_settings(settings: list[pa.Array], n_rows: int) -> list[pa.Array | None]:
    """[None] when every row has the same labels and options, which is nearly always; else row numbers by group."""
    if n_rows <= 1 or all(_is_constant(array) for array in settings):
        return [None]
    groups: dict[str, list[int]] = {}
    for row, values in enumerate(zip(*(array.to_pylist() for array in settings), strict=True)):
        groups.setdefault(repr(values), []).append(row)
    return [pa.array(rows) for rows in groups.values()]


def _is_constant(array: pa.Array) -> bool:
    if pa.types.is_null(array.type) or len(array) <= 1:
        return True
    return bool(array.slice(1).equals(array.slice(0, len(array) - 1)))


def _texts(name: str, argument: str, array: pa.Array) -> pa.Array:
    """As strings. NULL stays NULL; numbers and dates read as DuckDB writes them."""
    kind = array.type
    if pa.types.is_string(kind):
        return array
    if pa.types.is_null(kind):
        return pa.nulls(len(array), pa.string())
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise ConfigError(f"{name}: {argument} is of type {kind}; it must be VARCHAR. Cast it: {argument}::VARCHAR.")
    try:
        return pc.cast(array, pa.string())
    except pa.ArrowException as error:
        raise ConfigError(f"{name}: {argument} is of type {kind} and does not read as text: {error}.") from None


def _plain(array: pa.Array) -> pa.Array:
    """Views, dictionaries and large strings as plain strings, which is what the rest expects."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or array.type == pa.string_view():
        return array.cast(pa.string())
    return array


def _forget(number: int) -> None:
    _sessions.pop(number, None)
    _owners.pop(number, None)


@atexit.register
def _close_at_exit() -> None:
    """duckdb 2.0 prints some forty lines about leaks when the interpreter ends with an open connection that has
    Python functions."""
    for owner in list(_owners.values()):
        con = owner()
        if con is not None:
            with contextlib.suppress(Exception):
                con.close()
