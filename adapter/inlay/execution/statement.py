"""Runs a planned statement: has its calls answered, and then has DuckDB run the user's statement with its calls as
lookups. Where that cannot be bound, the user's own statement runs, and says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import duckdb

from inlay.execution.context import Context
from inlay.execution.queries import UNBOUND
from inlay.execution.replacement_scan import variables, with_named_parameters, with_tables
from inlay.execution.runner import Prepared, Runner
from inlay.execution.session import Session
from inlay.execution.views import views_that_call
from inlay.parsing.statement import Statement
from inlay.parsing.tokens import Text
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.plan import make_plan
from inlay.planner.varying_schema import as_json_where_varying
from inlay.planner.views import expanded

_CREATES_VIEW = re.compile(r"\s*CREATE\s+(OR\s+REPLACE\s+)?VIEW\b", re.IGNORECASE)


def prepare(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any = None,
    tables: Mapping[str, Any] | None = None,
    context: Context | None = None,
) -> Prepared:
    """Plans a statement and answers its calls. Raises Unplannable where it is to run as it is, what a model raises,
    and what DuckDB raises for the user's own expressions. tables, context: as of runner_of()."""
    runner = runner_of(session, con, sql, parameters, tables, context)
    runner.run()
    return runner.prepared()


def runner_of(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any,
    tables: Mapping[str, Any] | None = None,
    context: Context | None = None,
    *,
    streams: bool = True,
) -> Runner:
    """What answers the calls of a statement. Raises Unplannable where it is to run as it is. tables: variables that it
    may name as tables; those of the callers where none are given. context: the connection's own where none is given."""
    if not session.attached:
        raise Unplannable(reasons.DETACHED)
    specs = session.called
    if context is None:
        context = session.context_of(known_connection(con) if session.contexts else None)
    tables = variables(sql) if tables is None else dict(tables)
    text, parameters = with_named_parameters(Text.of(sql), parameters)
    statement = expanded(Statement.read(text, specs), views_that_call(session, con), specs)
    plan = make_plan(statement, lambda text: _column_name(con, text))
    runner = Runner(session, con, plan, parameters, tables, context, streams=streams)
    if plan.applied and not _same_shape(runner, plan.statement.plain, statement.plain):
        plan = make_plan(statement, lambda text: _column_name(con, text), rules=())
        runner = Runner(session, con, plan, parameters, tables, context, streams=streams)
    return runner


def known_connection(con: duckdb.DuckDBPyConnection) -> int | None:
    """The number that a connection was given when it was attached."""
    number: int | None = con.execute("SELECT getvariable('inlay_connection')").fetchall()[0][0]
    return number


def _same_shape(runner: Runner, changed: str, sql: str) -> bool:
    """Whether what the rules made of a statement gives the same columns. It does not where a subquery stands around
    columns of one name, which DuckDB tells apart there (tag, tag_1), nor where DuckDB does not take it."""
    shape = runner.queries.shape(sql)
    try:
        return runner.queries.shape(changed) == shape
    except Unplannable:
        return False


def execute(session: Session, con: duckdb.DuckDBPyConnection, sql: str, parameters: Any = None) -> Any:
    """What con.execute(sql, parameters) gives for one statement, planned where it can be."""
    result = _planned_or_plain(session, con, sql, parameters, "execute", {})
    if _CREATES_VIEW.match(sql):
        views_that_call(session, con)
    return result


def relation(
    session: Session, con: duckdb.DuckDBPyConnection, sql: str, parameters: Any, alias: str, tables: Mapping[str, Any]
) -> Any:
    """What con.sql(sql) gives, its calls answered by now."""
    return _planned_or_plain(session, con, sql, parameters, "sql", {"alias": alias}, tables)


def plain_relation(
    session: Session, con: duckdb.DuckDBPyConnection, sql: str, parameters: Any, alias: str, tables: Mapping[str, Any]
) -> Any:
    """What con.sql(sql) gives, with the calls made as rows come."""
    return with_tables(con, as_json_where_varying(sql, session.called), tables, parameters, "sql", {"alias": alias})


def _planned_or_plain(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any,
    method: str,
    options: dict[str, Any],
    tables: Mapping[str, Any] | None = None,
) -> Any:
    sql = as_json_where_varying(sql, session.called)
    tables = variables(sql) if tables is None else tables
    try:
        prepared = prepare(session, con, sql, parameters, tables)
        return with_tables(con, prepared.sql, prepared.tables, prepared.parameters, method, options)
    except (Unplannable, *UNBOUND):
        # The user's own text: it runs, or DuckDB says what is wrong with it.
        return with_tables(con, sql, tables, parameters, method, options)


def _column_name(con: duckdb.DuckDBPyConnection, text: str) -> str:
    """What DuckDB calls a column that was given no name: the expression as its parser writes it."""
    said = con.sql(
        "SELECT json_deserialize_sql(json_serialize_sql($text))", params={"text": f"SELECT {text}"}
    ).fetchall()[0][0]
    return re.sub(r"\$inlay_(\d+)", r"$\1", str(said).removeprefix("SELECT "))
