"""What looks like a number of somebody's and is none. Nothing is found inside it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inlay.functions.pii.reading import WORD

_UUID = re.compile(rf"(?<![{WORD}])[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}(?![{WORD}])", re.IGNORECASE)

_TIME = r"\d{1,2}:\d\d(?::\d\d)?"
# A French telephone number (06.12.34.56.78) begins like a date, but goes on.
_DATE = r"(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2(?:\d{4}|\d\d))"
_DATE_OR_TIME = re.compile(rf"(?<![{WORD}+])(?<!\d[-/.:])(?:{_DATE}(?:[T ]{_TIME})?|{_TIME})(?![{WORD}]|[-/:.]\d)")


def uuids(view: str) -> Iterator[tuple[int, int]]:
    return (found.span() for found in _UUID.finditer(view))


def dates_and_times(view: str) -> Iterator[tuple[int, int]]:
    """With a fraction of a second or an offset after it a time goes unnoticed, since neither is read as a number."""
    return (found.span() for found in _DATE_OR_TIME.finditer(view))
