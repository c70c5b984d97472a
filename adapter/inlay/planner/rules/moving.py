"""Moving a column that holds a call out of its SELECT: whether that may be done, and what it is made from."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from sqlglot import exp

from inlay.parsing.blocks import Span
from inlay.parsing.marks import mark, number_of
from inlay.parsing.reading import calls_in, parsed
from inlay.parsing.statement import Call, Statement
from inlay.parsing.tokens import closing, spliced, split
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.aggregates import of_list, told
from inlay.planner.elements import has_elements
from inlay.planner.evaluation import is_constant, is_of_a_group, is_volatile
from inlay.planner.reads import unread_items

# What has a meaning in its own SELECT alone.
_STAYS = (exp.PositionalColumn, exp.AggFunc, exp.Window, exp.Query, exp.Subquery, exp.Lambda, exp.Star, exp.Columns)


@dataclass
class Moved:
    """Calls that another function answers outside: by number, and by what name."""

    calls: dict[int, Call] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)


class Inputs(dict[str, str]):
    """What calls are made from, as text of the SELECT → name outside."""

    def name_of(self, text: str) -> str:
        return self.setdefault(text, f"_inlay_x{len(self)}")


def movable(select: exp.Select) -> list[exp.Expr]:
    """The columns with calls that nothing else in the SELECT is made from, and that are the same each time they are."""
    group = select.args.get("group")
    # What is no value of the group is what it is grouped by.
    is_grouped = group is not None and bool(group.args.get("all") or calls_in(group))
    return [
        item
        for item in unread_items(select)
        if not (is_grouped and not is_of_a_group(item)) and not is_volatile(item) and not has_elements(item)
    ]


def moved(
    statement: Statement, select: exp.Select, item: exp.Expr, start: int, inputs: Inputs, calls: Moved
) -> str | None:
    """The column's expression over `inputs`, which it adds to, as it adds to `calls`. start: where the column begins in
    the text. None where it cannot be found there."""
    end = own_end(statement, item, start)
    if end is None:
        return None
    if item.find(*_STAYS) or select.args.get("group"):
        return over_arguments(statement, item.this, (start, end), inputs.name_of, calls)
    changes = []
    for column in item.this.find_all(exp.Column):
        where = position(statement, column)
        if where is None:
            return None
        name = inputs.name_of(statement.text[where[0] : where[1]])
        changes.append((where[0] - start, where[1] - start, name))
    return spliced(statement.text[start:end], changes)


def own_end(statement: Statement, item: exp.Expr, start: int) -> int | None:
    """Where a column's expression ends, before its alias."""
    where = statement.position(item.args["alias"])
    if where is None:
        return None
    words = statement.words
    last = bisect_left(words, (where[0],)) - 1  # words are in order of where they start
    if words[last].lower == "as":
        last -= 1
    return words[last].end if words[last].start >= start else None


def over_arguments(
    statement: Statement,
    tree: exp.Expr,
    span: Span,
    name_of: Callable[[str], str],
    calls: Moved,
    varying: tuple[type[exp.Expr], ...] = (),
) -> str | None:
    """An expression with names for what its calls are told, and for the values of groups and the columns beside them.
    span: of its characters. name_of: the name for a text of the SELECT. varying: constants that get names as well. None
    where something of its SELECT is left."""
    words = statement.words
    first, last = bisect_left(words, (span[0],)), bisect_left(words, (span[1],))
    try:
        pieces = list(_pieces(statement, first, last, calls, varying))
        for column in tree.find_all(exp.Column):
            where = position(statement, column)
            if where is None:
                return None
            if not any(start <= where[0] and where[1] <= end for start, end, _, _ in pieces):
                pieces.append((*where, statement.text[where[0] : where[1]], True))
        named = [(start, end, name_of(text) if is_value else text) for start, end, text, is_value in sorted(pieces)]
        made = spliced(statement.text[span[0] : span[1]], [(a - span[0], b - span[0], text) for a, b, text in named])
        found = parsed(made)
    except Unplannable:
        return None
    names = {name for _, _, name in named}
    left = [column for column in found.find_all(exp.Column) if column.name not in names]
    return None if left or found.find(*_STAYS) else made


def _pieces(
    statement: Statement, first: int, last: int, calls: Moved, varying: tuple[type[exp.Expr], ...]
) -> Iterator[tuple[int, int, str, bool]]:
    """(start, end, text in its place, whether that is a value of the SELECT) of what is told to calls, of the names of
    aggregates, which become others, and of the values of groups beside them. Adds the calls to `calls`."""
    words = statement.words
    i = first
    while i < last:
        number = number_of(words[i].text)
        if number is None:
            after = _end_of_function(statement, i, last)
            if after is not None:
                yield words[i].start, words[after - 1].end, _between(statement, i, after), True
            i = after or i + 1
            continue
        close = closing(words, i + 1)
        call = statement.calls[number]
        parts = [(i + 2 + left, i + 2 + right) for left, right in split(words[i + 2 : close])]
        parts = [(left, right) for left, right in parts if words[left + 1].text not in (":=", "=>")]
        texts = [_between(statement, *part) for part in parts]
        varies = set()
        for at, ((left, right), text) in enumerate(zip(parts, texts, strict=True)):
            if at >= len(call.spec.args) or call.spec.args[at].is_setting:
                continue
            value, tree = told(call, texts, at), parsed(text)
            if calls_in(tree) and not call.gathers:
                yield from _pieces(statement, left, right, calls, varying)
            elif not is_constant(parsed(value)) or isinstance(tree, varying):
                if is_volatile(tree):
                    raise Unplannable(reasons.VOLATILE)
                varies.add(at)
                yield words[left].start, words[right - 1].end, value, True
        name = of_list(call.written) if call.gathers else statement.names[number]
        calls.names[number], calls.calls[number] = name, replace(call, gathers=False, varies=frozenset(varies))
        if call.gathers:
            yield words[i].start, words[i].end, mark(number, len(name)), False
        i = close + 1


def _between(statement: Statement, first: int, last: int) -> str:
    return statement.text[statement.words[first].start : statement.words[last - 1].end]


def _end_of_function(statement: Statement, i: int, last: int) -> int | None:
    """One past the last word of an aggregate or window function that begins here and holds no call."""
    words = statement.words
    if i + 1 >= last or words[i + 1].text != "(" or not words[i].text.strip('"').isidentifier():
        return None
    end = closing(words, i + 1) + 1
    while end + 1 < last and words[end].lower in ("filter", "over", "within", "group"):
        end = closing(words, end + 1) + 1 if words[end + 1].text == "(" else end + (words[end].lower == "within") + 1
    if any(number_of(word.text) is not None for word in words[i:end]):
        return None
    try:
        return end if parsed(_between(statement, i, end)).find(exp.AggFunc, exp.Window) else None
    except Unplannable:
        return None


def position(statement: Statement, column: exp.Column) -> tuple[int, int] | None:
    """Where a column stands in the text, with what qualifies it."""
    parts = [where for part in column.parts if (where := statement.position(part)) is not None]
    if len(parts) < len(column.parts):
        return None
    return min(start for start, _ in parts), max(end for _, end in parts)
