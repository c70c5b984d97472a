"""The macros that give inlay's functions named options, and where they are created.

A function of DuckDB's that Python registers has no named arguments. A macro has, and calls the function with its
options in a struct, together with the connection, the dbt node and the statement that the call belongs to.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

import duckdb

from inlay.client.sessions import CONNECTION, NODE, connection_number
from inlay.execution.session import Session
from inlay.functions.spec import FunctionSpec
from inlay.parsing.calls import find_calls
from inlay.parsing.twins import DATABASE, twin_definition, twin_macro
from inlay.planner.aggregates import call_with_list, of_list

_CREATE_MACRO = re.compile(r"CREATE\s+MACRO\s+\w+", re.IGNORECASE)


def create_macros(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    """Temporary macros on this one connection or cursor, as ai_classify(…)."""
    connection_number(con)
    _create(con, session, "TEMP MACRO ")


def create_qualified_macros(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    """The same macros as inlay.ai_classify(…) in an in-memory database that every cursor sees and no file keeps. Their
    twins come when a statement needs one."""
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
        _create(cursor, session, f"MACRO {DATABASE}.main.")
        session.create_twins = lambda con: _create_twins(con, session)


def _create_twins(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    session.create_twins = lambda con: None
    with con.cursor() as cursor:
        for spec in session.specs.values():
            for name, definition in twins_of(spec, session.settings.prefix).items():
                cursor.execute(f"CREATE OR REPLACE MACRO {DATABASE}.main.{name}{definition}")


def drop_macros(con: duckdb.DuckDBPyConnection, session: Session) -> None:
    for spec in session.specs.values():
        for name in macros_of(spec, session.settings.prefix):
            con.execute(f"DROP MACRO {'TABLE ' if spec.is_table else ''}IF EXISTS temp.main.{name}")


def _create(con: duckdb.DuckDBPyConnection, session: Session, target: str) -> None:
    for spec in session.specs.values():
        for name, definition in macros_of(spec, session.settings.prefix).items():
            con.execute(f"CREATE OR REPLACE {target}{name}{definition}")


@cache
def macros_of(spec: FunctionSpec, prefix: str) -> Mapping[str, str]:
    """Name → parameters and body, of the macros of one definition. Every cursor that is attached asks again.

    A definition that has a Python function gets a try_ twin as well, which returns what the function returns, as it
    comes. An aggregate's two macros have a twin each that takes the list of the group's texts.
    """
    name, try_name = f"{prefix}{spec.name}", f"{prefix}{spec.try_name}"
    definition = _CREATE_MACRO.sub("", spec.macro, count=1).replace(
        "'statement': ", f"'connection': getvariable('{CONNECTION}'), 'node': getvariable('{NODE}'), 'statement': "
    )
    if not has_function(spec):
        return {name: definition}
    function = _function_of(spec)
    parameters, _, expression = definition.partition(" AS\n")
    call = find_calls(expression, {spec.name})[0].text
    call = call[call.index(function) :]
    calls = {each: call.replace(function, f"system.main.{each}(") for each in (name, try_name)}
    macros = {
        name: definition.replace(function, f"system.main.{name}("),
        try_name: f"{parameters} AS {calls[try_name]}",
    }
    if spec.kind == "aggregate":
        macros |= {of_list(each): f"{parameters} AS {call_with_list(spec, calls[each])}" for each in calls}
    return macros


def twins_of(spec: FunctionSpec, prefix: str) -> dict[str, str]:
    """The same of the twins of the macros that a statement may call."""
    macros = {} if spec.is_table else macros_of(spec, prefix)
    returns = {f"{prefix}{spec.name}": spec.returns, f"{prefix}{spec.try_name}": spec.try_returns}
    return {
        twin_macro(macro): twin_definition(macros[macro], name, kind)
        for name, kind in returns.items()
        for macro in (name, of_list(name))
        if macro in macros
    }


def has_function(spec: FunctionSpec) -> bool:
    """Whether the macro calls a Python function of its own name. A user's macro may call other macros alone."""
    return not spec.is_table and _function_of(spec) in spec.macro


def _function_of(spec: FunctionSpec) -> str:
    return f"system.main.{spec.name}("
