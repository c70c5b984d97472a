"""Answers to Arrow: columns of what a call answers, the value alone for ai_x, a struct for try_ai_x."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from inlay.arrays import Bools, Numbers, column_of, flags_array, joined, numbers_array, offsets_of, vector_array
from inlay.functions.arrow_types import arrow_type
from inlay.functions.contract import Answers
from inlay.functions.spec import FunctionSpec

_SCORES = arrow_type("MAP(VARCHAR, DOUBLE)")


def answer_schema(spec: FunctionSpec, *, is_silent: bool = False) -> pa.Schema:
    """value, confidence and, where the definition has them, scores: what is stored of an answer. is_silent: whether it
    may be NULL since it is not sure enough; then the scores are kept of any function, for what it would have been."""
    fields = [("value", arrow_type(spec.returns)), ("confidence", pa.float64())]
    return pa.schema(fields + ([("scores", _SCORES)] if spec.scores or is_silent else []))


def answer_table(answers: Answers, spec: FunctionSpec, *, is_silent: bool = False) -> pa.Table:
    """One row per answered input, NULL where it failed, in the columns of answer_schema()."""
    n = len(answers.values)
    schema = answer_schema(spec, is_silent=is_silent)
    confidence = column_of(answers.confidence, pa.float64()) if answers.confidence else pa.nulls(n, pa.float64())
    columns = [_values(answers, spec.returns), confidence]
    if "scores" in schema.names:
        columns.append(_scores(answers, n))
    return pa.table(columns, schema=schema)


def value_array(table: pa.Table) -> pa.Array:
    return joined(table["value"])


def detail_array(table: pa.Table, errors: Mapping[int, str], model: str | pa.Array, known: Bools) -> pa.Array:
    """STRUCT(value, error, confidence[, scores], model, cached), in the order of the definition's type.

    model: of all, or the one that decided each.
    """
    n = len(table)
    fields = {
        "value": value_array(table),
        "error": column_of([errors.get(i) for i in range(n)], pa.string()),
        **{name: joined(table[name]) for name in table.column_names if name != "value"},
        "model": column_of([model] * n, pa.string()) if isinstance(model, str) else model,
        "cached": flags_array(known),
    }
    return pa.StructArray.from_arrays(list(fields.values()), names=list(fields))


def _values(answers: Answers, returns: str) -> pa.Array:
    if not isinstance(answers.values, np.ndarray):
        return column_of(answers.values, arrow_type(returns))
    mask = np.zeros(len(answers.values), dtype=np.bool_)
    mask[list(answers.errors)] = True
    return vector_array(answers.values, mask)


def _scores(answers: Answers, n: int) -> pa.Array:
    k = len(answers.labels)
    if answers.scores is None or not k:
        return pa.nulls(n, _SCORES)
    good = np.ones(n, dtype=np.bool_)
    good[list(answers.errors)] = False
    numbers: Numbers = np.ascontiguousarray(answers.scores[good], dtype=np.float64).reshape(-1)
    names = column_of(answers.labels, pa.string()).take(numbers_array(np.tile(np.arange(k), int(good.sum()))))
    scores = pa.Array.from_buffers(pa.float64(), len(numbers), [None, pa.py_buffer(numbers)])
    # A row that failed holds no entries.
    ends = pa.py_buffer(offsets_of(good * k).astype(np.int32))
    entries = pa.StructArray.from_arrays([names, scores], fields=[_SCORES.key_field, _SCORES.item_field])
    mask = None if good.all() else flags_array(good).buffers()[1]
    return pa.Array.from_buffers(_SCORES, n, [mask, ends], children=[entries])
