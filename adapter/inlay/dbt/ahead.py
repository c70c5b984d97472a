"""Runs a dbt project for its model calls alone, and drops the rows: `inlay infer` and `inlay plan`.

It is rebuilt next to its database: its models read their inputs from the database, which is not changed;
dbt models without model calls become views, the others tables in a temporary database. What remains are the models'
answers, in the result store.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from inlay.arrays import relation_reader
from inlay.client.connection import Connection
from inlay.client.opening import not_opened
from inlay.client.sessions import set_node
from inlay.dbt.manifest import Node, needed, read_manifest
from inlay.errors import ConfigError, InlayError
from inlay.explanation.call_digests import called_specs
from inlay.parsing.calls import find_calls, without_texts

_BUILT = "_inlay_built"

OnNode = Callable[[str], None]


@dataclass(frozen=True)
class Project:
    """A compiled dbt project and the DuckDB file that it builds into (None: it has no file)."""

    manifest: Path
    database: Path | None


def run_query(con: Connection, sql: str) -> None:
    """Runs a query for its effect on the store: its rows are read and dropped."""
    for _ in _batches(con.sql(sql)):
        pass


def _batches(relation: Any) -> Iterator[Any]:
    """Rows in pieces, so that a large result is never held."""
    yield from relation_reader(relation, 65_536)


def run_project(con: Connection, project: Project, functions: Sequence[str], folder: Path, on_node: OnNode) -> None:
    """Runs every node that calls one of `functions`, and what it is made from, in databases inside `folder`.

    Raises ConfigError where something that the project is made from is not in its database yet, and InlayError where
    a node's SQL fails.
    """
    nodes = needed(read_manifest(project.manifest, functions))
    if project.database is not None and project.database.is_file():
        try:
            con.execute(f"ATTACH '{_quoted(project.database)}' AS {_BUILT} (READ_ONLY)")
        except duckdb.IOException as error:
            raise not_opened(project.database, error) from error
    # The first database of a connection in memory is called memory, and so is that of a dbt target in memory.
    databases = sorted({node.relation[0] for node in nodes if node.relation} - {"memory"})
    for number, name in enumerate(databases):
        con.execute(f"ATTACH '{_quoted(folder / f'{number}.duckdb')}' AS {_identifier(name)}")
    if databases:
        con.execute(f"USE {_identifier(databases[0])}")
    for node in nodes:
        _run_node(con, project, node, on_node)


def _run_node(con: Connection, project: Project, node: Node, on_node: OnNode) -> None:
    if node.sql == "":
        return
    set_node(con.duckdb, node.id)
    if node.relation is None:
        on_node(node.name)
        run_query(con, str(node.sql))
        return
    database, schema, name = (_identifier(part) for part in node.relation)
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {database}.{schema}")
    if node.sql is None:
        try:
            con.execute(f"CREATE VIEW {database}.{schema}.{name} AS FROM {_BUILT}.{schema}.{name}")
        except duckdb.Error as error:
            raise ConfigError(
                f"{node.name} ({'.'.join(node.relation)}) is not in {project.database or 'any database'}: {error}. "
                "It is read from there, not computed. Type first: dbt seed, or build it."
            ) from error
        return
    kind = "TABLE" if node.calls_models else "VIEW"
    if node.calls_models:
        on_node(node.name)
    try:
        con.execute(f"CREATE {kind} {database}.{schema}.{name} AS {node.sql}")
    except duckdb.Error as error:
        raise InlayError(f"{node.name} ({node.id}) cannot be run: {error}") from error
    if node.calls_models:
        _make_calls_known(con, node.sql)


def _make_calls_known(con: Connection, sql: str) -> None:
    """DuckDB makes no call where there are no rows; the stored form must find the call all the same."""
    specs = called_specs(con._session)
    for call in find_calls(sql, specs):
        # Labels that are a column mean nothing here; the stored form has no such calls.
        context = con._session.context_of(con._number).unaccounted()
        with con._session.within(con._number, context), contextlib.suppress(duckdb.Error, InlayError):
            con.execute(f"SELECT {without_texts(call, specs[call.function])}").fetchall()


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
