"""Which views of a database call a model: statements that read them are planned as if they made the calls."""

from __future__ import annotations

import duckdb

from inlay.execution.session import Session
from inlay.execution.surroundings import Surroundings
from inlay.parsing.tokens import Text, words


def views_that_call(session: Session, con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Lower-case name → CREATE VIEW, of the views of the current schema that call a model, by themselves or through
    others. The session remembers their names."""
    rows = con.execute(
        "SELECT lower(view_name), sql FROM duckdb_views() WHERE NOT internal AND database_name = current_database() "
        "AND schema_name = current_schema()"
    ).fetchall()
    found = {name: sql for name, sql in rows if session.mentions.calls(sql)}
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
