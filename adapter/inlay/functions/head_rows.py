"""What a trained head reads of rows: from texts, or rows as JSON, to features and to the head's numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inlay.arrays import Floats
from inlay.backends.heads import load_head
from inlay.engine.resolve import Resolved
from inlay.models.head_card import Columns, Numeric
from inlay.store.inputs import Inputs, text_inputs

if TYPE_CHECKING:
    from inlay.functions.contract import Ask

# A number far from all labelled ones says no more than one at their edge, in standard deviations.
_FAR = 5.0


@dataclass
class Read:
    """Rows taken apart. texts: of each text column, one per row; '' where it is NULL. others: [n, …] numbers and
    values. errors: by place, why a row cannot be read."""

    texts: list[Inputs]
    others: Floats
    errors: dict[int, str]


def features(read: Read, ask: Ask) -> Resolved:
    """[n, …]: the vector of each text, then the rest. ask: of the embedding model. A text of nothing has zeros."""
    parts: list[Floats] = []
    errors = dict(read.errors)
    n = len(read.others)
    known = np.ones(n, dtype=np.bool_)
    for texts in read.texts:
        places = np.array([i for i, text in enumerate(texts.values()) if text.strip()], dtype=np.int64)
        rows = np.zeros((n, ask.model.width), dtype=np.float32)
        if len(places):
            outcome = ask.vectors(texts if len(places) == n else texts.take(places))
            rows[places] = outcome.rows
            known[places] &= outcome.known
            errors |= {int(places[i]): reason for i, reason in outcome.errors.items()}
        parts.append(rows)
    rows = np.concatenate([*parts, read.others], axis=1) if len(parts) > 1 or read.others.shape[1] else parts[0]
    return Resolved(rows, errors, known, np.zeros(n, dtype=np.bool_), ask.usage)


def numbers_by_head(inputs: Inputs, ask: Ask, base: Ask) -> Resolved:
    """What the head of `ask` computes of each input; base: asks the model whose vectors it reads."""
    head = load_head(ask.model)
    outcome = features(read_rows(head.card.columns, inputs), base)
    outcome.rows = head.numbers(outcome.rows)
    return outcome


def read_rows(columns: Columns, inputs: Inputs) -> Read:
    if columns.is_plain_text:
        return Read([inputs.column(0)], np.zeros((len(inputs), 0), dtype=np.float32), {})
    rows, errors = [], {}
    for place, text in enumerate(inputs.values()):
        row, reason = _row(columns, text)
        rows.append(row)
        if reason:
            errors[place] = reason
    return of_rows(columns, rows, errors)


def of_rows(columns: Columns, rows: Sequence[dict[str, Any]], errors: dict[int, str] | None = None) -> Read:
    """Of rows as mappings. A number that is missing counts as the mean, a value that no labelled row had as none."""
    texts = [text_inputs([_text(row.get(name)) for row in rows]) for name in columns.texts]
    blocks = [np.zeros((len(rows), 0), dtype=np.float32)]
    for numeric in columns.numeric:
        blocks.append(np.array([[_standardised(numeric, row.get(numeric.name))] for row in rows], dtype=np.float32))
    for categorical in columns.categorical:
        places = {value: place for place, value in enumerate(categorical.values)}
        block = np.zeros((len(rows), len(places)), dtype=np.float32)
        for i, row in enumerate(rows):
            if (place := places.get(_text(row.get(categorical.name)))) is not None:
                block[i, place] = 1
        blocks.append(block)
    return Read(texts, np.concatenate([block.reshape(len(rows), -1) for block in blocks], axis=1), errors or {})


def _row(columns: Columns, text: str) -> tuple[dict[str, Any], str]:
    named = [*columns.texts, *(c.name for c in columns.numeric), *(c.name for c in columns.categorical)]
    example = ", ".join(f"'{name}': {name}" for name in named)
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        row = None
    if not isinstance(row, dict):
        return {}, f"the head reads a row with {', '.join(named)}; give it as {{{example}}}"
    absent = [name for name in named if name not in row]
    return row, f"the row has no {absent[0]!r}; the head reads {{{example}}}" if absent else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _standardised(column: Numeric, value: Any) -> float:
    try:
        number = (float(value) - column.mean) / column.deviation
    except (TypeError, ValueError):
        return 0.0
    return min(max(number, -_FAR), _FAR) if number == number else 0.0
