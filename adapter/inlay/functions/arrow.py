"""Answers to Arrow: columns of what a call answers, the value alone for ai_x, a struct for try_ai_x."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from inlay.arrays import Bools, vector_array
from inlay.functions.arrow_types import arrow_type
from inlay.functions.contract import Answers
from inlay.functions.spec import FunctionSpec

_SCORES = arrow_type("MAP(VARCHAR, DOUBLE)")


def answer_schema(spec: FunctionSpec) -> pa.Schema:
    """value, confidence and, where the definition has them, scores: what is stored of an answer."""
    fields = [("value", arrow_type(spec.returns)), ("confidence", pa.float64())]
    return pa.schema(fields + ([("scores", _SCORES)] if spec.scores else []))


def answer_table(answers: Answers, spec: FunctionSpec) -> pa.Table:
    """One row per answered input, NULL where it failed, in the columns of answer_schema()."""
    n = len(answers.values)
    columns = [_values(answers, spec.returns), pa.array(answers.confidence or [None] * n, type=pa.float64())]
    if spec.scores:
        columns.append(_scores(answers, n))
    return pa.table(columns, schema=answer_schema(spec))


def value_array(table: pa.Table) -> pa.Array:
    return _joined(table["value"])


def detail_array(table: pa.Table, errors: Mapping[int, str], model: str | pa.Array, known: Bools) -> pa.Array:
    """STRUCT(value, error, confidence[, scores], model, cached), in the order of the definition's type.

    model: of all, or the one that decided each.
    """
    n = len(table)
    fields = {
        "value": value_array(table),
        "error": pa.array([errors.get(i) for i in range(n)], type=pa.string()),
        **{name: _joined(table[name]) for name in table.column_names if name != "value"},
        "model": pa.array([model] * n, type=pa.string()) if isinstance(model, str) else model,
        "cached": pa.array(known),
    }
    return pa.StructArray.from_arrays(list(fields.values()), names=list(fields))


def _joined(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.nulls(0, column.type)])


def _values(answers: Answers, returns: str) -> pa.Array:
    if not isinstance(answers.values, np.ndarray):
        return pa.array(answers.values, type=arrow_type(returns))
    mask = np.zeros(len(answers.values), dtype=np.bool_)
    mask[list(answers.errors)] = True
    return vector_array(answers.values, mask)


def _scores(answers: Answers, n: int) -> pa.Array:
    k = len(answers.labels)
    if answers.scores is None or not k:
        return pa.nulls(n, _SCORES)
    # A row that failed holds no entries: from_arrays() gives those of a NULL offset to the row before it.
    failed = np.zeros(n + 1, dtype=np.bool_)
    failed[list(answers.errors)] = True
    good = ~failed[:n]
    offsets = np.concatenate([[0], np.cumsum(good * k)]).astype(np.int32)
    return pa.MapArray.from_arrays(
        pa.array(offsets, mask=failed),
        pa.array(answers.labels, type=pa.string()).take(pa.array(np.tile(np.arange(k), int(good.sum())))),
        pa.array(answers.scores[good].reshape(-1).astype(np.float64)),
    )
