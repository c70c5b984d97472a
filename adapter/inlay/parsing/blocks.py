"""One SELECT in a text, cut into its clauses, columns and conditions, word by word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inlay.parsing.tokens import Text, Word, split

_SET_OPERATIONS = ("union", "intersect", "except")
_CLAUSES = ("select", "from", "where", "group", "having", "window", "qualify", "order", "limit", "offset")
_ENDS = ("returning", "using", "on")
_KEYWORDS = frozenset((*_CLAUSES, *_ENDS))
_OPEN = "([{"

Span = tuple[int, int]
"""(first word, one past the last word)."""


@dataclass(frozen=True)
class Block:
    """span: from its first keyword to its last word. clauses: what stands after each clause's keywords."""

    sql: Text
    span: Span
    clauses: Mapping[str, Span]

    @property
    def words(self) -> list[Word]:
        return self.sql.words

    @property
    def columns(self) -> list[Span]:
        """The SELECT list; none where FROM stands alone."""
        if "select" not in self.clauses:
            return []
        first, last = self.clauses["select"]
        if first < last and self.words[first].lower in ("all", "distinct"):
            first += 1
            if first < last and self.words[first].lower == "on":
                first = self.sql.brackets.closing[first + 1] + 1
        return [(first + left, first + right) for left, right in split(self.words[first:last]) if right > left]

    def text(self, span: Span) -> str:
        return self.sql[self.words[span[0]].start : self.words[span[1] - 1].end]


def block_at(text: Text, at: int) -> Block | None:
    """The innermost SELECT around a word; None where it stands in none."""
    words, brackets = text.words, text.brackets
    left = at
    while left >= 0:
        left = brackets.around[left] if left < len(words) else -1
        right = brackets.closing[left] if left >= 0 else len(words)
        found = _block(text, left + 1, right, at)
        if found is not None:
            return found
    return None


def all_united(text: Text, block: Block) -> list[Block]:
    """A block with those that UNION ALL puts together with it, in order, where none of them stands in brackets."""
    words = text.words
    found = [block]
    while [word.lower for word in words[max(0, found[0].span[0] - 2) : found[0].span[0]]] == ["union", "all"]:
        before = block_at(text, found[0].span[0] - 3)
        if before is None or before.span[1] != found[0].span[0] - 2:
            break
        found.insert(0, before)
    while [word.lower for word in words[found[-1].span[1] : found[-1].span[1] + 2]] == ["union", "all"]:
        after = block_at(text, found[-1].span[1] + 2)
        if after is None or after.span[0] != found[-1].span[1] + 2:
            break
        found.append(after)
    return found


def _block(text: Text, first: int, last: int, at: int) -> Block | None:
    """The block on one level of brackets whose words include `at`."""
    end, keywords = _keywords(text, first, last, at)
    start = next((k for k in keywords if text.words[k].lower in ("select", "from")), None)
    if start is None or at < start:
        return None
    words = text.words
    clauses: dict[str, Span] = {}
    keywords = [k for k in keywords if k >= start]
    for k, following in zip(keywords, [*keywords[1:], end], strict=True):
        name = words[k].lower
        if name in _ENDS:
            end = min(end, k) if name != "using" else end
            continue
        content = k + (2 if name in ("group", "order") else 1)
        if name in clauses:
            return None  # two of a kind: this is not a SELECT that we know
        clauses[name] = (content, following)
    return Block(text, (start, end), clauses) if at < end else None


def _keywords(text: Text, first: int, last: int, at: int) -> tuple[int, list[int]]:
    """(one past the last word, the words that begin clauses) of the side of a set operation around `at`."""
    words, closing = text.words, text.brackets.closing
    end = last
    keywords: list[int] = []
    i = first
    while i < last:
        word = words[i]
        if word.text in _OPEN:
            i = closing[i] + 1
            continue
        lower = word.lower
        if lower in _SET_OPERATIONS or lower == ";":
            if i > at:
                end = i
                break
            keywords = []
        elif lower in _KEYWORDS and _is_clause(words, i, last):
            keywords.append(i)
        i += 1
    return end, keywords


def _is_clause(words: list[Word], i: int, last: int) -> bool:
    word = words[i].lower
    after = words[i + 1].lower if i + 1 < last else ""
    if word in ("group", "order"):
        return after == "by"
    if word == "using":
        return after == "sample"
    if word == "on":
        return after == "conflict"
    if word == "from":  # IS [NOT] DISTINCT FROM compares
        return not (i >= 2 and words[i - 1].lower == "distinct" and words[i - 2].lower in ("is", "not"))
    return True
