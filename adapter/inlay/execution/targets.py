"""Where a statement writes: what binding it does not see, and DuckDB refuses before it calls a function."""

from __future__ import annotations

import os
from pathlib import Path

from sqlglot import exp

from inlay.execution.queries import Queries

_PLACES = """
    SELECT current_database(), current_schema(), list(lower(database_name)),
           coalesce(list(lower(database_name)) FILTER (readonly), [])
    FROM duckdb_databases()
"""


def fails_at_once(tree: exp.Expr, queries: Queries) -> bool:
    """Whether a statement that binds is refused all the same, or leaves a table that exists as it is: its target
    exists, its database is read only, or the folder that it copies to is not there or not writable."""
    if isinstance(tree, exp.Copy):
        return any(
            _is_not_writable(file.name) for file in tree.args.get("files") or [] if isinstance(file, exp.Literal)
        )
    table = tree.this if isinstance(tree, exp.Create | exp.Insert | exp.Update | exp.Delete | exp.Merge) else None
    if isinstance(table, exp.Schema):
        table = table.this
    if not isinstance(table, exp.Table):
        return False
    database, schema, databases, read_only = queries.rows(_PLACES)[0]
    parts = [part.name for part in table.parts]
    if len(parts) == 2:  # the first is a database or a schema
        parts = [parts[0], "main", parts[1]] if parts[0].lower() in databases else [database, *parts]
    elif len(parts) == 1:
        temporary = ["temp", "main", *parts]
        is_temporary = tree.args.get("properties") and tree.args["properties"].find(exp.TemporaryProperty)
        if not isinstance(tree, exp.Create) and read_only:
            is_temporary = _exists(temporary, queries)
        parts = temporary if is_temporary else [database, schema, *parts]
    if parts[0].lower() in read_only:
        return True
    return isinstance(tree, exp.Create) and _is_taken(tree, parts, queries)


def _is_taken(create: exp.Create, parts: list[str], queries: Queries) -> bool:
    """Whether something of its name is there that is not replaced."""
    if not create.args.get("replace"):
        return _exists(parts, queries)
    views = "SELECT 1 FROM duckdb_views() WHERE lower(database_name || '.' || schema_name || '.' || view_name) = "
    return bool(queries.rows(views + exp.Literal.string(".".join(parts).lower()).sql(dialect="duckdb")))


def _exists(parts: list[str], queries: Queries) -> bool:
    name = ".".join(exp.to_identifier(part, quoted=True).sql(dialect="duckdb") for part in parts)
    return queries.refusal(f"SELECT * FROM {name}") is None


def _is_not_writable(target: str) -> bool:
    if "://" in target:
        return False
    path = Path(target).expanduser()
    return not path.parent.is_dir() or not any(os.access(each, os.W_OK) for each in (path.parent, path))
