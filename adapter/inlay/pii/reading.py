"""A text as the rules read it, and the way back to its own positions.

The rules are written for ASCII digits, spaces and hyphens. Other characters for these are replaced one by one, and
invisible characters are removed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from inlay.pii.categories import CATEGORIES

# Replacements for known data: letters, so that no rule matches a text that touches one, and letters that no address or
# number contains (Old Italic). MASK replaces data of earlier rules: a space or hyphen next to it is a border. A
# placeholder of the same or a later rule was digits when the rule first read them, and still counts as a digit:
# otherwise a doubtful number next to it would be found in the second reading, and redacting twice would differ.
MASK = "\U0001030f"
PLACEHOLDERS = tuple(chr(0x10300 + i) for i in range(len(CATEGORIES)))

# For character classes. WORD: characters that a number may not touch, without letters of scripts that put no space
# between words. DIGIT: digits beyond a separator.
MASKS = "\U00010300-\U0001030f"
WORD = rf"0-9A-Za-z\u00c0-\u024f{MASKS}"
PLACED = "\U00010300-\U0001030e"
DIGIT = rf"\d{PLACED}"

_SPACES = "\u00a0\u2000-\u200a\u202f\u205f\u3000"
_FULL_WIDTH = "０-９Ａ-Ｚａ-ｚ"
_OTHERWISE_WRITTEN = re.compile(
    rf"(?![0-9])\d|[{_FULL_WIDTH}＠＋＿{_SPACES}\u2010\u2011]"
    # A dash is a hyphen between digits only, and a full-width dot between letters or digits: both end sentences too.
    r"|(?<=[\d() ])[\u2012\u2013\u2212－](?=[\d() ])"
    rf"|(?<=[0-9A-Za-z{_FULL_WIDTH}])．(?=[0-9A-Za-z{_FULL_WIDTH}])"
)
_HYPHENS = "\u2010\u2011\u2012\u2013\u2212"
# Text inside JSON or a log often has its line breaks escaped: '\njo@example.com' is not the address njo@….
_ESCAPED = re.compile(r"\\(?:[nrtfb]|u[0-9A-Fa-f]{4})")
_UNSEEN = re.compile(r"[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]|\\(?=/)")


def read(text: str) -> tuple[str, Sequence[int]]:
    """(the text for the rules, the position in the given text of each of its characters)."""
    view = text
    if not text.isascii():
        view = _OTHERWISE_WRITTEN.sub(_plain, view)
    if "\\" in text:
        view = _ESCAPED.sub(lambda match: " " * len(match[0]), view)
    unseen = {match.start() for match in _UNSEEN.finditer(view)}
    if not unseen:
        return view, range(len(text))
    places = [place for place in range(len(text)) if place not in unseen]
    return "".join([view[place] for place in places]), places


def masked(view: str, spans: Iterable[tuple[int, int]]) -> str:
    """spans: (start, end), in order, not overlapping."""
    pieces: list[str] = []
    done = 0
    for start, end in spans:
        pieces += (view[done:start], MASK * (end - start))
        done = end
    return "".join(pieces) + view[done:] if pieces else view


def _plain(match: re.Match[str]) -> str:
    char = match[0]
    digit = unicodedata.decimal(char, None)
    if digit is not None:
        return str(digit)
    if char in _HYPHENS:
        return "-"
    return unicodedata.normalize("NFKC", char)
