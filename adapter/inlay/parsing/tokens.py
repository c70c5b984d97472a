"""The text of a statement: its words, and cuts between them, by DuckDB's own tokenizer.

All positions count characters.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterable
from typing import NamedTuple

import duckdb

_COMMENT = re.compile(r"(--|/\*).*", re.S)
_LITERAL = re.compile(r"""[eE]'(?:[^'\\]|''|\\.)*'|[xXbB]?'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$""", re.S)
_SINGLE = re.compile(r"[()\[\]{},;]|[^()\[\]{},;]+")

_OPEN, _CLOSE = "([{", ")]}"


class Word(NamedTuple):
    """One token. A bracket, a comma and a semicolon are a word each; a comment is none."""

    start: int
    end: int
    text: str

    @property
    def lower(self) -> str:
        return self.text.lower()


def words(sql: str) -> list[Word]:
    """The tokens of a text, in order."""
    raw = sql.encode()
    ascii_only = len(raw) == len(sql)
    offsets = [] if ascii_only else list(itertools.accumulate((len(c.encode()) for c in sql), initial=0))
    starts = [start for start, _ in duckdb.tokenize(sql)] + [len(raw)]
    found: list[Word] = []
    for start, end in itertools.pairwise(starts):
        text = raw[start:end].decode()
        at = start if ascii_only else bisect.bisect_left(offsets, start)
        literal = _LITERAL.match(text) if text[0] in "'\"$eExXbB" else None
        if literal:
            found.append(Word(at, at + literal.end(), literal[0]))
            continue
        # Whether the tokenizer counts a comment as a token or lets the token before it run on, it is none here.
        if "--" in text or "/*" in text:
            text = _COMMENT.sub("", text)
        bare = text.strip()
        if bare.isidentifier():
            found.append(Word(at, at + len(bare), bare))
            continue
        # A tokenizer may hand over several brackets as one token.
        for piece in _SINGLE.finditer(text):
            bare = piece[0].strip()
            if bare:
                begin = at + piece.start() + len(piece[0]) - len(piece[0].lstrip())
                found.append(Word(begin, begin + len(bare), bare))
    return found


def closing(found: list[Word], i: int) -> int:
    """The word that closes the bracket at word i; the number of words where none does."""
    depth = 0
    for j in range(i, len(found)):
        if found[j].text in _OPEN:
            depth += 1
        elif found[j].text in _CLOSE:
            depth -= 1
            if depth == 0:
                return j
    return len(found)


def split(found: list[Word], separator: str = ",") -> list[tuple[int, int]]:
    """(first, one past the last) word of each part between separators outside brackets; no part where no word is."""
    cuts, depth = [-1], 0
    for i, word in enumerate(found):
        if word.text in _OPEN:
            depth += 1
        elif word.text in _CLOSE:
            depth -= 1
        elif depth == 0 and word.lower == separator:
            cuts.append(i)
    if not found:
        return []
    return [(left + 1, right) for left, right in itertools.pairwise([*cuts, len(found)])]


def spliced(text: str, pieces: Iterable[tuple[int, int, str]]) -> str:
    """The text with each (start, end) replaced; the spans do not overlap."""
    out, last = [], 0
    for start, end, new in sorted(pieces):
        out += [text[last:start], new]
        last = end
    return "".join([*out, text[last:]])
