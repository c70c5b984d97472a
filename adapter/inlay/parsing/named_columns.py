"""A statement about several columns: ai_filter('{a} and {b} are the same product', {'a': x, 'b': y}).

The columns that the statement names become one text, in the order in which it names them, and the statement names them
without the braces; then it is a call like any other. `{{` and `}}` are braces that are meant. A NULL among the columns
that are named is NULL, others do not count. Planned statements have the text made by DuckDB (planner/row_calls.py), and
a call that is made as rows come by text_of_columns(): both give the same text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

FUNCTIONS = ("ai_filter",)
"""Those that take such a statement."""


class NotNamedError(Exception):
    """Why a statement does not name the columns of a row; its text is for the user."""


def named_by(statement: str, columns: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """(the columns that a statement names, each once, in that order; the statement without its braces). Raises
    NotNamedError for a name that no column has, for no name at all and for a brace that stands alone."""
    known = f"it has {', '.join(columns)}"
    names: dict[str, None] = {}

    def spelled(found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        if found[1] is None:
            raise NotNamedError(
                f"{statement!r} has a brace that stands alone. A column is named in two, {{name}}; a brace "
                "that is meant is doubled: {{ and }}."
            )
        if found[1] not in columns:
            raise NotNamedError(f"{statement!r} names {found[1]!r}, which the row has not; {known}.")
        names[found[1]] = None
        return found[1]

    without = _BRACES.sub(spelled, statement)
    if not names:
        raise NotNamedError(f"{statement!r} names no column of the row; {known}. Name them in braces.")
    return tuple(names), without


def names_columns(statement: str) -> bool:
    """Whether a text has a name in braces. Of a row in the place of the text, what is not about its columns is about
    its JSON."""
    return any(found[1] is not None for found in _BRACES.finditer(statement))


def before_each(names: Sequence[str]) -> list[str]:
    """What stands before the value of each column."""
    return [f"{'' if i == 0 else chr(10)}{name}: " for i, name in enumerate(names)]
