"""Runs a planned statement: has its calls answered, and then has DuckDB run the user's statement with its calls as
lookups. Where that cannot be bound, the user's own statement runs, and says what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import duckdb

from inlay.execution.acceptance import is_aborted
from inlay.execution.context import Context
from inlay.execution.queries import UNBOUND, Queries, first_line
from inlay.execution.rehearsal import not_looked_up
from inlay.execution.replacement_scan import variables, with_named_parameters, with_tables
from inlay.execution.runner import Prepared, Runner
from inlay.execution.session import Session
from inlay.execution.surroundings import surroundings
from inlay.execution.targets import fails_at_once
from inlay.execution.views import views_of
from inlay.parsing.kinds import is_query
from inlay.parsing.statement import Statement
from inlay.parsing.tokens import Text
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.aggregates import with_filters_inside
from inlay.planner.aliases import refused_alias, uses_an_alias_again, written_out
from inlay.planner.plan import make_plan
from inlay.planner.returning import with_named_returning
from inlay.planner.varying_schema import as_json_where_varying
from inlay.planner.views import expanded

_CREATES_VIEW = re.compile(
    r"""\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP\w*\s+)?VIEW\s+(?:IF\s+NOT\s+EXISTS\s+)?
    (?:(?:"[^"]+"|\w+)\s*\.\s*)*(?:"(?P<quoted>[^"]+)"|(?P<bare>\w+))""",
    re.IGNORECASE | re.VERBOSE,
)


def prepare(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any = None,
    tables: Mapping[str, Any] | None = None,
    context: Context | None = None,
) -> Prepared:
    """Plans a statement and answers its calls. Raises Unplannable where it is to run as it is, and what a model raises;
    inside a transaction what has ended it. tables, context: as of runner_of()."""
    try:
        runner = runner_of(session, con, sql, parameters, tables, context)
        runner.run()
        return runner.prepared()
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:  # of a query of the planner's own
        if is_aborted(con):
            raise
        raise Unplannable(reasons.inputs_not_selected(first_line(error))) from error


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
    specs, around = session.called, surroundings(con)
    if context is None:
        context = session.context_of(around.connection)
    tables = variables(sql) if tables is None else dict(tables)
    text, parameters = with_named_parameters(Text.of(sql), parameters)
    queries = Queries(con, tables, parameters, around, session.binding.structure)
    written = Statement.read(text, specs)
    if (filtered := with_filters_inside(written)) is not None:
        written = Statement.read(filtered, specs)
    statement = expanded(written, views_of(session, con, text, around), specs)
    if not statement.calls:
        raise Unplannable(reasons.NO_CALL)
    statement = _with_aliases(statement, queries)
    if fails_at_once(statement.tree, queries):
        raise Unplannable(reasons.FAILS_AT_ONCE)
    plan = make_plan(statement, lambda text: _column_name(con, text))
    if plan.applied and not _same_shape(queries, plan.statement.plain, statement.plain):
        plan = make_plan(statement, lambda text: _column_name(con, text), rules=())
    runner = Runner(session, queries, plan, context, streams=streams)
    runner.not_looked_up = not_looked_up(plan, written, runner.held, queries)
    for number in runner.not_looked_up:
        if plan.statement.calls[number].detail:
            plan.stages.remove(number)
            runner.reasons[number] = reasons.NOT_LOOKED_UP
    return runner


def _with_aliases(statement: Statement, queries: Queries) -> Statement:
    """The statement with the expressions of columns in the place of aliases that DuckDB does not take there."""
    while uses_an_alias_again(statement):
        alias = refused_alias(queries.refusal(statement.plain))
        changed = None if alias is None else written_out(statement, alias, lambda text: _column_name(queries.con, text))
        if changed is None:
            break
        statement = changed
    return statement


def _same_shape(queries: Queries, changed: str, sql: str) -> bool:
    """Whether what the rules made of a statement gives the same columns. It does not where a subquery stands around
    columns of one name, which DuckDB tells apart there (tag, tag_1), nor where DuckDB does not take it."""
    shape = queries.shape(sql, gives_rows=is_query(sql))
    try:
        return queries.shape(changed, gives_rows=is_query(changed)) == shape
    except Unplannable:
        return False


def execute(session: Session, con: duckdb.DuckDBPyConnection, sql: str, parameters: Any = None) -> Any:
    """What con.execute(sql, parameters) gives for one statement, planned where it can be."""
    return _planned_or_plain(session, con, sql, parameters, "execute", {})


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
    sql = with_named_returning(sql, session.called, lambda text: _column_name(con, text))
    tables = variables(sql) if tables is None else tables
    try:
        prepared = prepare(session, con, sql, parameters, tables)
        result = with_tables(con, prepared.sql, prepared.tables, prepared.parameters, method, options)
    except (Unplannable, *UNBOUND) as error:
        if isinstance(error, duckdb.Error) and is_aborted(con):
            raise
        # The user's own text: it runs, or DuckDB says what is wrong with it.
        result = with_tables(con, sql, tables, parameters, method, options)
    if (view := _CREATES_VIEW.match(sql)) is not None:
        session.mentions.know_view(view["quoted"] or view["bare"])
    return result


def _column_name(con: duckdb.DuckDBPyConnection, text: str) -> str:
    """What DuckDB calls a column that was given no name: the expression as its parser writes it. Raises Unplannable
    where that does not read it."""
    parsed, name = con.execute(
        "SELECT parsed, CASE WHEN parsed->>'error' = 'false' THEN json_deserialize_sql(parsed) END "
        "FROM (SELECT json_serialize_sql($text) AS parsed)",
        {"text": f"SELECT {text}"},
    ).fetchall()[0]
    if name is None:
        raise Unplannable(reasons.not_bound(str(parsed)))
    return re.sub(r"\$inlay_(\d+)", r"$\1", str(name).removeprefix("SELECT "))
