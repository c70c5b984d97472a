"""Texts that look like personal numbers and are none. Nothing is found inside them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inlay.pii.reading import DIGIT, WORD

_HEX = "[0-9A-Fa-f]"
_UUID = re.compile(rf"{_HEX}(?<![{WORD}].){_HEX}{{7}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}(?![{WORD}])")

_MINUTES = r":\d\d(?::\d\d)?"
# A French telephone number (06.12.34.56.78) begins like a date, but continues.
_REST_OF_DATE = r"(?:\d{3}([-/.])\d{1,2}\1\d{1,2}|\d?([-/.])\d{1,2}\2(?:\d{4}|\d\d))"
_DATE_OR_TIME = re.compile(
    rf"\d(?<![{WORD}+].)(?<![{DIGIT}][-/.:].)(?:{_REST_OF_DATE}(?:[T ]\d{{1,2}}{_MINUTES})?|\d?{_MINUTES})"
    rf"(?![{WORD}]|[-/:.][{DIGIT}])"
)


def uuids(view: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in _UUID.finditer(view))


def dates_and_times(view: str) -> Iterator[tuple[int, int]]:
    """With a fraction of a second or an offset after it a time goes unnoticed, since neither is read as a number."""
    return (match.span() for match in _DATE_OR_TIME.finditer(view))
