"""Answers to Arrow: the value alone for ai_x, a struct with error, confidence and scores for try_ai_x."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from inlay.functions.contract import Answers

# The SQL types that a definition may return, as DuckDB reads them from Arrow.
_TYPES: dict[str, pa.DataType] = {
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "BOOLEAN": pa.bool_(),
    "DOUBLE": pa.float64(),
    "INTEGER": pa.int32(),
    "FLOAT[]": pa.list_(pa.float32()),
}


def values_array(answers: Answers, returns: str) -> pa.Array:
    """One value per answered row, of the SQL type `returns`; failed rows are NULL."""
    if not isinstance(answers.values, np.ndarray):
        return pa.array(answers.values, type=_TYPES[returns])
    n, width = answers.values.shape
    flat = pa.array(np.ascontiguousarray(answers.values).reshape(-1), type=pa.float32())
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * np.int32(width))
    mask = np.zeros(n, dtype=np.bool_)
    mask[list(answers.errors)] = True
    return pa.ListArray.from_arrays(offsets, flat, mask=pa.array(mask) if mask.any() else None)


def detail_array(answers: Answers, returns: str, model: str, with_scores: bool) -> pa.Array:
    """STRUCT(value, error, confidence[, scores], model, cached), in the order of the definition's type."""
    value = values_array(answers, returns)
    n = len(value)
    confidence = answers.confidence if answers.confidence is not None else [None] * n
    fields: dict[str, pa.Array] = {
        "value": value,
        "error": pa.array([answers.errors.get(i) for i in range(n)], type=pa.string()),
        "confidence": pa.array(confidence, type=pa.float64()),
    }
    if with_scores:
        fields["scores"] = _scores_array(answers, n)
    fields["model"] = pa.array([model] * n, type=pa.string())
    fields["cached"] = pa.array(answers.known.tolist(), type=pa.bool_())
    return pa.StructArray.from_arrays(list(fields.values()), names=list(fields))


def _scores_array(answers: Answers, n: int) -> pa.Array:
    k = len(answers.labels)
    if answers.scores is None or not k:
        return pa.nulls(n, pa.map_(pa.string(), pa.float64()))
    rows: list[Any] = [
        None if i in answers.errors else list(zip(answers.labels, map(float, answers.scores[i]), strict=True))
        for i in range(n)
    ]
    return pa.array(rows, type=pa.map_(pa.string(), pa.float64()))
