"""Conditions around a call without which DuckDB does not ask it, or its answer decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

from inlay.planner.evaluation import may_raise


def guards_of(node: exp.Expr, is_known: Callable[[exp.Expr], bool]) -> list[exp.Expr]:
    """What is known of a row that a call is asked of, inside AND, OR, CASE, if() and coalesce()."""
    return [guard for guard, made_of in _around(node) if is_known(made_of) and not may_raise(made_of)]


def _around(node: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    """(a condition, what of the statement it is made of)."""
    filters = _decides_rows(node)
    child, parent = node, node.parent
    while parent is not None and not isinstance(parent, exp.Query | exp.AggFunc | exp.Window):
        # Elsewhere DuckDB computes all that AND and OR join; what AND joins in a WHERE is a condition of its own.
        if filters and isinstance(parent, exp.Or | exp.And) and not _is_conjunct(parent):
            other = parent.right if child is parent.left else parent.left
            for operand in _operands(other, type(parent)):
                yield _but_for(operand, exp.true() if isinstance(parent, exp.Or) else exp.false()), operand
        elif isinstance(parent, exp.Coalesce):
            operands = [parent.this, *parent.expressions]
            for operand in operands[: next(i for i, each in enumerate(operands) if each is child)]:
                yield exp.Is(this=exp.paren(operand.copy()), expression=exp.null()), operand
        elif isinstance(parent, exp.Case | exp.If) and child is not parent.this:
            yield from _tests(parent, child)
        child, parent = parent, parent.parent


def _is_conjunct(condition: exp.Expr) -> bool:
    return isinstance(condition, exp.And) and isinstance(condition.parent, exp.Where)


def _tests(parent: exp.Expr, child: exp.Expr) -> Iterator[tuple[exp.Expr, exp.Expr]]:
    """Of a part of CASE, its branches before it; of what a branch of CASE, or if(), gives, its condition."""
    if isinstance(parent, exp.Case):
        for branch in parent.args["ifs"]:
            if branch is child:
                return
            yield _but_for(_test(branch), exp.true()), _test(branch)
    elif child is parent.args["true"]:
        yield exp.paren(_test(parent)), _test(parent)
    else:
        yield _but_for(_test(parent), exp.true()), _test(parent)


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


def _test(branch: exp.Expr) -> exp.Expr:
    """The condition of a branch of CASE, or of if()."""
    case = branch.parent
    value = case.this if isinstance(case, exp.Case) else None
    return branch.this.copy() if value is None else exp.EQ(this=value.copy(), expression=branch.this.copy())


def _but_for(condition: exp.Expr, deciding: exp.Expr) -> exp.Expr:
    return exp.Not(this=exp.Is(this=exp.paren(condition.copy()), expression=deciding))


def _operands(tree: exp.Expr, kind: type[exp.Expr]) -> list[exp.Expr]:
    bare = tree.unnest()
    if isinstance(bare, kind):
        return [*_operands(bare.left, kind), *_operands(bare.right, kind)]  # type: ignore[attr-defined]
    return [tree]
