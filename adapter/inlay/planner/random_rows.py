"""Rows that are picked at random below a call: a query for its inputs would pick others."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from inlay.parsing.statement import Statement
from inlay.planner.evaluation import is_volatile
from inlay.planner.known import block_of


def is_random(statement: Statement) -> bool:
    """Whether anything in a statement is picked, or made, at random."""
    return statement.tree.find(exp.TableSample) is not None or is_volatile(statement.tree)


def has_random_rows(statement: Statement, node: exp.Expr) -> bool:
    """Whether the rows that reach a call, or what it is told, differ from one time to the next."""
    select = block_of(node)[0]
    parts = [select.args.get(name) for name in ("from_", "where", "sample")]
    parts += [*(select.args.get("joins") or []), *(select.args.get("laterals") or [])]
    below = list(_with_ctes(statement, [part for part in parts if part is not None], set()))
    if any(tree.find(exp.TableSample) for tree in below):
        return True
    kinds = (exp.Where, exp.Having, exp.Qualify, exp.Order, exp.Distinct)
    clauses: list[exp.Expr] = [clause for tree in below for clause in tree.find_all(*kinds)]
    clauses += [on for tree in below for join in tree.find_all(exp.Join) if (on := join.args.get("on")) is not None]
    if any(map(is_volatile, clauses)):
        return True
    read = {column.name.lower() for part in (node, *clauses) for column in part.find_all(exp.Column)}
    items = (item for tree in below for item in tree.find_all(exp.Alias) if item.alias.lower() in read)
    return any(map(is_volatile, items))


def _with_ctes(statement: Statement, trees: list[exp.Expr], seen: set[str]) -> Iterator[exp.Expr]:
    """Parts of a SELECT, and the CTEs that are read there."""
    for tree in trees:
        yield tree
        for table in tree.find_all(exp.Table):
            name = table.name.lower()
            if name not in seen:
                seen.add(name)
                yield from _with_ctes(statement, [cte.this for cte in statement.index.ctes.get(name, [])], seen)
