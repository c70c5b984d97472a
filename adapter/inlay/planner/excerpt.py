"""What a query for inputs is made from: a copy of the SELECTs that a call's rows go through, and no more of the tree.

A statement may be long, and each of its calls has queries of its own. CTEs that the rows do not come through stand in
them as the person wrote them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from inlay.parsing.reading import part_of
from inlay.parsing.statement import Statement
from inlay.planner.elements import read_elements
from inlay.planner.known import ELEMENTS, TEXT, block_of, without_value
from inlay.planner.reads import is_unread_item, reader_of
from inlay.planner.set_operations import side_of


@dataclass(frozen=True)
class Excerpt:
    """node: the call. select, clause: where it stands; the elements that it is asked of are rows of that SELECT.
    readers: the SELECTs that read this one, each the one before."""

    node: exp.Expr
    select: exp.Select
    clause: str
    readers: list[exp.Select]


def excerpt(statement: Statement, number: int, with_readers: bool = False) -> Excerpt:
    """with_readers: whether the SELECTs around the call's own are looked at, and changed."""
    node = statement.node(number)
    select, clause = block_of(node)
    own = str(part_of(select, node).arg_key)
    readers = _readers(statement, select) if with_readers else []
    kept = {id(cte) for each in (select, *readers) for cte in _ctes_around(each)}
    copies: dict[int, exp.Expr] = {id(each): each for each in (node, select, *readers)}
    left_out = set[int]() if readers else {id(item) for item in _left_out(statement, node, select)}
    withs = {id(with_) for with_ in _withs_around(readers[-1] if readers else select)}
    sides = {id(other) for other in _other_sides(select)}
    _copy(statement.tree, _Copying(statement, kept, withs, left_out, sides, copies))
    made, made_readers = _select(copies[id(select)]), [_select(copies[id(reader)]) for reader in readers]
    if clause == ELEMENTS:
        read_elements(made, copies[id(node)])
    return Excerpt(copies[id(node)], made, own, made_readers)


def _left_out(statement: Statement, node: exp.Expr, select: exp.Select) -> list[exp.Expr]:
    """The columns of a SELECT that nothing reads and that hold other calls."""
    group = select.args.get("group")
    if select.args.get("distinct") or (group is not None and group.args.get("all")):
        return []
    own = part_of(select, node)
    return [item for item in select.expressions if item is not own and is_unread_item(item, select, statement)]


def _other_sides(select: exp.Select) -> Iterator[exp.Expr]:
    """What a set operation puts together with a SELECT that can stand alone in its place. Its first side stays, which
    says how the columns are named."""
    side = side_of(select)
    node: exp.Expr = select
    while side is not None and node is not side.top and node.parent is not None:
        child, node = node, node.parent
        if isinstance(node, exp.SetOperation):
            other = node.expression if child is node.this else node.this
            if child is node.this:
                yield other
            while child is not node.this and isinstance(other, exp.SetOperation | exp.Subquery):
                if isinstance(other, exp.SetOperation):
                    yield other.expression
                other = other.this


def _select(node: exp.Expr) -> exp.Select:
    assert isinstance(node, exp.Select)
    return node


def _readers(statement: Statement, select: exp.Select) -> list[exp.Select]:
    found: list[exp.Select] = []
    while True:
        side = side_of(select)
        reader = reader_of(select if side is None else side.top, statement, by_other_names=side is None)
        if reader is None or any(reader[0] is each for each in found):
            return found
        select = reader[0]
        found.append(select)


def _withs_around(node: exp.Expr | None) -> Iterator[exp.Expr]:
    """The WITH clauses whose CTEs are seen at a SELECT, and not only inside of it."""
    while node is not None:
        if (with_ := node.args.get("with_")) is not None:
            yield with_
        node = node.parent


def _ctes_around(node: exp.Expr) -> list[exp.CTE]:
    found = []
    cte = node.find_ancestor(exp.CTE)
    while isinstance(cte, exp.CTE):
        found.append(cte)
        cte = cte.find_ancestor(exp.CTE)
    return found


@dataclass(frozen=True)
class _Copying:
    """kept: the CTEs that are copied, of those in `withs`. left_out: columns that are NULL in the copy. sides: queries
    that are empty in it. copies: by id of the nodes that are looked for; filled on the way."""

    statement: Statement
    kept: Collection[int]
    withs: Collection[int]
    left_out: Collection[int]
    sides: Collection[int]
    copies: dict[int, exp.Expr]


def _copy(node: exp.Expr, copying: _Copying) -> exp.Expr:
    if isinstance(node, exp.CTE) and id(node) not in copying.kept and id(node.parent) in copying.withs:
        text = _text(copying.statement, node)
        if text is not None:
            cte = exp.CTE(this=exp.Placeholder(), alias=node.args["alias"].copy())
            cte.meta[TEXT] = text
            return cte
    if id(node) in copying.left_out:
        return without_value(node)
    if id(node) in copying.sides:
        return exp.Select()
    args: dict[str, Any] = {}
    for name, value in node.args.items():
        if isinstance(value, exp.Expr):
            args[name] = _copy(value, copying)
        elif isinstance(value, list):
            args[name] = [_copy(each, copying) if isinstance(each, exp.Expr) else each for each in value]
        else:
            args[name] = value
    # A cast of a row that the statement never reaches fails nothing; of one that it does reach, it fails there.
    made = exp.TryCast(**args) if type(node) is exp.Cast else type(node)(**args)
    if node.meta:
        made.meta.update(node.meta)
    if id(node) in copying.copies:
        copying.copies[id(node)] = made
    return made


def _text(statement: Statement, cte: exp.CTE) -> str | None:
    """A CTE as it is written; None where that cannot be told."""
    where = statement.position(cte.args["alias"].this)
    if where is None:
        return None
    words, closing = statement.words, statement.text.brackets.closing
    i = bisect_left(words, where)
    while i < len(words) and words[i].lower != "as":
        i = closing[i] + 1 if words[i].text == "(" else i + 1
    while i < len(words) and words[i].text != "(":
        i += 1
    last = closing[i] if i < len(words) else len(words)
    return statement.text[where[0] : words[last].end] if last < len(words) else None
