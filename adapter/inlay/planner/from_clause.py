"""The items of a FROM and what AND joins, as words of the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inlay.parsing.blocks import Span
from inlay.parsing.tokens import Text, Word
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons

_JOIN_WORDS = {
    "natural", "asof", "positional", "inner", "left", "right", "full", "outer", "cross", "semi", "anti", "join",
}  # fmt: skip
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True)
class Relation:
    """One item of FROM. kind: how it is joined to those before it: inner, left, semi, anti, 'from' for the first, or
    'other'."""

    kind: str
    span: Span
    condition: Span | None
    using: bool


def characters(words: list[Word], span: Span) -> tuple[int, int]:
    return words[span[0]].start, words[span[1] - 1].end


def relations_in(text: Text, span: Span) -> list[Relation]:
    """The items of a FROM."""
    words, closing = text.words, text.brackets.closing
    found: list[Relation] = []
    item = _Item("from", span[0])
    i = span[0]
    while i < span[1]:
        word = words[i].lower
        if word in _OPEN:
            i = closing[i] + 1
            continue
        after = i
        while after < span[1] and words[after].lower in _JOIN_WORDS:
            after += 1
        if word == "," or (after > i and words[after - 1].lower == "join"):
            found.append(item.ended(i))
            after = i + 1 if word == "," else after
            item = _Item(_kind({words[k].lower for k in range(i, after)}), after)
            i = after
            continue
        if item.end is None and word in ("on", "using"):
            item.end = i
            item.condition, item.using = (i + 1, False) if word == "on" else (None, True)
        i += 1
    return [*found, item.ended(span[1])]


@dataclass
class _Item:
    """A relation that has begun."""

    kind: str
    start: int
    end: int | None = None
    condition: int | None = None
    using: bool = False

    def ended(self, i: int) -> Relation:
        last = i if self.end is None else self.end
        if last <= self.start:
            raise Unplannable(reasons.FROM_NOT_FOUND)
        condition = None if self.condition is None else (self.condition, i)
        return Relation(self.kind, (self.start, last), condition, self.using)


def _kind(words: set[str]) -> str:
    bare = words - {"join", "inner", "outer", "cross", ","}
    return "inner" if not bare else next(iter(bare)) if bare in ({"left"}, {"semi"}, {"anti"}) else "other"


def conjuncts_in(text: Text, span: Span) -> Iterator[Span]:
    """What AND joins, brackets around the whole opened."""
    words, (first, last) = text.words, span
    if words[first].text == "(" and text.brackets.closing[first] == last - 1:
        yield from conjuncts_in(text, (first + 1, last - 1))
        return
    cuts, depth, cases, betweens = [first - 1], 0, 0, 0
    for i in range(first, last):
        word = words[i].lower
        depth += (word in _OPEN) - (word in _CLOSE)
        cases += (word == "case") - (word == "end")
        if depth or cases:
            continue
        if word == "or":
            yield span
            return
        if word == "between":
            betweens += 1
        elif word == "and":
            if betweens:
                betweens -= 1
            else:
                cuts.append(i)
    if len(cuts) == 1:
        yield span
        return
    for left, right in zip(cuts, [*cuts[1:], last], strict=True):
        yield from conjuncts_in(text, (left + 1, right))
