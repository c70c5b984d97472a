"""The tables inlay_models(), inlay_ledger() and others, as functions that DuckDB calls.

A column is declared once. Tables over what a run keeps have the columns of the store's account, or of the ledger's
rows; from each Arrow schema the SQL type is written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from inlay.arrays import numbers_array
from inlay.client import inspection
from inlay.client.sessions import attached_session
from inlay.execution.records import LedgerRow
from inlay.execution.session import Session
from inlay.store.account import CERTIFICATES_SCHEMA, ERRORS_SCHEMA, LEDGER_SCHEMA, table_of_rows

_SQL_TYPES = {
    pa.string(): "VARCHAR", pa.int32(): "INTEGER", pa.int64(): "BIGINT", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table of one session. Its macro calls the function, which returns all rows as one list of structs."""

    name: str
    schema: pa.Schema
    rows: Callable[[Session], list[dict[str, Any]]]

    @property
    def function(self) -> str:
        return f"_{self.name}"

    @property
    def returns(self) -> str:
        columns = ", ".join(f'"{field.name}" {_SQL_TYPES[field.type]}' for field in self.schema)
        return f"STRUCT({columns})[]"

    def of_session(self, number: int) -> Callable[..., pa.Array]:
        """What DuckDB calls: the same list for every row of its argument."""

        def table(*args: pa.ChunkedArray) -> pa.Array:
            rows = self.rows(attached_session(number, self.name))
            structs = table_of_rows(rows, self.schema).to_struct_array().combine_chunks()
            n_lists = len(args[0])
            ends = np.arange(n_lists + 1, dtype=np.int64) * len(structs)
            return pa.ListArray.from_arrays(numbers_array(ends).cast(pa.int32()), pa.concat_arrays([structs] * n_lists))

        return table


def _texts(names: str) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in names.split()])


_MODELS = pa.schema(
    [
        *_texts("model task source backend"), ("width", pa.int32()), ("max_tokens", pa.int32()),
        *_texts("fingerprint device status"), ("is_default", pa.bool_()),
    ]
)  # fmt: skip
_LEDGER = pa.schema([LEDGER_SCHEMA.field(column.name) for column in dataclasses.fields(LedgerRow)])
_FAILURES = [ERRORS_SCHEMA.field(name) for name in ("run", "failed_at", "node", "function", "model")]
_CERTIFICATES = pa.schema([column for column in CERTIFICATES_SCHEMA if column.name != "invocation"])

TABLES = (
    Table("inlay_models", _MODELS, inspection.models),
    Table("inlay_functions", _texts("name signature returns summary nulls cost example"), inspection.functions),
    Table("inlay_errors", _texts("function model input error"), inspection.errors),
    Table("inlay_ledger", _LEDGER, inspection.ledger),
    Table("inlay_history", LEDGER_SCHEMA, inspection.history),
    Table("inlay_failures", pa.schema([*_FAILURES, *_texts("input error")]), inspection.failures),
    Table("inlay_certificates", _CERTIFICATES, inspection.certificates),
)
