"""The vectors of both sides of a call whose answers are made of cosines: of its distinct texts, not of their pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from inlay.arrays import Floats
from inlay.execution.answering import Rows, report
from inlay.execution.binding import BoundCall
from inlay.execution.context import Context
from inlay.functions.contract import PENDING, Ask, Closeness
from inlay.store.inputs import distinct_inputs

# Texts whose vectors are asked for at once; a killed process has lost no more.
VECTORS_AT_A_TIME = 8_192


@dataclass(frozen=True)
class Side:
    """rows: a unit vector for each distinct text. errors: by place, why there is none. pending: whether a model was
    asked for all of them."""

    rows: Floats
    errors: dict[int, str]
    pending: bool


def side_vectors(
    context: Context, call: BoundCall, closeness: Closeness, sides: tuple[pa.Array, pa.Array], rows: Rows, n_blank: int
) -> list[Side]:
    """In the ledger the texts are the inputs, not the pairs of them. A text that got no answer is listed once, with the
    first of the other side. sides: of each row value the distinct texts, without NULL and
    blanks, of which there were n_blank."""
    n_texts = n_blank + sum(map(len, sides))
    found: list[Side] = []
    context.progress.expect(n_texts)
    with context.entry(rows.statement, call.spec.name, call.model, call.text, n_texts, rows.node) as entry:
        context.ledger.blank(entry, n_blank)
        for texts, purpose in zip(sides, closeness.purposes, strict=True):
            inputs = distinct_inputs([texts], are_distinct=True)
            parts = [np.zeros((0, call.model.width), dtype=np.float32)]
            errors: dict[int, str] = {}
            for start in range(0, len(inputs), VECTORS_AT_A_TIME):
                part = inputs.slice(start, VECTORS_AT_A_TIME)
                with context.progress.working(f"{call.spec.name} {call.model.name}", len(part)) as on_progress:
                    ask = Ask(call.model, context.work(entry, on_progress))
                    vectors = ask.vectors(part, purpose)
                failed = {place: reason for place, reason in vectors.errors.items() if reason != PENDING}
                context.ledger.count(entry, part.keys, vectors.known, failed, ask.usage, call.model)
                parts.append(vectors.rows)
                errors.update({start + place: reason for place, reason in vectors.errors.items()})
            pending = PENDING in errors.values()
            found.append(Side(np.concatenate(parts), errors, pending))
    if not any(side.pending for side in found):
        _report_texts(context, call, sides, found, rows.node)
    return found


def _report_texts(
    context: Context, call: BoundCall, sides: tuple[pa.Array, pa.Array], found: Sequence[Side], node: str
) -> None:
    failed = [
        ((place, 0) if number == 0 else (0, place), reason)
        for number, side in enumerate(found)
        for place, reason in sorted(side.errors.items())
    ]
    if failed and all(map(len, sides)):
        pairs = [side.take(pa.array([places[k] for places, _ in failed])) for k, side in enumerate(sides)]
        errors = {place: reason for place, (_, reason) in enumerate(failed)}
        report(context, call, distinct_inputs(pairs, call.codecs, are_distinct=True), errors, node, "null")
