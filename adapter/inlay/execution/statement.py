"""Runs a planned statement: has its calls answered, and then has DuckDB run the user's statement with its calls as
lookups. Where that cannot be bound, the user's own statement runs, and says what is wrong with it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb

from inlay.execution.acceptance import bind_alike, in_transaction, is_aborted, refusal
from inlay.execution.context import Context
from inlay.execution.queries import UNBOUND, Queries, first_line
from inlay.execution.rehearsal import not_looked_up
from inlay.execution.replacement_scan import variables, with_named_parameters, with_tables
from inlay.execution.runner import Prepared, Runner
from inlay.execution.session import Session
from inlay.execution.surroundings import surroundings
from inlay.execution.targets import fails_at_once
from inlay.execution.views import macros_that_call, views_of
from inlay.parsing.kinds import is_query
from inlay.parsing.statement import Specs, Statement
from inlay.parsing.tokens import Text
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.accepted import as_duckdb_takes
from inlay.planner.aliases import uses_an_alias_again, written_out
from inlay.planner.columns import columns_written_out
from inlay.planner.macro import Macro
from inlay.planner.macros import macros_written_out
from inlay.planner.plan import make_plan
from inlay.planner.returning import with_named_returning
from inlay.planner.row_calls import with_texts_of_rows
from inlay.planner.varying_schema import as_json_where_varying
from inlay.planner.views import expanded

_DEFINES = re.compile(
    r"""\s*(?:(?P<prepares>PREPARE)\s+
    |CREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP\w*\s+)?(?P<kind>VIEW|MACRO|FUNCTION)\s+(?:IF\s+NOT\s+EXISTS\s+)?)
    (?:(?:"[^"]+"|\w+)\s*\.\s*)*(?:"(?P<quoted>[^"]+)"|(?P<bare>\w+))""",
    re.IGNORECASE | re.VERBOSE,
)


_COLUMN_NAMES: dict[str, str] = {}
"""By text: no table decides them."""

_MOST_ALIASES = 100
"""How many columns of a statement may be named again: names of names of names."""


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
    text, parameters = with_named_parameters(taken_form(session, con, sql), parameters)
    queries = Queries(con, tables, parameters, around, session.binding.structure)
    written = Statement.read(text, specs)
    statement = _with_definitions(session, written, queries)
    if not statement.calls:
        raise Unplannable(reasons.NO_CALL)
    session.examples[around.connection] = queries.examples
    statement = _with_columns(_with_aliases(statement, queries), queries, specs)
    if fails_at_once(statement.tree, queries):
        raise Unplannable(reasons.FAILS_AT_ONCE)
    plan = make_plan(statement, lambda text: column_name(con, text))
    if plan.applied and not _same_shape(queries, plan.statement.plain, statement.plain):
        plan = make_plan(statement, lambda text: column_name(con, text), rules=())
    for number in plan.reasons:  # which are made as rows come, and can read no relation then
        if "examples" in statement.calls[number].settings:
            with contextlib.suppress(Unplannable):
                queries.settings(statement.calls[number])
    runner = Runner(session, queries, plan, context, streams=streams)
    runner.not_looked_up = not_looked_up(plan, written, runner.held, queries, lambda: session.create_twins(con))
    for number in runner.not_looked_up:
        if plan.statement.calls[number].detail:
            plan.stages.remove(number)
            runner.reasons[number] = reasons.NOT_LOOKED_UP
    return runner


def _with_definitions(session: Session, statement: Statement, queries: Queries) -> Statement:
    """The statement with what views and macros of the user's stand for in their places."""
    for expand_views in (True, False):
        if session.mentions.uses_macro(statement.words):
            statement = Statement.read(_with_macros(session, statement.plain, queries), session.called)
        if expand_views:
            views = views_of(session, queries.con, statement.text, queries.around)
            statement = expanded(statement, views, session.called)
    return statement


def _with_macros(session: Session, sql: Text, queries: Queries) -> Text:
    """The statement with macros of the user's written out. To read them takes as long as to plan a statement: those
    read before serve where DuckDB binds what they make of it as it binds the statement itself."""

    def written(macros: Mapping[str, Sequence[Macro]]) -> Text:
        return macros_written_out(sql, macros, lambda text: column_name(queries.con, text))

    if session.macros is not None:
        text = written(session.macros)
        if text != sql and bind_alike(queries.con, sql, text, queries.tables, queries.parameters):
            return text
    session.macros = macros_that_call(session, queries.con)
    return written(session.macros)


def _with_aliases(statement: Statement, queries: Queries) -> Statement:
    """The statement with the expressions of columns in the place of aliases that DuckDB does not take there."""
    if uses_an_alias_again(statement) and queries.refusal(statement.plain) is not None:
        for _ in range(_MOST_ALIASES):
            changed = written_out(statement, queries.refusal, lambda text: column_name(queries.con, text))
            if changed is None:
                break
            statement = changed
    return statement


def _with_columns(statement: Statement, queries: Queries, specs: Specs) -> Statement:
    """The statement with the columns that COLUMNS(…) with calls stands for."""
    if "columns" not in statement.text.lower():
        return statement
    return columns_written_out(statement, lambda sql: [name for name, _ in queries.shape(sql, gives_rows=True)], specs)


def _same_shape(queries: Queries, changed: str, sql: str) -> bool:
    """Whether what the rules made of a statement gives the same columns. It does not where a subquery stands around
    columns of one name, which DuckDB tells apart there (tag, tag_1), nor where DuckDB does not take it."""
    shape = queries.shape(sql, gives_rows=is_query(sql))
    try:
        return queries.shape(changed, gives_rows=is_query(changed)) == shape
    except Unplannable:
        return False


def execute(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any = None,
    after: str = "",
    instead: Callable[[], Any] | None = None,
) -> Any:
    """What con.execute(sql, parameters) gives for one statement, planned where it can be. after: the statements behind
    it in the same text, of which none gives rows or calls a model. instead: what runs where it is not planned."""
    return _planned_or_plain(session, con, sql, parameters, "execute", {}, instead=instead, after=after)


def relation(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any,
    alias: str,
    tables: Mapping[str, Any],
    unplanned: Any = None,
    after: str = "",
) -> Any:
    """What con.sql(sql) gives, its calls answered by now. unplanned: what it is where it is not planned. after: as of
    execute()."""
    instead = None if unplanned is None else lambda: unplanned
    return _planned_or_plain(session, con, sql, parameters, "sql", {"alias": alias}, tables, instead, after)


def plain_relation(
    session: Session, con: duckdb.DuckDBPyConnection, sql: str, parameters: Any, alias: str, tables: Mapping[str, Any]
) -> Any:
    """What con.sql(sql) gives, with the calls made as rows come."""
    return with_tables(con, taken_form(session, con, sql), tables, parameters, "sql", {"alias": alias})


def bound_relation(
    session: Session, con: duckdb.DuckDBPyConnection, sql: str, parameters: Any, alias: str, tables: Mapping[str, Any]
) -> Any:
    """The same; where DuckDB refuses that of functions with side effects, with its calls answered by now."""
    if in_transaction(con):  # which what does not bind would end
        text, named = with_named_parameters(taken_form(session, con, sql), parameters)
        if _is_refused_for_side_effects(refusal(con, text, tables, named)):
            return relation(session, con, sql, parameters, alias, tables)
    try:
        return plain_relation(session, con, sql, parameters, alias, tables)
    except duckdb.BinderException as error:
        if not _is_refused_for_side_effects(str(error)):
            raise
    return relation(session, con, sql, parameters, alias, tables)


def _is_refused_for_side_effects(message: str | None) -> bool:
    return message is not None and ("volatile" in message or "side effects" in message)


def taken_form(session: Session, con: duckdb.DuckDBPyConnection, sql: str) -> Text:
    """The statement as DuckDB takes it, planned or not."""
    text = as_json_where_varying(sql, session.called)
    text = with_texts_of_rows(text, session.called, lambda each: column_name(con, each))
    return as_duckdb_takes(text, session.called, lambda each: column_name(con, each))


def _planned_or_plain(
    session: Session,
    con: duckdb.DuckDBPyConnection,
    sql: str,
    parameters: Any,
    method: str,
    options: dict[str, Any],
    tables: Mapping[str, Any] | None = None,
    instead: Callable[[], Any] | None = None,
    after: str = "",
) -> Any:
    """instead: what runs where it is not planned. after: statements that follow in the same text, and give no rows."""
    sql = taken_form(session, con, sql)
    sql = with_named_returning(sql, session.called, lambda text: column_name(con, text))
    tables = variables(sql) if tables is None else tables
    try:
        prepared = prepare(session, con, sql, parameters, tables)
        with session.knowing(prepared.held.connection, prepared.held):
            result = with_tables(con, prepared.sql + after, prepared.tables, prepared.parameters, method, options)
    except (Unplannable, *UNBOUND) as error:
        if isinstance(error, duckdb.Error) and is_aborted(con):
            raise
        # The user's own text: it runs, or DuckDB says what is wrong with it.
        plain = instead or (lambda: with_tables(con, sql + after, tables, parameters, method, options))
        result = plain()
    if (made := _DEFINES.match(sql)) is not None and session.mentions.may_call(sql):
        name = made["quoted"] or made["bare"]
        if made["prepares"]:
            session.mentions.know_prepared(name)
        elif made["kind"].upper() == "VIEW":
            session.mentions.know_view(name)
        else:
            session.mentions.know_macros([name])
    return result


def column_name(con: duckdb.DuckDBPyConnection, text: str) -> str:
    """What DuckDB calls a column that was given no name: the expression as its parser writes it. Raises Unplannable
    where that does not read it."""
    if text in _COLUMN_NAMES:
        return _COLUMN_NAMES[text]
    parsed, name = con.execute(
        "SELECT parsed, CASE WHEN parsed->>'error' = 'false' THEN json_deserialize_sql(parsed) END "
        "FROM (SELECT json_serialize_sql($text) AS parsed)",
        {"text": f"SELECT {text}"},
    ).fetchall()[0]
    if name is None:
        raise Unplannable(reasons.not_bound(str(parsed)))
    if len(_COLUMN_NAMES) >= 10_000:
        _COLUMN_NAMES.clear()
    _COLUMN_NAMES[text] = re.sub(r"\$inlay_(\d+)", r"$\1", str(name).removeprefix("SELECT "))
    return _COLUMN_NAMES[text]
