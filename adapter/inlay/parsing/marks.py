"""Marks: what stands in a text for the name of each call.

A mark is as long as the name, so that positions in the marked text are positions in the user's text, and it is a name
that sqlglot reads as a plain function (it has rules of its own for some of ours).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from inlay.parsing.tokens import end_of_bracket, spliced, split, words
from inlay.parsing.unplannable import NAME_TOO_SHORT, Unplannable

MARK, GATHERING = "ⱡ", "ⱥ"
"""What the name of a call becomes, and that of a call that gathers the rows of a group."""

_MARKED = re.compile(f"[{MARK}{GATHERING}]([0-9a-v]+)")
_BRACKET = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*\(", re.S)
_DIGITS = "0123456789abcdefghijklmnopqrstuv"

Replace = Callable[[int, list[str]], str]


def mark(number: int, length: int, gathers: bool = False) -> str:
    """What stands in the text for a call whose name has this length."""
    digits = ""
    n = number
    while True:
        digits = _DIGITS[n % 32] + digits
        n //= 32
        if not n:
            break
    if len(digits) + 1 > length:
        raise Unplannable(NAME_TOO_SHORT)
    return (GATHERING if gathers else MARK) + digits.rjust(length - 1, "0")


def number_of(name: str) -> int | None:
    """The number of the call that a name marks."""
    found = _MARKED.fullmatch(name)
    return int(found[1], 32) if found else None


def marks_in(text: str) -> list[tuple[int, int]]:
    """(number, position) of the calls in a marked text, as often as they stand there."""
    return [(int(found[1], 32), found.start()) for found in _MARKED.finditer(text)]


def numbers_in(text: str) -> list[int]:
    return [number for number, _ in marks_in(text)]


def unmarked(text: str, names: Mapping[int, str]) -> str:
    return _MARKED.sub(lambda found: names[int(found[1], 32)], text)


def replaced(text: str, replace: Replace) -> str:
    """The marked text with each call, inner ones first, as `replace(number, arguments)` says."""
    pieces = []
    at = 0
    while (name := _MARKED.search(text, at)) is not None:
        at = name.end()
        opened = _BRACKET.match(text, at)
        if opened is None:
            continue
        at = end_of_bracket(text, opened.end() - 1)
        inside = text[opened.end() : at - 1]
        parts = words(inside)
        arguments = [
            replaced(inside[parts[first].start : parts[last - 1].end], replace)
            for first, last in split(parts)
            if last > first
        ]
        space = " " if text[at : at + 1].isidentifier() else ""  # ai_x(a)AS b: what replaces a call ends in a name
        pieces.append((name.start(), at, replace(int(name[1], 32), arguments) + space))
    return spliced(text, pieces)
