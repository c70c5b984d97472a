"""Calls about several columns that are made as rows come: a text in the place of each row, see
parsing/named_columns.py. Statements that are written out have it made by DuckDB: planner/row_calls.py."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from inlay.arrays import column_of, joined, relation_table
from inlay.errors import ConfigError
from inlay.functions.spec import FunctionSpec
from inlay.parsing.named_columns import NotNamedError, before_each, named_by, names_columns


def with_texts_of_rows(spec: FunctionSpec, arguments: list[pa.Array]) -> list[pa.Array]:
    """The same with a text and a statement in the place of a row and of a statement that names its columns, whichever
    stands first. Raises ConfigError for a statement that names what the row has not."""
    is_row = [pa.types.is_struct(array.type) for array in arguments]
    if is_row not in ([True, False], [False, True]):
        return arguments
    rows, statements = arguments[is_row.index(True)], arguments[is_row.index(False)].cast(pa.string())
    each_once = [statement for statement in statements.unique().to_pylist() if statement is not None]
    if is_row[0] and not any(map(names_columns, each_once)):
        return arguments  # it is about the row's JSON
    n = len(rows)
    texts = asked = pa.nulls(n, pa.string())
    columns = dict(zip([field.name for field in rows.type], rows.flatten(), strict=True))
    for statement in each_once:
        try:
            names, without = named_by(statement, list(columns))
        except NotNamedError as error:
            raise ConfigError(f"{spec.name}: {error}") from None
        parts = []
        for before, name in zip(before_each(names), names, strict=True):
            parts += [column_of([before] * n, pa.string()), _as_texts(columns[name])]
        empty = column_of([""] * n, pa.string())
        made = pc.binary_join_element_wise(*parts, empty, null_handling="emit_null")
        here = pc.equal(statements, column_of([statement] * n, pa.string()))
        texts = pc.if_else(here, made, texts)
        asked = pc.if_else(here, column_of([without] * n, pa.string()), asked)
    return [texts, asked]


def _as_texts(column: pa.Array) -> pa.Array:
    """As DuckDB casts them: of fractions, times and lists Arrow has other texts."""
    kind = column.type
    if pa.types.is_null(kind) or pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.string())
    with duckdb.connect() as con:
        return joined(relation_table(con.from_arrow(pa.table({"v": column})).project("v::VARCHAR AS v"))["v"])
