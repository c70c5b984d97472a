"""Which views and macros of a database call a model: statements that use them are planned as if they made the calls."""

from __future__ import annotations

import duckdb

from inlay.execution.session import Session
from inlay.execution.surroundings import Surroundings
from inlay.parsing.tokens import Text, words
from inlay.planner.macro import Macro


def views_that_call(session: Session, con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Lower-case name → CREATE VIEW, of the views of the current schema that call a model, by themselves or through
    others. The session remembers their names."""
    rows = con.execute(
        "SELECT lower(view_name), sql FROM duckdb_views() WHERE NOT internal AND database_name = current_database() "
        "AND schema_name = current_schema()"
    ).fetchall()
    found = {name: sql for name, sql in rows if session.mentions.calls(sql) or session.mentions.names_macro(sql)}
    while more := {
        name: sql
        for name, sql in rows
        if name not in found
        and any(other in sql.lower() for other in found)
        and found.keys() & {word.lower.strip('"') for word in words(sql)}
    }:
        found |= more
    session.mentions.know_views(found)
    return found


def views_of(session: Session, con: duckdb.DuckDBPyConnection, text: Text, around: Surroundings) -> dict[str, str]:
    """The same, for a statement: no view's definition is read where it names none of them, and none is new."""
    are_new = around.views != session.views
    session.views = around.views
    if are_new or any(word.lower.strip('"') in around.views for word in text.words):
        return views_that_call(session, con)
    return {}


_MACROS = """
    SELECT lower(function_name), parameters, macro_definition, function_type = 'table_macro' FROM duckdb_functions()
    WHERE function_type IN ('macro', 'table_macro') AND NOT internal AND NOT starts_with(function_name, '_inlay')
      AND database_name IN (current_database(), 'temp') AND schema_name IN (current_schema(), 'main')
      AND len(list_filter(parameter_types, lambda kind: kind IS NOT NULL)) = 0
"""


def macros_that_call(session: Session, con: duckdb.DuckDBPyConnection) -> dict[str, list[Macro]]:
    """By lower-case name, the user's macros of this database that call a model, by themselves or through others. Not
    those whose parameters have types: DuckDB chooses among them by its own casts. The session remembers their names."""
    made: dict[str, dict[int, Macro | None]] = {}
    for name, parameters, body, is_table in con.execute(_MACROS).fetchall():
        if name not in session.called:
            of_name = made.setdefault(name, {})
            # Of two alike, as a temporary one and another, DuckDB says which is meant.
            of_name[len(parameters)] = None if len(parameters) in of_name else Macro(tuple(parameters), body, is_table)
    every = {name: [macro for macro in each.values() if macro is not None] for name, each in made.items()}
    found = {name for name, each in every.items() if any(session.mentions.calls(macro.body) for macro in each)}
    while more := {
        name
        for name, each in every.items()
        if name not in found and any(found & {word.lower.strip('"') for word in words(macro.body)} for macro in each)
    }:
        found |= more
    session.mentions.know_macros(found)
    return {name: every[name] for name in found}
