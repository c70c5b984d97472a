"""The text of a statement: its words, and cuts between them, by DuckDB's own tokenizer.

All positions count characters.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import duckdb

_COMMENT = re.compile(r"(--|/\*).*", re.S)
_LITERALS = r"""[eE]'(?:[^'\\]|''|\\.)*'|[xXbB]?'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$"""
_LITERAL = re.compile(_LITERALS, re.S)
_SINGLE = re.compile(r"[()\[\]{},;]|[^()\[\]{},;]+")

# What a position in a text may be inside of, and brackets. A letter before a quote may end a name: date'2026-01-01'.
_SCANNED = re.compile(rf"(?<!\w)(?:{_LITERALS})|'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|[()\[\]{{}}]", re.S)

_PARAMETER = re.compile(rf"{_SCANNED.pattern}|(?<!\w)\$(?P<parameter>\w+)", re.S)

_FIRST = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(\w+|\()", re.S)

_OPEN, _CLOSE = "([{", ")]}"
_OPENS = dict.fromkeys(_OPEN, True) | dict.fromkeys(_CLOSE, False)

_APART = frozenset("()[]{},; \t\r\n")
"""Characters that never run on into a word beside them."""


class Word(NamedTuple):
    """One token. A bracket, a comma and a semicolon are a word each; a comment is none."""

    start: int
    end: int
    text: str

    @property
    def lower(self) -> str:
        return self.text.lower()


class Text(str):
    """SQL that carries its words, so that they are made once wherever it is handed on."""

    @classmethod
    def of(cls, sql: str) -> Text:
        return sql if isinstance(sql, Text) else cls(sql)

    @classmethod
    def with_words(cls, sql: str, found: list[Word]) -> Text:
        made = cls(sql)
        made.__dict__["words"] = found
        return made

    @cached_property
    def words(self) -> list[Word]:
        return _tokenised(self)

    @cached_property
    def brackets(self) -> Brackets:
        return brackets(self.words)

    def part(self, start: int, end: int) -> Text:
        """The text from the start of a word to the end of another."""
        inside = [word for word in self.words if start <= word.start and word.end <= end]
        return Text.with_words(self[start:end], _shifted(inside, -start))

    def spliced(self, pieces: Iterable[tuple[int, int, str]]) -> Text:
        """The text with each (start, end) replaced. The spans are of whole words and do not overlap; of several
        insertions at one position the first given stands first."""
        ordered = sorted(pieces, key=lambda piece: piece[:2])
        made = Text(spliced(self, ordered))
        found = self._words_after(ordered, made)
        return made if found is None else Text.with_words(made, found)

    def _words_after(self, pieces: Sequence[tuple[int, int, str]], made: str) -> list[Word] | None:
        """The words of the text made by splicing, from those of this text and of the pieces. None where a piece may
        run on into its neighbours."""
        old = self.words
        starts = [word.start for word in old]
        found: list[Word] = []
        i = shift = 0
        for start, end, new in pieces:
            j = bisect.bisect_left(starts, start, i)
            after = bisect.bisect_left(starts, end, j)
            first, last = start + shift, start + shift + len(new)
            if (j and old[j - 1].end > start) or (after and old[after - 1].end > end):
                return None
            if not (_are_apart(made, first) and _are_apart(made, last)):
                return None
            found += _shifted(old[i:j], shift)
            found += _shifted(words(new), first)
            shift += len(new) - (end - start)
            i = after
        return found + _shifted(old[i:], shift)


def statement_texts(sql: str) -> list[Text]:
    """The statements of a text, without their semicolons. Cut here, since DuckDB below 2 makes two statements of PIVOT,
    with texts that begin and end in wrong places."""
    text = Text.of(sql)
    pieces: list[list[Word]] = [[]]
    for word in text.words:
        if word.text == ";":
            pieces.append([])
        else:
            pieces[-1].append(word)
    return [text.part(piece[0].start, piece[-1].end) for piece in pieces if piece]


def _are_apart(text: str, at: int) -> bool:
    return at in (0, len(text)) or text[at - 1] in _APART or text[at] in _APART


def _shifted(found: list[Word], by: int) -> list[Word]:
    return [Word(word.start + by, word.end + by, word.text) for word in found] if by else found


class Brackets(NamedTuple):
    """Of each word: the word that closes the bracket which it opens, the number of words where none does; and the word
    that opens the innermost bracket around it, -1 where none does."""

    closing: list[int]
    around: list[int]


def brackets(found: list[Word]) -> Brackets:
    closers, around = [len(found)] * len(found), [-1] * len(found)
    inside, opened = -1, list[int]()
    for i, (_, _, text) in enumerate(found):
        opens = _OPENS.get(text)
        if opens is False and opened:
            closers[inside] = i
            inside = opened.pop()
        around[i] = inside
        if opens:
            opened.append(inside)
            inside = i
    return Brackets(closers, around)


def words(sql: str) -> list[Word]:
    """The tokens of a text, in order."""
    return sql.words if isinstance(sql, Text) else _tokenised(sql)


def _tokenised(sql: str) -> list[Word]:
    raw = sql.encode()
    ascii_only = len(raw) == len(sql)
    offsets = [] if ascii_only else list(itertools.accumulate((len(c.encode()) for c in sql), initial=0))
    starts = [start for start, _ in duckdb.tokenize(sql)] + [len(raw)]
    found: list[Word] = []
    for start, end in itertools.pairwise(starts):
        text = sql[start:end] if ascii_only else raw[start:end].decode()
        at = start if ascii_only else bisect.bisect_left(offsets, start)
        bare = text.rstrip()
        if len(bare) == 1 or bare.isalnum():  # most of them
            found.append(Word(at, at + len(bare), bare))
            continue
        literal = _LITERAL.match(text) if text[0] in "'\"$eExXbB" else None
        if literal:
            found.append(Word(at, at + literal.end(), literal[0]))
            continue
        if bare[0] == "$" and bare[1:].isdigit():  # one token below DuckDB 2
            found += [Word(at, at + 1, "$"), Word(at + 1, at + len(bare), bare[1:])]
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


QUERY_WORDS = ("select", "from", "with", "values", "(", "pivot", "unpivot")
"""First words of what is a query, where the name of a relation may stand too."""


def first_word(sql: str) -> str:
    """The word that a text begins with, in lower case; '(' for a bracket."""
    found = _FIRST.match(sql)
    return found[1].lower() if found else ""


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


def split(found: list[Word]) -> list[tuple[int, int]]:
    """(first, one past the last) word of each part between commas outside brackets; no part where no word is."""
    cuts, depth = [-1], 0
    for i, word in enumerate(found):
        if word.text in _OPEN:
            depth += 1
        elif word.text in _CLOSE:
            depth -= 1
        elif depth == 0 and word.text == ",":
            cuts.append(i)
    if not found:
        return []
    return [(left + 1, right) for left, right in itertools.pairwise([*cuts, len(found)])]


def spliced(text: str, pieces: Iterable[tuple[int, int, str]]) -> str:
    """The text with each (start, end) replaced; the spans do not overlap."""
    out, last = [], 0
    for start, end, new in sorted(pieces, key=lambda piece: piece[:2]):
        out += [text[last:start], new]
        last = end
    return "".join([*out, text[last:]])


def end_of_bracket(text: str, start: int) -> int:
    """The position after the bracket that closes the one at `start`; the end of the text where none does."""
    depth = 0
    for found in _SCANNED.finditer(text, start):
        depth += (found[0] in _OPEN) - (found[0] in _CLOSE)
        if depth == 0:
            return found.end()
    return len(text)


def parameters_replaced(text: str, replace: Callable[[str], str | None]) -> str:
    """The text with `replace(name)` in the place of each $name, where that is not None."""

    def replaced(found: re.Match[str]) -> str:
        made = replace(found["parameter"]) if found["parameter"] else None
        return found[0] if made is None else made

    return _PARAMETER.sub(replaced, text)


def without_literals(text: str) -> str:
    """The text with no literal, quoted name or comment left in it."""
    return _SCANNED.sub(lambda found: found[0] if found[0] in _OPEN + _CLOSE else " ", text)
