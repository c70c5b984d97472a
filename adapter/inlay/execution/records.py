"""Rows of the ledger and of the list of failed inputs, and what a call did, added up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

EXCERPT = 200
"""Characters of an input that are shown."""


@dataclass(frozen=True)
class RowError:
    """One input that got no answer. `input` is an excerpt of it."""

    function: str
    model: str
    input: str
    error: str


@dataclass(frozen=True)
class Unsure:
    """One input whose answer was not sure enough. call: as of call_text(). answer: the likeliest, and its
    confidence."""

    node: str
    function: str
    model: str
    call: str
    inputs: tuple[str, ...]
    answer: str | None
    confidence: float | None


@dataclass(frozen=True)
class LedgerRow:
    """What one call of one statement did. rows counts every row that reached the function, NULL inputs too. blank: of
    these, rows that no model was asked about since their text is blank. unsure: inputs whose answer was not sure enough
    for the call's accuracy, and is NULL. repaired:
    replies that were not quite what was asked for, and could be read in one way alone.
    tokens: read by the model. output_tokens: written by it."""

    statement: int
    function: str
    model: str
    rows: int
    distinct_inputs: int
    known: int
    inferred: int
    failed: int
    truncated: int
    blank: int
    unsure: int
    repaired: int
    tokens: int
    output_tokens: int
    seconds: float
    device: str
    node: str
    cost: float


@dataclass(frozen=True)
class CallWork:
    """What one call asks. rows reach it; of its distinct inputs some are known, the others are inferred or fail. NULL
    is among the rows alone."""

    rows: int = 0
    distinct: int = 0
    known: int = 0
    to_infer: int = 0
    failed: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: CallWork) -> CallWork:
        return CallWork(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def __sub__(self, other: CallWork) -> CallWork:
        return CallWork(*(a - b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    @classmethod
    def of(cls, rows: Iterable[LedgerRow]) -> CallWork:
        total = cls()
        for row in rows:
            counts = row.rows, row.distinct_inputs, row.known, row.inferred, row.failed, row.tokens
            total += cls(*counts, row.seconds)
        return total
