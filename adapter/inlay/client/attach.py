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
import itertools
import os
import re
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from inlay.arrays import numbers_array
from inlay.client.arguments import DATABASE, answer_call
from inlay.engine import cancel
from inlay.engine.lane import stop_at_exit
from inlay.errors import ConfigError, InlayError, InterruptedQueryError, NameTakenError, NotAttachedError
from inlay.execution.session import Session
from inlay.explanation.call_digests import built_with, calls_digest, scalar_specs
from inlay.explanation.cost import begin_plan, end_plan
from inlay.explanation.lineage import column_comments
from inlay.functions.configured import configured_definitions
from inlay.functions.reference import signature_text
from inlay.functions.spec import FunctionSpec
from inlay.json_schema import read_schema
from inlay.parsing.calls import find_calls, guarded
from inlay.planner.aggregates import call_with_list, of_list
from inlay.settings.read import read_settings
from inlay.store.account import table_of_rows

_IDENTITY = "_inlay_session"

# From the schema of a call of ai_extract to the type of its answers.
STRUCTURE = "_inlay_structure"

# A variable of DuckDB's, so of one connection: it tells a function which connection calls it.
CONNECTION = "inlay_connection"

# Another: which node of a dbt project runs on the connection.
_NODE = "inlay_node"

_MODELS_TYPE = (
    "STRUCT(model VARCHAR, task VARCHAR, source VARCHAR, backend VARCHAR, width INTEGER, max_tokens INTEGER, "
    "fingerprint VARCHAR, device VARCHAR, status VARCHAR, is_default BOOLEAN)[]"
)
_FUNCTIONS_TYPE = (
    "STRUCT(name VARCHAR, signature VARCHAR, returns VARCHAR, summary VARCHAR, nulls VARCHAR, cost VARCHAR, "
    "example VARCHAR)[]"
)
_ERRORS_TYPE = 'STRUCT("function" VARCHAR, model VARCHAR, input VARCHAR, error VARCHAR)[]'
_LEDGER_TYPE = (
    'STRUCT(statement INTEGER, "function" VARCHAR, model VARCHAR, "rows" BIGINT, distinct_inputs BIGINT, '
    "known BIGINT, inferred BIGINT, failed BIGINT, truncated BIGINT, tokens BIGINT, output_tokens BIGINT, "
    "seconds DOUBLE, device VARCHAR, "
    "node VARCHAR, cost DOUBLE)[]"
)
_HISTORY_TYPE = (
    'STRUCT(run VARCHAR, invocation VARCHAR, node VARCHAR, started_at VARCHAR, statement INTEGER, "function" VARCHAR, '
    'model VARCHAR, fingerprint VARCHAR, "rows" BIGINT, distinct_inputs BIGINT, known BIGINT, inferred BIGINT, '
    "failed BIGINT, truncated BIGINT, tokens BIGINT, output_tokens BIGINT, seconds DOUBLE, loading_seconds DOUBLE, "
    "cost DOUBLE, "
    "device VARCHAR, host VARCHAR)[]"
)
_FAILURES_TYPE = (
    'STRUCT(run VARCHAR, failed_at VARCHAR, node VARCHAR, "function" VARCHAR, model VARCHAR, input VARCHAR, '
    "error VARCHAR)[]"
)
_CERTIFICATES_TYPE = (
    'STRUCT(run VARCHAR, statement INTEGER, decided_at VARCHAR, node VARCHAR, "function" VARCHAR, question VARCHAR, '
    'model VARCHAR, proxy VARCHAR, recall DOUBLE, "precision" DOUBLE, agreement DOUBLE, probability DOUBLE, '
    '"rows" BIGINT, inputs BIGINT, asked BIGINT, trained BIGINT, drawn_rows BIGINT, seed BIGINT, "lower" DOUBLE, '
    '"upper" DOUBLE, lower_rows BIGINT, lower_drawn BIGINT, lower_wrong BIGINT, upper_rows BIGINT, '
    "upper_drawn BIGINT, upper_wrong BIGINT, method VARCHAR)[]"
)

_TRANSACTION = (
    "attach: this connection is inside a transaction, which cannot see functions that came after it began. "
    "COMMIT or ROLLBACK first, or attach before BEGIN."
)

_connection_numbers = itertools.count(1)
_sessions: dict[int, Session] = {}
_owners: dict[int, duckdb.DuckDBPyConnection] = {}
"""The cursor that registered a session's functions, since DuckDB lets only the connection that did remove them, and
since what the user's own connection registers in an open transaction would go with a rollback. It closes together
with the connection that was attached, so it keeps no database open."""

_lock = threading.RLock()
"""Around attach and detach: of two threads that attach to one database, the second finds what the first made."""

