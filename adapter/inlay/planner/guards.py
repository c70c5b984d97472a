"""Conditions around a call without which DuckDB does not ask it, or its answer decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

from inlay.planner.evaluation import may_raise, operands


def guards_of(node: exp.Expr, is_known: Callable[[exp.Expr], bool]) -> Iterator[exp.Expr]:
    """What is known of a row that a call is asked of, inside AND, OR, CASE, if() and coalesce()."""
    for parts, guard in _around(node):
        if all(is_known(part) and not may_raise(part) for part in parts):
            copies = [part.copy() for part in parts]
            condition = copies[0] if len(copies) == 1 else exp.EQ(this=copies[0], expression=copies[1])
            yield guard(exp.paren(condition, copy=False))


def _is_true(condition: exp.Expr) -> exp.Expr:
    return condition


def _is_null(condition: exp.Expr) -> exp.Expr:
    return exp.Is(this=condition, expression=exp.null())


def _is_not_true(condition: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=condition, expression=exp.true()))


def _is_not_false(condition: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=condition, expression=exp.false()))


_Guard = tuple[list[exp.Expr], Callable[[exp.Expr], exp.Expr]]
"""A condition, or two values that are equal, and what of it is known."""


def _around(node: exp.Expr) -> Iterator[_Guard]:
    filters = _decides_rows(node)
    child, parent = node, node.parent
    while parent is not None and not isinstance(parent, exp.Query | exp.AggFunc | exp.Window):
        # Elsewhere DuckDB computes all that AND and OR join; what AND joins in a WHERE is a condition of its own.
        if filters and isinstance(parent, exp.Or | exp.And) and not _is_conjunct(parent):
            other = parent.right if child is parent.left else parent.left
            guard = _is_not_true if isinstance(parent, exp.Or) else _is_not_false
            for operand in operands(other, type(parent)):
                yield [operand], guard
        elif isinstance(parent, exp.Coalesce):
            for operand in (parent.this, *parent.expressions):
                if operand is child:
                    break
                yield [operand], _is_null
        elif isinstance(parent, exp.Case | exp.If) and child is not parent.this:
            yield from _tests(parent, child)
        child, parent = parent, parent.parent


def _is_conjunct(condition: exp.Expr) -> bool:
    while isinstance(condition, exp.And | exp.Paren) and condition.parent is not None:
        condition = condition.parent
    return isinstance(condition, exp.Where)


def _tests(parent: exp.Expr, child: exp.Expr) -> Iterator[_Guard]:
    """Of a part of CASE, its branches before it; of what a branch of CASE, or if(), gives, its condition."""
    if isinstance(parent, exp.Case):
        for branch in parent.args["ifs"]:
            if branch is child:
                return
            yield _test(branch), _is_not_true
    else:
        yield _test(parent), _is_true if child is parent.args["true"] else _is_not_true


def _decides_rows(node: exp.Expr) -> bool:
    """Whether a call is in a condition by which DuckDB picks rows, of which it leaves out what decides nothing."""
    child, parent = node, node.parent
    while parent is not None and not isinstance(parent, exp.Query):
        if isinstance(parent, exp.Where | exp.Having | exp.Qualify | exp.Join):
            return True
        if isinstance(parent, exp.If) and child is parent.this:
            return True
        child, parent = parent, parent.parent
    return False


def _test(branch: exp.Expr) -> list[exp.Expr]:
    """The condition of a branch of CASE, or of if(); of CASE over a value, that and the branch's."""
    value = branch.parent.this if isinstance(branch.parent, exp.Case) else None
    return [branch.this] if value is None else [value, branch.this]
