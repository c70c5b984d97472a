"""The tables inlay_models(), inlay_ledger() and others, as functions that DuckDB calls.

A column is declared once. Tables over what a run keeps have the columns of the store's account, or of the ledger's
rows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inlay.client import inspection
from inlay.client.sessions import attached_session
from inlay.execution.records import LedgerRow
from inlay.execution.session import Session
from inlay.store.account_columns import (
    CERTIFICATES_COLUMNS,
    ERRORS_COLUMNS,
    LEDGER_COLUMNS,
    Columns,
    numbers,
    texts,
    whole_numbers,
)

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Table:
    """A table of one session. Its macro calls the function, which returns all rows as one list of structs."""

    name: str
    columns: Columns
    rows: Callable[[Session], list[dict[str, Any]]]

    @property
    def function(self) -> str:
        return f"_{self.name}"

    @property
    def returns(self) -> str:
        columns = ", ".join(f'"{name}" {sql_type}' for name, sql_type in self.columns.items())
        return f"STRUCT({columns})[]"

    def of_session(self, number: int) -> Callable[..., pa.Array]:
        """What DuckDB calls: the same list for every row of its argument."""

        def table(*args: Any) -> Any:
            import numpy as np
            import pyarrow as pa

            from inlay.arrays import numbers_array
            from inlay.store.account import table_of_rows

            rows = self.rows(attached_session(number, self.name))
            held = table_of_rows(rows, self.columns)
            # Table.to_struct_array() of pyarrow 19 takes no table without rows.
            columns = [column.combine_chunks() for column in held.columns]
            structs = pa.StructArray.from_arrays(columns, fields=list(held.schema))
            n_lists = len(args[0])
            ends = np.arange(n_lists + 1, dtype=np.int64) * len(structs)
            return pa.ListArray.from_arrays(numbers_array(ends).cast(pa.int32()), pa.concat_arrays([structs] * n_lists))

        return table


_MODELS = {
    **texts("model task source backend"),
    "width": "INTEGER",
    "max_tokens": "INTEGER",
    **texts("fingerprint device"),
    **numbers("loaded_mb"),
    "status": "VARCHAR",
    "is_default": "BOOLEAN",
}
_HEADS = {
    **texts("head version kind method base answer trained_at"),
    **whole_numbers("rows left_out classes"),
    **numbers(" ".join(inspection.MEASURES)),
}
_RISK = {**texts("head version"), **whole_numbers("answered"), **numbers("coverage accuracy confidence")}
_REVIEW = {**texts("function model node input answer"), **numbers("confidence"), **texts("error at run")}
_LEDGER = {column.name: LEDGER_COLUMNS[column.name] for column in dataclasses.fields(LedgerRow)}
_FAILURES = {name: ERRORS_COLUMNS[name] for name in ("run", "failed_at", "node", "function", "model")}
_CERTIFICATES = {name: kind for name, kind in CERTIFICATES_COLUMNS.items() if name != "invocation"}

TABLES = (
    Table("inlay_models", _MODELS, inspection.models),
    Table("inlay_functions", texts("name signature returns summary nulls cost example"), inspection.functions),
    Table("inlay_errors", texts("function model input error"), inspection.errors),
    Table("inlay_unsure", {**texts("function model input answer"), **numbers("confidence")}, inspection.unsure),
    Table("inlay_review", _REVIEW, inspection.review),
    Table("inlay_heads", _HEADS, inspection.heads),
    Table("inlay_risk", _RISK, inspection.risk),
    Table("inlay_ledger", _LEDGER, inspection.ledger),
    Table("inlay_history", LEDGER_COLUMNS, inspection.history),
    Table("inlay_failures", {**_FAILURES, **texts("input error")}, inspection.failures),
    Table("inlay_certificates", _CERTIFICATES, inspection.certificates),
)
