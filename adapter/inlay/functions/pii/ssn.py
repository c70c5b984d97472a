"""US social security numbers: AAA-GG-SSSS, or nine digits after a word that says so.

Never issued, and so not found: area 000, 666 and 900 to 999, group 00, serial 0000 (Social Security Administration,
randomization of 2011). Numbers printed as specimens (078-05-1120) were real ones, and are found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from inlay.functions.pii.reading import MASK, WORD

_AREA, _GROUP, _SERIAL = r"(?!000|666|9)\d{3}", r"(?!00)\d\d", r"(?!0000)\d{4}"
_END = rf"(?![{WORD}]|\.\d)"
_WITH_SEPARATORS = re.compile(
    rf"(?<![{WORD}+$])(?:(?<!\d-){_AREA}-{_GROUP}-{_SERIAL}(?!-\d)|(?<!\d ){_AREA} {_GROUP} {_SERIAL}(?! \d)){_END}"
)
_NAME = (
    r"(?:(?<![A-Za-z])(?i:ssn)|(?<=[a-z])S[Ss][Nn])s?(?![a-z])"
    r"|(?i:social[ _-]?security|soc\. ?sec|seguro[ _-]?social)|社会安全号|社會安全號"
)
_NAMED = re.compile(rf"(?:{_NAME})[^\d{MASK}]{{0,40}}(?<![{WORD}])({_AREA}{_GROUP}{_SERIAL}){_END}")


def spans(view: str) -> Iterator[tuple[int, int]]:
    found = [match.span() for match in _WITH_SEPARATORS.finditer(view)]
    found += [match.span(1) for match in _NAMED.finditer(view)]
    return iter(sorted(found))
