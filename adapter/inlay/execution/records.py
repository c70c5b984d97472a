"""Rows of the ledger and of the list of failed inputs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RowError:
    """One input that got no answer. `input` is an excerpt of at most 200 characters."""

    function: str
    model: str
    input: str
    error: str


@dataclass(frozen=True)
class LedgerRow:
    """What one call of one statement did. rows counts every row that reached the function, NULL inputs too.
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
    tokens: int
    output_tokens: int
    seconds: float
    device: str
    node: str
    cost: float