_raised: deque[InlayError] = deque(maxlen=100)
"""What the functions raised of late, without its traceback. DuckDB hands on the text alone."""

_registered: list[Callable[..., pa.Array]] = []
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
    cancel.install()
    con = native_connection(con)
    with _lock:
        session = find_session(con)
        if session is None:
            if _in_transaction(con):
                raise ConfigError(_TRANSACTION)
            _forget_results_of_closed_databases()
            session = Session(read_settings(options, config=config))
            _register(con, session)
        else:
            if options or config:
                settings = read_settings(options, config=config)
                if settings.prefix != session.settings.prefix:
                    raise ConfigError(
                        f"prefix is {settings.prefix!r}, but this database is attached with "
                        f"{session.settings.prefix!r}. Detach first: inlay.detach(con)"
                    )
                configured_definitions(settings)  # raises while the session is still as it was
                session.configure(settings)
            session.attached = True
        create_qualified_macros(con, session)
        try:
            create_macros(con, session)
        except duckdb.CatalogException as error:
            if _in_transaction(con):
                raise ConfigError(_TRANSACTION) from error
            raise
    return session


def detach(con: duckdb.DuckDBPyConnection) -> None:
    """Removes what attach() made. Nothing happens where nothing was attached.

    The functions of a database whose attaching connection is gone cannot be removed (DuckDB allows it to that
    connection alone); they then refuse to answer.
    """
    con = native_connection(con)
    with _lock:
        session = find_session(con)
        if session is None:
            return
        session.attached = False
        for spec in session.specs.values():
            for name in _names(spec, session.settings.prefix):
                kind = "MACRO TABLE" if spec.is_table else "MACRO"
                con.execute(f"DROP {kind} IF EXISTS temp.main.{name}")
        with contextlib.suppress(duckdb.Error), con.cursor() as cursor:
            cursor.execute(f"DETACH DATABASE IF EXISTS {DATABASE}")
        owner = _owners.get(session.number)
        if owner is not None:
            for name, _, _ in _functions(session):
                with contextlib.suppress(duckdb.Error):
                    owner.remove_function(name)
        if _registered_number(con) is None:
            _sessions.pop(session.number)
            _close_owner(session.number)


def find_session(con: duckdb.DuckDBPyConnection) -> Session | None:
    """The session of this connection's database instance, if any connection to it was attached."""
    number = _registered_number(con)
    if number is None:
        return None
    session = _sessions.get(number)
    if session is None:
        raise NotAttachedError("this database was attached by a part of the process that has ended; reopen it.")
    return session


def native_connection(con: Any) -> duckdb.DuckDBPyConnection:
    """The DuckDB connection itself, out of what inlay.connect() or duckdb-engine wrapped around it."""
    for holder in ("_held", "_ConnectionWrapper__c"):
        con = getattr(con, holder, con)
    if not isinstance(con, duckdb.DuckDBPyConnection):
        raise ConfigError(
            f"{type(con).__name__!r} object is not a DuckDB connection. Attach to what duckdb.connect() gives."
        )
    return con


def _in_transaction(con: duckdb.DuckDBPyConnection) -> bool:
    """Outside BEGIN … COMMIT every statement has a transaction of its own."""
    first, second = (con.execute("SELECT txid_current()").fetchall() for _ in range(2))
    return bool(first == second)


def _registered_number(con: duckdb.DuckDBPyConnection) -> int | None:
    """The session's number by the function that tells it; None where no such function is in the database."""
    with con.cursor() as cursor:
        try:
            return int(cursor.execute(f"SELECT {_IDENTITY}(0)").fetchall()[0][0])
        except duckdb.CatalogException:
            return None


