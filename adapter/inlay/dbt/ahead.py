"""Runs a dbt project for its model calls alone, and drops the rows: `inlay infer` and `inlay plan`.

It is rebuilt next to its database: its models read their inputs from the database, which is not changed;
dbt models without model calls become views, the others tables in a temporary database. What remains are the models'
answers, in the result store. What cannot be run is listed with its reason, and the rest goes on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from inlay.arrays import relation_reader
from inlay.client.connection import Connection
from inlay.client.sessions import set_node
from inlay.dbt.built import Built, Databases
from inlay.dbt.manifest import Node, needed
from inlay.errors import BudgetExceededError, InlayError, InterruptedQueryError
from inlay.explanation.call_digests import called_specs
from inlay.parsing.calls import find_calls, without_texts
from inlay.parsing.quoting import literal, quoted

OnNode = Callable[[str], None]

_WIDEST = 12
"""Views that a view may be made of: DuckDB binds each as often as it is read, so what two paths lead to is bound twice,
and in a project fifteen refs deep thousands of times. What would be wider is a table."""


@dataclass(frozen=True)
class Left:
    """What is not run. why: the rest of a sentence about it. root: the node to blame. is_failure: it will not run in
    dbt either."""

    name: str
    why: str
    is_failure: bool
    root: str = ""

    def sentence(self, done: str) -> str:
        reads = f"it reads {self.root}, which" if self.root else "it"
        return f"{self.name} is not {done}: {reads} {self.why}"


def run_query(con: Connection, sql: str) -> None:
    """Runs a query for its effect on the store: its rows are read and dropped."""
    for _ in _batches(con.sql(sql)):
        pass


def _batches(relation: Any) -> Iterator[Any]:
    """Rows in pieces, so that a large result is never held."""
    yield from relation_reader(relation, 65_536)


def run_nodes(
    con: Connection,
    nodes: Sequence[Node],
    databases: Databases,
    folder: Path,
    on_node: OnNode,
    selected: Collection[str] | None = None,
) -> list[Left]:
    """Runs every node that calls a model, and what it is made from, in databases inside `folder`. selected: the ids of
    those that count; what else they are made from is read from the database where it is built.

    Returns the nodes that call models and were not run. Raises InlayError where the database cannot be opened, and
    BudgetExceededError.
    """
    wanted = needed(nodes, selected)
    names = {node.relation[0] for node in wanted if node.relation}
    _prepare(con, databases)
    built = Built(con, databases, names)
    # The first database of a connection in memory is called memory, and so is that of a dbt target in memory.
    own = sorted(names - {"memory"})
    for number, name in enumerate(own):
        con.execute(f"ATTACH {literal(str(folder / f'{number}.duckdb'))} AS {quoted(name)}")
    if own:
        con.execute(f"USE {quoted(own[0])}")
    return _Run(con, built, on_node, selected).all(wanted)


def _prepare(con: Connection, databases: Databases) -> None:
    """The profile's own settings and extensions. What one of them lacks here, a query that needs it says."""
    for name, value in databases.settings.items():
        with contextlib.suppress(duckdb.Error):
            con.execute(f"SET {quoted(name)} = {literal(str(value))}")
    for name in databases.extensions:
        with contextlib.suppress(duckdb.Error):
            con.execute(f"LOAD {quoted(name)}")


class _Run:
    def __init__(self, con: Connection, built: Built, on_node: OnNode, selected: Collection[str] | None) -> None:
        self._con, self._built, self._on_node, self._selected = con, built, on_node, selected
        self._left: dict[str, Left] = {}  # what cannot be read either
        self._widths: dict[str, int] = {}  # of views: how many views each is made of, itself included
        self._schemas: set[tuple[str, str]] = set()
        self._known: set[str] = set()  # calls that the store knows of

    def all(self, nodes: Sequence[Node]) -> list[Left]:
        found = []
        for node in nodes:
            counts = self._selected is None or node.id in self._selected
            own = missing = None
            if node.is_read or not counts:
                missing = None if self._read(node) else self._missing(node)
                if node.is_read and counts and node.calls_models:
                    own = self._run(node, self._query)
            else:
                own = missing = self._run(node, self._make)
            if missing is not None:
                self._left[node.id] = missing
            if own is not None and node.calls_models:
                found.append(own)
        return found

    def _missing(self, node: Node) -> Left | None:
        """A node that is to be read from the database and is not there. One that asks no model is made all the same."""
        if not node.is_read and not node.calls_models:
            return self._run(node, self._make)
        assert node.relation is not None
        return Left(node.name, self._built.is_missing(node.relation, node.made_by), is_failure=True)

    def _run(self, node: Node, make: Callable[[Node], None]) -> Left | None:
        blocked = next((self._left[parent] for parent in node.parents if parent in self._left), None)
        if blocked is not None:
            return Left(node.name, blocked.why, blocked.is_failure, blocked.root or blocked.name)
        if node.problem:
            return Left(node.name, node.problem, is_failure=not node.is_read)
        try:
            make(node)
        except (BudgetExceededError, InterruptedQueryError):
            raise
        except (duckdb.Error, InlayError) as error:
            return Left(node.name, f"cannot be run: {_first_line(error)}", is_failure=True)
        return None

    def _read(self, node: Node) -> bool:
        """Makes a node a view of what is built; whether that is there and can be read."""
        source = self._built.sql_name(node.relation) if node.relation else None
        if source is None:
            return False
        try:
            self._create("VIEW", node, f"FROM {source}")
        except duckdb.Error:  # a view over something that is gone
            return False
        return True

    def _make(self, node: Node) -> None:
        if node.relation is None:
            if node.sql:  # a test; not what dbt pastes into its readers
                self._query(node)
            return
        assert node.sql is not None
        width = 1 + sum(self._widths.get(parent, 0) for parent in node.parents)
        if node.calls_models:
            set_node(self._con.duckdb, node.id)
            self._on_node(node.name)
        is_view = not node.calls_models and width <= _WIDEST
        self._create("VIEW" if is_view else "TABLE", node, node.sql)
        if is_view:
            self._widths[node.id] = width
        if node.calls_models:
            self._make_calls_known(node.sql)

    def _query(self, node: Node) -> None:
        set_node(self._con.duckdb, node.id)
        self._on_node(node.name)
        run_query(self._con, str(node.sql))

    def _create(self, kind: str, node: Node, sql: str) -> None:
        assert node.relation is not None
        database, schema, name = (quoted(part) for part in node.relation)
        if (database, schema) not in self._schemas:
            self._con.execute(f"CREATE SCHEMA IF NOT EXISTS {database}.{schema}")
            self._schemas.add((database, schema))
        self._con.execute(f"CREATE {kind} {database}.{schema}.{name} AS {sql}")

    def _make_calls_known(self, sql: str) -> None:
        """DuckDB makes no call where there are no rows; the stored form must find the call all the same."""
        con = self._con
        context = con._session.context_of(con._number)
        if context.is_dry:
            return
        specs = called_specs(con._session)
        calls = {without_texts(call, specs[call.function]) for call in find_calls(sql, specs)} - self._known
        for call in sorted(calls):
            # Labels that are a column mean nothing here; the stored form has no such calls.
            with con._session.within(con._number, context.unaccounted()), contextlib.suppress(duckdb.Error, InlayError):
                con.execute(f"SELECT {call}").fetchall()
        self._known |= calls


def _first_line(error: Exception) -> str:
    """What DuckDB says, without the text of the statement below it."""
    return " ".join(str(error).split("\n\nLINE ")[0].split())
