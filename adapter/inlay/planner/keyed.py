"""The inputs of a call as columns of a query."""

from __future__ import annotations

from sqlglot import exp

from inlay.parsing.reading import parsed, written
from inlay.parsing.statement import Statement
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.aggregates import told
from inlay.planner.known import with_ctes

KEY = "_inlay_k"
"""Columns of a gathered input: _inlay_k0, _inlay_k1, … in the order of the call's row values."""

ROWS = "_inlay_n"
"""How many rows have the input."""

CORE = "_inlay_core"
"""What a query for inputs calls the rows that it makes distinct."""


def arguments_of(node: exp.Expr, statement: Statement, number: int) -> list[exp.Expr]:
    """The call's row values, as they stand in the tree; of an aggregate what it makes of those of a group."""
    call = statement.calls[number]
    found = [argument for argument in node.expressions if not isinstance(argument, exp.PropertyEQ | exp.Kwarg)]
    rows = [at for at, _ in enumerate(found) if at < len(call.spec.args) and not call.spec.args[at].is_setting]
    if len(rows) != len(call.texts):
        raise Unplannable(reasons.ARGUMENTS_READ_OTHERWISE)
    if call.gathers:
        texts = [written(argument) for argument in found]
        return [parsed(told(call, texts, at)) for at in rows]
    return [found[at] for at in rows]


def keyed(arguments: list[exp.Expr]) -> list[exp.Expr]:
    """Values as columns of a query for inputs."""
    return [exp.alias_(argument.copy(), f"{KEY}{i}", copy=False) for i, argument in enumerate(arguments)]


def distinct(made: exp.Select, place: exp.Select, n_keys: int, where: str = "") -> str:
    """The query around `made`, with the CTEs that can be seen at `place`."""
    if not made.expressions:
        raise Unplannable(reasons.NOTHING_SELECTED)
    with_ = made.args.pop("with_", None)
    body = written(made, copy=False)
    if with_ is not None:
        made.set("with_", with_)
    return with_ctes(place, each_once(body, n_keys, where))


def each_once(rows: str, n_keys: int, where: str = "") -> str:
    """The query for the distinct inputs among these rows."""
    keys = ", ".join(f"{KEY}{i}" for i in range(n_keys))
    return f"SELECT {keys}, {_COUNTED} FROM ({rows}) AS {CORE}{where}{_DISTINCT}"


_COUNTED, _DISTINCT = f"count(*) AS {ROWS}", " GROUP BY ALL"


def row_by_row(text: str) -> str | None:
    """The same for the inputs of each row; None of another query than each_once() writes."""
    rows = text.removesuffix(_DISTINCT).replace(_COUNTED, f"1 AS {ROWS}", 1)
    return None if rows == text or not text.endswith(_DISTINCT) else rows
