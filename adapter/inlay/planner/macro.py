"""A macro of the user's, as DuckDB keeps it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Macro:
    """One macro as DuckDB keeps it. body: an expression, or of a table macro a query."""

    parameters: tuple[str, ...]
    body: str
    is_table: bool
