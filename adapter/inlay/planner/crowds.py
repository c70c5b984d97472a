"""Statements with many calls: which of them are better not looked up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sqlglot import exp

from inlay.parsing.statement import Statement

MOST_LOOKUPS = 8
"""Of one SELECT, with what it reads. DuckDB plans 10 of them in 30 ms, 20 in 100 ms and 40 in 1,300 ms; a call that was
answered ahead takes 0.5 ms for each chunk of rows."""


def crowded(statement: Statement, stages: Iterable[int]) -> set[int]:
    """The calls that come after as many others as DuckDB plans quickly as lookups."""
    n_before: Counter[int] = Counter()
    found = set()
    for number in stages:
        outermost = id(_outermost(statement.node(number)))
        n_before[outermost] += 1
        if n_before[outermost] > MOST_LOOKUPS:
            found.add(number)
    return found


def _outermost(node: exp.Expr) -> exp.Expr:
    """The SELECT around all others that a call's answer goes through. DuckDB plans sides of a UNION one by one."""
    found = node
    while node.parent is not None and not isinstance(node.parent, exp.SetOperation):
        node = node.parent
        found = node if isinstance(node, exp.Select | exp.Values) else found
    return found