def create_macros(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    """Temporary macros with named options on this one connection or cursor."""
    connection_number(con)
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
            # A database opened for reading alone passes that on to what it attaches, unless told otherwise.
            cursor.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {DATABASE} (READ_WRITE)")
        for spec in session.specs.values():
            head = f"CREATE OR REPLACE MACRO {DATABASE}.main.{{name}}"
            for statement in _macros(spec, session.settings.prefix, head):
                cursor.execute(statement)


def connection_number(con: duckdb.DuckDBPyConnection) -> int:
    """By which cancel.interrupt() knows a connection; it gets one where it has none."""
    con.execute(f"SET VARIABLE {CONNECTION} = coalesce(getvariable('{CONNECTION}'), {next(_connection_numbers)})")
    return int(con.execute(f"SELECT getvariable('{CONNECTION}')").fetchall()[0][0])


def set_node(con: duckdb.DuckDBPyConnection, node: str | None) -> None:
    """What runs on this connection from here on is accounted to this node; None is no node."""
    con.execute(f"SET VARIABLE {_NODE} = ?", [node])


def _macros(spec: FunctionSpec, prefix: str, head: str) -> list[str]:
    """The definition's macro, and its try_ twin, which gives what the function itself gives, as it comes."""
    body = spec.macro[re.match(r"CREATE\s+MACRO\s+\w+", spec.macro, re.I).end() :]  # type: ignore[union-attr]
    body = body.replace(
        "'statement': ", f"'connection': getvariable('{CONNECTION}'), 'node': getvariable('{_NODE}'), 'statement': "
    )
    if spec.is_table:
        return [head.format(name=f"{prefix}{spec.name}") + body]
    called = f"system.main.{spec.name}("
    made = [head.format(name=f"{prefix}{spec.name}") + body.replace(called, f"system.main.{prefix}{spec.name}(")]
    if called in body:
        parameters, _, expression = body.partition(" AS\n")
        call = find_calls(expression, {spec.name})[0].text
        call = call[call.index(called) :]
        calls = {
            f"{prefix}{name}": call.replace(called, f"system.main.{prefix}{name}(")
            for name in (spec.name, spec.try_name)
        }
        twin = f"{prefix}{spec.try_name}"
        made.append(f"{head.format(name=twin)}{parameters} AS {calls[twin]}")
        if spec.kind == "aggregate":
            made += [
                f"{head.format(name=of_list(name))}{parameters} AS {call_with_list(spec, own)}"
                for name, own in calls.items()
            ]
    return made


def _names(spec: FunctionSpec, prefix: str) -> list[str]:
    names = [f"{prefix}{spec.name}"] + ([] if spec.is_table else [f"{prefix}{spec.try_name}"])
    return names + [of_list(name) for name in names if spec.kind == "aggregate"]


def _register(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    functions = _functions(session)
    owner = con.cursor()
    try:
        taken = _taken(con, owner, [name for name, _, _ in functions])
        if taken:
            raise NameTakenError.functions(taken)
        for name, function, returns in functions:
            _registered.append(function)
            # DuckDB asks for a type while it binds, which it does of functions without side effects alone.
            side_effects = name != STRUCTURE
            # The stubs of duckdb 2.0 know enums alone; the strings serve 1.4 as well.
            owner.create_function(  # type: ignore[call-overload]
                name, function, None, returns, type="arrow", null_handling="special", side_effects=side_effects
            )
    except BaseException:
        owner.close()
        raise
    _sessions[session.number] = session
    _owners[session.number] = owner
    closing: Any = weakref.finalize(con, _close_owner, session.number)
    closing.atexit = False


def _taken(con: duckdb.DuckDBPyConnection, owner: duckdb.DuckDBPyConnection, names: list[str]) -> set[str]:
    """Names that stand for something else in the database, or as a temporary macro of this connection."""
    found = owner.execute(
        "SELECT function_name FROM duckdb_functions() WHERE database_name IN ('system', current_database()) "
        "AND schema_name = 'main' AND function_name IN (SELECT unnest(?))",
        [names],
    ).fetchall()
    # A macro of ours outlives a detach() through another connection; it is made anew.
    found += con.execute(
        "SELECT function_name FROM duckdb_functions() WHERE database_name = 'temp' "
        "AND function_name IN (SELECT unnest(?)) AND NOT contains(macro_definition, 'main.' || function_name || '(')",
        [names],
    ).fetchall()
    return {name for (name,) in found}


def _functions(session: Session) -> list[tuple[str, Callable[..., pa.Array], str]]:
    """(name, Arrow function, SQL type of its result) of everything that DuckDB calls."""
    prefix, number = session.settings.prefix, session.number
    made: list[tuple[str, Callable[..., pa.Array], str]] = []
    for spec in session.specs.values():
        if not spec.is_table and f"system.main.{spec.name}(" in spec.macro:
            made.append((f"{prefix}{spec.name}", _scalar(number, spec, detail=False), spec.returns))
            made.append((f"{prefix}{spec.try_name}", _scalar(number, spec, detail=True), spec.try_returns))
    tables: list[tuple[str, Callable[[Session], list[dict[str, Any]]], str]] = [
        ("_inlay_models", Session.models_table, _MODELS_TYPE),
        ("_inlay_functions", functions_table, _FUNCTIONS_TYPE),
        ("_inlay_errors", lambda session: [vars(error) for error in session.ledger.errors()], _ERRORS_TYPE),
        ("_inlay_ledger", lambda session: [vars(row) for row in session.ledger.rows()], _LEDGER_TYPE),
        ("_inlay_history", Session.history_table, _HISTORY_TYPE),
        ("_inlay_failures", Session.failures_table, _FAILURES_TYPE),
        ("_inlay_certificates", Session.certificates_table, _CERTIFICATES_TYPE),
    ]
    made += [(name, _table(number, name, read, returns), returns) for name, read, returns in tables]
    made += [(name, _text(number, name, read), "VARCHAR") for name, read in _TEXT_FUNCTIONS.items()]
    made.append((_IDENTITY, lambda *args: pa.array([number] * len(args[0]), type=pa.int32()), "INTEGER"))
    return made


def _structure(session: Session, schema: Any) -> str:
    """What from_json() makes of an answer of ai_extract."""
    return read_schema("ai_extract", schema).structure


# What the macros ask; not for people.
_TEXT_FUNCTIONS: dict[str, Callable[..., str | None]] = {
    STRUCTURE: _structure,
    "_inlay_calls": calls_digest,
    "_inlay_built_with": built_with,
    "_inlay_column_comments": column_comments,
    "_inlay_plan_begin": lambda session, _: begin_plan(session),
    "_inlay_plan_end": lambda session, _: end_plan(session),
    "_inlay_guarded": lambda session, sql, condition: guarded(sql, condition, scalar_specs(session)),
}


def _text(number: int, name: str, read: Callable[..., str | None]) -> Callable[..., pa.Array]:
    def function(*args: pa.ChunkedArray) -> pa.Array:
        rows = zip(*(arg.to_pylist() for arg in args), strict=True)
        return pa.array([read(_session(number, name), *row) for row in rows], type=pa.string())

    return function


def _session(number: int, name: str) -> Session:
    session = _sessions.get(number)
    if session is None or not session.attached:
        raise NotAttachedError(f"{name}: inlay was detached from this database. Attach again: inlay.attach(con)")
    return session


def functions_table(session: Session) -> list[dict[str, Any]]:
    return [
        {
            "name": session.settings.prefix + spec.name,
            "signature": signature_text(spec),
            "returns": spec.gives,
            "summary": spec.summary,
            "nulls": spec.nulls,
            "cost": spec.cost,
            "example": spec.example,
        }
        for spec in session.specs.values()
    ]


def _table(
    number: int, name: str, read: Callable[[Session], list[dict[str, Any]]], returns: str
) -> Callable[..., pa.Array]:
    schema = pa.schema(list(_arrow_struct(returns)))

    def table(*args: pa.ChunkedArray) -> pa.Array:
        rows = table_of_rows(read(_session(number, name.lstrip("_"))), schema).to_struct_array().combine_chunks()
        ends = np.arange(len(args[0]) + 1, dtype=np.int64) * len(rows)
        every = pa.concat_arrays([rows] * len(args[0]))
        return pa.ListArray.from_arrays(numbers_array(ends).cast(pa.int32()), every)

    return table


def _arrow_struct(returns: str) -> pa.DataType:
    kinds = {
        "VARCHAR": pa.string(),
        "INTEGER": pa.int32(),
        "BIGINT": pa.int64(),
        "DOUBLE": pa.float64(),
        "BOOLEAN": pa.bool_(),
    }
    fields = returns.removeprefix("STRUCT(").removesuffix(")[]").split(", ")
    return pa.struct([(name.strip('"'), kinds[kind]) for name, kind in (part.rsplit(" ", 1) for part in fields)])


def _scalar(number: int, spec: FunctionSpec, *, detail: bool) -> Callable[..., pa.Array]:
    name = spec.try_name if detail else spec.name

    def scalar(*args: pa.ChunkedArray) -> pa.Array:
        try:
            return answer_call(_session(number, name), spec, name, args, detail)
        except KeyboardInterrupt:
            # From a handler that is not ours. DuckDB would turn it into text.
            cancel.interrupt()
            raise InterruptedQueryError(f"{name}: interrupted by Ctrl-C; finished rows are kept.") from None
        except InlayError as error:
            _raised.append(type(error)(*error.args))
            raise

    return scalar


def original_error(text: str) -> InlayError | None:
    """The error behind a message of DuckDB's, once; None where no function of ours raised it."""
    for error in reversed(_raised):
        if f"{type(error).__name__}: {error}" in text:
            with contextlib.suppress(ValueError):  # another thread was faster with an error of the same text
                _raised.remove(error)
            return error
    return None


def _forget_results_of_closed_databases() -> None:
    """DuckDB does not say when a database is closed. Its attaching connection being gone is a good sign; where others
    go on with it, what they ask for is computed again."""
    for number, session in _sessions.items():
        if number not in _owners:
            session.memory.clear()


def _close_owner(number: int) -> None:
    owner = _owners.pop(number, None)
    if owner is not None:
        if session := _sessions.get(number):
            session.close_account()
        with contextlib.suppress(Exception):
            owner.close()


@atexit.register
def _close_at_exit() -> None:
    """duckdb 2.0 prints some forty lines about leaks when the interpreter ends with an open connection that has
    Python functions."""
    stop_at_exit()
    for session in list(_sessions.values()):
        session.close_account()
    for number in list(_owners):
        _close_owner(number)
