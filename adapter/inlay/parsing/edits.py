"""A text changed in places, and its tree with it: each piece of new text is read alone and put where it belongs.

So a statement is read once, however many rules move its parts. What a piece is in the tree is for the rule to say; the
text decides all the same: where a piece cannot be read alone, the whole new text is read again.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sqlglot import exp

from inlay.parsing.reading import parsed
from inlay.parsing.unplannable import Unplannable

_SELECT, _FROM = "SELECT ", "SELECT * FROM "
_TABLE_ARGS = {"this", "db", "catalog", "alias"}

Role = Literal["expression", "columns", "more columns", "name", "relation"]


class Edit(NamedTuple):
    """text in the place of [start, end). node: what it is written for in the tree; None where the tree is not kept.

    role: expression, it stands in the place of the node; columns, of this column stand these, or none; more columns,
    these come after this column; name, the column gets this name (AS "…"); relation, in FROM instead of this table.
    """

    start: int
    end: int
    text: str
    node: exp.Expr | None = None
    role: Role = "expression"


@dataclass(frozen=True)
class Around:
    """A query that becomes a subquery of another. head and tail: what comes before and after it, as text."""

    query: exp.Query
    start: int
    end: int
    head: str
    tail: str


@dataclass(frozen=True)
class Moves:
    """Where a position goes when a text is changed."""

    ends: list[int]
    shifts: list[int]

    @classmethod
    def of(cls, pieces: Sequence[tuple[int, int, str]]) -> Moves:
        """pieces: in order."""
        return cls([end for _, end, _ in pieces], list(itertools.accumulate(len(n) - (e - s) for s, e, n in pieces)))

    def __call__(self, at: int) -> int:
        i = bisect.bisect_right(self.ends, at)
        return at + self.shifts[i - 1] if i else at


@dataclass(frozen=True)
class Change:
    """Of a tree: what is done, what is no longer in it then, and what is new."""

    make: Callable[[], None]
    gone: Sequence[exp.Expr] = ()
    new: Sequence[exp.Expr] = ()


def changes(
    edits: Sequence[Edit], around: Sequence[Around], pieces: Sequence[tuple[int, int, str]], age: int
) -> list[Change] | None:
    """What is to be done to the tree; None where it cannot be kept. pieces: all new texts in order. age: how many times
    the text was changed, this time included."""
    moves = Moves.of(pieces)
    try:
        found = []
        for edit in edits:
            if edit.node is None:
                return None
            found.append(_change(edit, _new_start(edit, pieces, moves), age))
        return found + [_wrapping(each, moves(each.start) - len(each.head), age) for each in around]
    except Unplannable:
        return None


def _new_start(edit: Edit, pieces: Sequence[tuple[int, int, str]], moves: Moves) -> int:
    """Where the text of an edit begins in the new text."""
    place = next(i for i, piece in enumerate(pieces) if piece[:3] == edit[:3])
    return edit.start + (moves.shifts[place - 1] if place else 0)


def _change(edit: Edit, start: int, age: int) -> Change:
    node, text = edit.node, edit.text
    assert node is not None
    if edit.role == "name":
        return Change(lambda: _named(node, text, start, age))
    if edit.role == "relation":
        relation = _relation(node, text)
        _aged(relation, start - len(_FROM), age)
        return Change(lambda: _replaced(node, relation), [node], [relation])
    bare = text.lstrip(", ")
    columns = parsed(_SELECT + bare).expressions if bare else []
    for column in columns:
        _aged(column, start + len(text) - len(bare) - len(_SELECT), age)
    if edit.role == "expression":
        if len(columns) != 1:
            raise Unplannable(text)
        return Change(lambda: _replaced(node, columns[0]), [node], columns)
    if edit.role == "more columns":
        return Change(lambda: _listed(node, [node, *columns]), [], columns)
    return Change(lambda: _listed(node, columns), [node], columns)


def _replaced(node: exp.Expr, new: exp.Expr) -> None:
    node.replace(new)


def _listed(node: exp.Expr, columns: list[exp.Expr]) -> None:
    select = node.parent
    assert select is not None
    items = select.expressions
    at = next(i for i, item in enumerate(items) if item is node)
    select.set("expressions", [*items[:at], *columns, *items[at + 1 :]])


def _named(node: exp.Expr, text: str, start: int, age: int) -> None:
    """text: AS and a name in double quotes."""
    name = text[text.index('"') + 1 : -1].replace('""', '"')
    identifier = exp.Identifier(this=name, quoted=True)
    identifier.meta.update(start=start + text.index('"'), end=start + len(text) - 1, age=age)
    alias = exp.Alias(alias=identifier)
    node.replace(alias)
    alias.set("this", node)


def _relation(node: exp.Expr, text: str) -> exp.Expr:
    """A relation in the place of a table, under the table's own alias where it has one."""
    if any(value for name, value in node.args.items() if name not in _TABLE_ARGS):
        raise Unplannable(text)
    query = parsed(_FROM + text)
    found: exp.Expr = query.args["from_"].this
    if any(value for name, value in query.args.items() if name not in ("expressions", "from_", "kind")):
        raise Unplannable(text)
    if (alias := node.args.get("alias")) and not found.args.get("alias"):
        found.set("alias", alias.copy())
    return found


def _wrapping(around: Around, start: int, age: int) -> Change:
    whole = parsed(f"{around.head}SELECT 1{around.tail}")
    place = next(select for select in whole.find_all(exp.Select) if select.expressions == [exp.Literal.number(1)])
    _aged(whole, start, age, len(around.head))

    def change() -> None:
        query = around.query
        with_ = query.args.pop("with_", None)
        query.replace(whole)
        place.replace(query)
        if with_ is not None:
            whole.set("with_", with_)

    return Change(change, [], [whole])


def _aged(tree: exp.Expr, shift: int, age: int, before: int | None = None) -> None:
    """Says of the nodes of a fragment where they stand in the new text. before: those behind this position in the
    fragment stand elsewhere."""
    for node in tree.walk():
        if "start" not in node.meta:
            continue
        if before is not None and node.meta["start"] >= before:
            del node.meta["start"], node.meta["end"]
            continue
        node.meta["start"] += shift
        node.meta["end"] += shift
        node.meta["age"] = age
