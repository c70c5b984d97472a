"""One SELECT in a text, cut into its clauses, columns and conditions, word by word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inlay.parsing.tokens import Word, split

_SET_OPERATIONS = ("union", "intersect", "except")
_CLAUSES = ("select", "from", "where", "group", "having", "window", "qualify", "order", "limit", "offset")
_ENDS = ("returning", "using", "on")
_OPEN, _CLOSE = "([{", ")]}"

Span = tuple[int, int]
"""(first word, one past the last word)."""


@dataclass(frozen=True)
class Block:
    """span: from its first keyword to its last word. clauses: what stands after each clause's keywords."""

    words: list[Word]
    span: Span
    clauses: Mapping[str, Span]

    @property
    def columns(self) -> list[Span]:
        """The SELECT list; none where FROM stands alone."""
        if "select" not in self.clauses:
            return []
        first, last = self.clauses["select"]
        if first < last and self.words[first].lower in ("all", "distinct"):
            first += 1
            if first < last and self.words[first].lower == "on":
                first = _close(self.words, first + 1) + 1
        return [(first + left, first + right) for left, right in split(self.words[first:last]) if right > left]

    def text(self, sql: str, span: Span) -> str:
        return sql[self.words[span[0]].start : self.words[span[1] - 1].end]


def block_at(words: list[Word], at: int) -> Block | None:
    """The innermost SELECT around a word; None where it stands in none."""
    opened: list[int] = []
    for i in range(at):
        if words[i].text in _OPEN:
            opened.append(i)
        elif words[i].text in _CLOSE and opened:
            opened.pop()
    for left in [*reversed(opened), -1]:
        right = _close(words, left) if left >= 0 else len(words)
        found = _block(words, left + 1, right, at)
        if found is not None:
            return found
    return None


def all_united(words: list[Word], block: Block) -> list[Block]:
    """A block with those that UNION ALL puts together with it, in order, where none of them stands in brackets."""
    found = [block]
    while [word.lower for word in words[max(0, found[0].span[0] - 2) : found[0].span[0]]] == ["union", "all"]:
        before = block_at(words, found[0].span[0] - 3)
        if before is None or before.span[1] != found[0].span[0] - 2:
            break
        found.insert(0, before)
    while [word.lower for word in words[found[-1].span[1] : found[-1].span[1] + 2]] == ["union", "all"]:
        after = block_at(words, found[-1].span[1] + 2)
        if after is None or after.span[0] != found[-1].span[1] + 2:
            break
        found.append(after)
    return found


def _close(words: list[Word], left: int) -> int:
    depth = 0
    for i in range(left, len(words)):
        depth += (words[i].text in _OPEN) - (words[i].text in _CLOSE)
        if depth == 0:
            return i
    return len(words)


def _block(words: list[Word], first: int, last: int, at: int) -> Block | None:
    """The block on one level of brackets whose words include `at`."""
    begin, depth = first, 0
    keywords: list[int] = []
    end = last
    for i in range(first, last):
        text = words[i].text
        if text in _OPEN:
            depth += 1
        elif text in _CLOSE:
            depth -= 1
        elif depth == 0:
            word = text.lower()
            if word in _SET_OPERATIONS or text == ";":
                if i > at:
                    end = i
                    break
                begin, keywords = i + 1, []
            elif word in (*_CLAUSES, *_ENDS) and _is_clause(words, i, last):
                keywords.append(i)
    keywords = [k for k in keywords if begin <= k < end]
    if not any(words[k].lower in ("select", "from") for k in keywords):
        return None
    start = next(k for k in keywords if words[k].lower in ("select", "from"))
    keywords = [k for k in keywords if k >= start]
    if at < start:
        return None
    clauses: dict[str, Span] = {}
    for k, following in zip(keywords, [*keywords[1:], end], strict=True):
        name = words[k].lower
        if name in _ENDS:
            end = min(end, k) if name != "using" else end
            continue
        content = k + (2 if name in ("group", "order") else 1)
        if name in clauses:
            return None  # two of a kind: this is not a SELECT that we know
        clauses[name] = (content, following)
    return Block(words, (start, end), clauses) if at < end else None


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
