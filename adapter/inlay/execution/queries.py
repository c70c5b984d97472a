"""Queries of the planner's own on the connection of a statement that is being answered."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from inlay.arrays import relation_table
from inlay.errors import ConfigError
from inlay.execution.acceptance import refusal
from inlay.execution.labelled_rows import source_of
from inlay.execution.replacement_scan import with_tables
from inlay.execution.surroundings import Surroundings
from inlay.functions.spec import FunctionSpec, named_options
from inlay.parsing.kinds import is_query
from inlay.parsing.query_inside import query_inside
from inlay.parsing.quoting import quoted
from inlay.parsing.statement import Call
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.evaluation import is_literal
from inlay.planner.keyed import KEY
from inlay.planner.lookups import VALUE

UNBOUND = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException, duckdb.NotImplementedException)


_STRUCTS: dict[str, pa.DataType] = {}
"""What DuckDB has made of the structures of typed calls, for tables without rows."""

_LITERALS: dict[str, dict[str, Any]] = {}
"""The values of settings that are written as literals, by their text."""


@dataclass(frozen=True)
class Queries:
    """tables: variables that a query may name as tables; answers are added to them. parameters: of the statement, by
    name. around: what the connection says of itself. structure: of a typed call, see Binding.structure(). examples:
    rows of the relations that calls name as their examples."""

    con: duckdb.DuckDBPyConnection
    tables: dict[str, Any]
    parameters: Any
    around: Surroundings
    structure: Callable[[FunctionSpec, Any], str]
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def in_transaction(self) -> bool:
        """Whether what does not bind would end a transaction of the user's."""
        return self.around.in_transaction

    def run(self, sql: str, method: str = "sql") -> Any:
        """Raises BinderException, with the transaction alive, for a query that does not bind."""
        if self.in_transaction and (reason := self.refusal(sql)) is not None:
            raise duckdb.BinderException(reason)
        return with_tables(self.con, sql, self.tables, self.parameters, method)

    def row(self, sql: str) -> tuple[Any, ...]:
        """The first row of a query, which is bound once for it and not twice as a relation is."""
        found: tuple[Any, ...] = self.run(sql, "execute").fetchall()[0]
        return found

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Of a query that always binds."""
        rows: list[tuple[Any, ...]] = self.con.execute(sql).fetchall()
        return rows

    def refusal(self, sql: str, tables: Mapping[str, Any] | None = None) -> str | None:
        """Why DuckDB does not bind a statement, or why that cannot be told. tables: instead of these."""
        return refusal(self.con, sql, self.tables if tables is None else tables, self.parameters)

    def binds(self, sql: str, tables: Mapping[str, Any] | None = None, *, gives_rows: bool | None = None) -> bool:
        """Whether DuckDB is known to bind a statement. A relation is made of a query where that ends no transaction: it
        takes less than to learn why not. tables: as of refusal(). gives_rows: whether it is a query, where that is
        known: to tell takes the words of a long text."""
        gives_rows = is_query(sql) if gives_rows is None else gives_rows
        # DuckDB asks for the values of PIVOT's columns, and takes parameters of a relation that runs at once.
        if self.in_transaction or self.parameters or not gives_rows or "pivot" in sql.lower():
            return self.refusal(sql, tables) is None
        # A relation runs at once if a macro or a view in it advances a sequence: of no row here.
        no_rows = f"SELECT * FROM ({sql}\n) LIMIT 0"
        try:
            with_tables(self.con, no_rows, self.tables if tables is None else tables, None)
        except duckdb.InterruptException:
            raise
        except duckdb.Error:
            return False
        return True

    def accepts(self, sql: str, tables: Mapping[str, Any] | None = None, *, gives_rows: bool | None = None) -> bool:
        """Whether DuckDB binds a statement. Outside a transaction EXPLAIN is asked where the other way cannot tell.
        gives_rows: as of binds()."""
        if self.binds(sql, tables, gives_rows=gives_rows):
            return True
        if self.in_transaction:
            return False
        try:
            with_tables(self.con, f"EXPLAIN {sql}", self.tables if tables is None else tables, self.parameters)
        except duckdb.InterruptException:
            raise
        except duckdb.Error:
            return False
        return True

    def shape(self, sql: str, *, gives_rows: bool) -> list[tuple[str, str]]:
        """Names and types of the columns of a query, or of that inside a statement of another kind, which gives no rows
        by itself. Raises Unplannable where DuckDB does not bind the statement."""
        try:
            if not gives_rows:
                self.run(f"EXPLAIN {sql}")
                with contextlib.suppress(Unplannable, duckdb.Error):
                    inside = query_inside(sql)
                    return self.shape(inside.query, gives_rows=True) if inside and inside.query else []
                return []
            if _advances(sql):
                return [(name, kind) for name, kind, *_ in self.run(f"DESCRIBE {sql}", "execute").fetchall()]
            relation = self.run(sql)
        except UNBOUND as error:
            raise Unplannable(reasons.not_bound(first_line(error))) from None
        return list(zip(relation.columns, map(str, relation.types), strict=True))

    def settings(self, call: Call) -> tuple[Any, dict[str, Any], int | None]:
        """Labels, options by name, and the connection's number, as the function would be told."""
        given = call.settings
        options = self._values(given) if given else {}
        labels = options.pop(call.spec.setting, None) if call.spec.setting else None
        options = {**named_options(call.spec, options), "node": self.around.node}
        if isinstance(relation := options.get("examples"), str):
            options["examples"] = self._example_rows(call.spec.name, relation)
        return labels, options, self.around.connection

    def _example_rows(self, function: str, relation: str) -> list[dict[str, Any]]:
        """Raises ConfigError for a relation that DuckDB does not read, or without the columns text and label."""
        if relation not in self.examples:
            source, _ = source_of(relation)
            sql = (
                f'SELECT DISTINCT "text"::VARCHAR AS "text", label FROM {source} AS _rows WHERE label IS NOT NULL AND '
            )
            try:
                read = self.run(f"{sql}trim(\"text\"::VARCHAR) <> ''")
                self.examples[relation] = relation_table(read).to_pylist()
            except duckdb.InterruptException:
                raise
            except duckdb.Error as error:
                raise ConfigError(
                    f"{function}: examples is {relation!r}; it must be a relation with the columns text and label, or "
                    f"a query that gives them: 'select body as text, topic as label from …'. {first_line(error)}"
                ) from None
        return self.examples[relation]

    def _values(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Of expressions that are the same for every row, by name; literals are so for every statement."""
        columns = ", ".join(f"{text} AS {quoted(name)}" for name, text in given.items())
        if columns in _LITERALS:
            return copy.deepcopy(_LITERALS[columns])
        try:
            relation = self.run(f"SELECT {columns}")
        except UNBOUND as error:
            raise Unplannable(reasons.settings_not_read(first_line(error))) from None
        values: dict[str, Any] = relation_table(relation).to_pylist()[0]
        if all(map(is_literal, given.values())):
            if len(_LITERALS) >= 1_000:
                _LITERALS.clear()
            _LITERALS[columns] = copy.deepcopy(values)
        return values

    def typed(self, call: Call, labels: Any, table: pa.Table) -> pa.Table:
        """Answers as the call gives them: JSON as the STRUCT that its macro makes of it."""
        if not call.spec.typed or call.detail:
            return table
        structure = self.structure(call.spec, labels).replace("'", "''")
        if not len(table) and structure in _STRUCTS:
            return table.set_column(table.num_columns - 1, VALUE, pa.nulls(0, _STRUCTS[structure]))
        columns = "".join(f"{name}, " for name in table.column_names if name.startswith(KEY))
        sql = f"SELECT {columns}{{'v': from_json({VALUE}.v::VARCHAR, '{structure}')}} AS {VALUE} FROM _inlay_untyped"
        relation = with_tables(self.con, sql, {"_inlay_untyped": table}, None)
        made = relation_table(relation)
        _STRUCTS[structure] = made.schema.field(VALUE).type
        return made


def _advances(sql: str) -> bool:
    """Whether a query may advance a sequence: DuckDB runs it at once where a relation is made of it."""
    return "nextval" in sql.lower()


def first_line(error: Exception | None) -> str:
    return str(error).split("\n")[0]
