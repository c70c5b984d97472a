"""US social security numbers: AAA-GG-SSSS, or nine digits after a word that says so.

Never issued, and so not found: area 000, 666 and 900 to 999, group 00, serial 0000 (Social Security Administration,
randomization of 2011). Numbers printed as specimens (078-05-1120) were real ones, and are found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from inlay.pii.reading import DIGIT, MASKS, WORD

# The first digit comes before the condition on what precedes it, which is quicker (see phone_number.py).
_NINE_DIGITS = re.compile(
    rf"\d(?<![{WORD}+$].)\d\d"
    rf"(?:(?<![{DIGIT}]-...)-\d\d-\d{{4}}(?!-[{DIGIT}])|(?<![{DIGIT}] ...) \d\d \d{{4}}(?! [{DIGIT}])|\d{{6}})"
    rf"(?<![{DIGIT}]\.\d{{9}})(?![{WORD}]|\.[{DIGIT}])"
)
_ISSUED = re.compile(r"(?!000|666|9)\d{3}(?!00)\d\d(?!0000)\d{4}")
_NAMED = re.compile(
    r"(?:(?:(?<![A-Za-z])(?i:ssn)|(?<=[a-z])S[Ss][Nn])s?(?![a-z])"
    r"|(?i:social[ _-]?security|soc\. ?sec|seguro[ _-]?social)|社会安全号|社會安全號)"
    rf"[^\d{MASKS}]{{0,40}}$"
)


def spans(view: str) -> Iterator[tuple[int, int]]:
    for match in _NINE_DIGITS.finditer(view):
        digits = re.sub("[ -]", "", match[0])
        with_separators = len(digits) < len(match[0])
        if _ISSUED.match(digits) and (
            with_separators or _NAMED.search(view[max(0, match.start() - 64) : match.start()])
        ):
            yield match.span()
