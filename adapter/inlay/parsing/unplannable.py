"""Why a statement, or a call, is not planned, where its text alone decides. Other reasons: planner/reasons.py."""

from __future__ import annotations


class Unplannable(Exception):
    """Why a statement, or a call, is left to DuckDB as it is written. The text is for `explain`."""


NAME_TOO_SHORT = "the function's name is too short for the planner to mark it"
READ_OTHERWISE = "sqlglot does not read it as a function call"
STATEMENT_KIND = "sqlglot does not read statements of this kind"


def not_read(error: str) -> str:
    return f"sqlglot does not read the statement: {error}"


def holds_mark(character: str) -> str:
    return f"it contains the character {character!r}, which the planner uses for itself"


def too_many_arguments(name: str) -> str:
    return f"{name} has more arguments than it takes"


def empty_argument(name: str) -> str:
    return f"{name} has an empty argument"
