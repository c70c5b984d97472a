"""Telephone numbers: international ones; national ones as the US and Canada, Britain, Germany, France, Spain and Italy
write them, and as some thirty countries write theirs that begin with 0.

Digits alone are no telephone number, nor are formats that other numbers share (612 345 678), unless a word such as
'phone', 'Tel.' or 'llama al' names them (phone_cues.py). After words such as 'order' or 'Rechnung' a national format is
none. Numbers that are never assigned (555 or 123 as a code) are found: invented numbers often have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from inlay.pii.phone_cues import counts_something, is_named
from inlay.pii.phone_plans import is_international, is_written_as_at_home
from inlay.pii.reading import DIGIT, WORD

# Where a number may begin. The pattern has the first character before the conditions on what precedes it: Python's `re`
# then searches for that character, ten times as fast as testing the conditions everywhere.
_START = re.compile(
    r"[(\d](?:(?<=\()(?=\d{1,5}\))|(?<=\d)(?=[\d ()./-]{6}))"
    rf"(?<![{WORD}_+@#€$£¥].)(?<![{WORD}]-.)(?<![{DIGIT}]\..)(?<![€$£¥] .)"
)
_UNIT = r"(?! ?(?:[€$£¥%°]|(?:EUR|USD|GBP|CHF|Euro|km|kg|cm|mm|ms)\b))"
_END = rf"(?!(?!x\d)[{WORD}_@]|[-.][{DIGIT}]){_UNIT}"

_AREA = r"(?:[2-9]\d\d|123)"

# The separators of some formats show where they end: text after a space does not belong to them.
_CLOSED_FORMS = tuple(
    re.compile(form + _END)
    for form in (
        # US and Canada: 202-555-0143, (202) 555-0143, 1-800-555-0199
        rf"(?:1[-. ])?(?:\({_AREA}\) ?|{_AREA}[- ])\d{{3}}-\d{{4}}",
        rf"(?:1[-. ])?(?:\({_AREA}\) ?|{_AREA}\.)\d{{3}}\.\d{{4}}",
    )
)
# Others may be the middle of a longer number, so no digits may precede or follow after a space.
_ALONE = re.compile(rf"(?=\()|(?<![{DIGIT}][ /])")
_END_OF_OPEN = rf"(?![ /]?[{DIGIT}]){_END}"
_OPEN_FORMS = tuple(
    re.compile(form + _END_OF_OPEN)
    for form in (
        # US and Canada: 202 555 0143
        rf"(?:1 )?(?:\({_AREA}\) ?|{_AREA} )[2-9]\d\d \d{{4}}",
        # France: 01 23 45 67 89
        r"0[1-9](?P<by>[ .-])\d\d(?:(?P=by)\d\d){3}",
        # Germany, Britain, Italy: an area of three to five digits, and the rest in up to four groups
        r"(?P<area>\(0[1-9]\d{1,3}\) ?[/-]?|0[1-9]\d{1,3}(?: ?[/-]|(?= ))) ?"
        r"(?P<rest>\d{3,8}(?:[ -]\d{2,4}){0,3}(?:-\d{1,4})?|\d\d(?: \d\d){2,3})",
        # Areas of two digits: 06 1234 5678, 02 12345678. 06-1234567 would be a US employer's number
        r"0[1-9][ -]\d{4}[ -]\d{4}",
        r"0[26](?:[ ./]\d{7,8}|-\d{8})",
        # Spain: 91 234 56 78, 612 34 56 78, 912-345-678
        r"(?:9\d[ .-]\d{3}|[679]\d\d[ .-]\d\d)[ .-]\d\d[ .-]\d\d",
        r"[679]\d\d-\d{3}-\d{3}",
        # Italian mobiles: 347 1234567, 347 12 34 567
        r"3[2-9]\d(?:[ ./-]\d{7}|[ .-]\d{3}[ .-]\d{4}| \d\d \d\d \d{3})",
    )
)
_DIGITS_OF_AREA_FORM = range(9, 13)

# Whatever a cue word names: seven to fifteen digits in groups, area in brackets or not.
_NAMED = re.compile(rf"(?:\(\d{{1,5}}\)(?:[ ()./-]{{0,3}}\d){{5,12}}|\d(?:[ ()./-]{{0,3}}\d){{6,14}}){_END_OF_OPEN}")
_FROM_0 = re.compile(rf"(?:\(0\d{{1,4}}\) ?|0\d{{1,4}}[ /-])\d{{2,4}}(?:[ -]\d{{2,5}}){{0,3}}{_END_OF_OPEN}")

# '+49', '(+49)', '0049' and at most twenty digits; how many of them are the number is for its country to say.
_INTERNATIONAL = re.compile(
    rf"(?<![{WORD}_+@€$£¥])(?:(?P<plus>\+(?=[1-9(]))|(?<![{WORD}]-)(?<![{DIGIT}][./ ])00(?= ?[1-9]))"
    rf"(?P<groups>(?:[ ()./-]{{0,3}}\d){{7,20}})"
)
_GROUP_ENDS = re.compile(r"(?<=\d)(?!\d)")
_END_OF_INTERNATIONAL = re.compile(rf"(?!(?!x\d)[{WORD}_@]|\.[{DIGIT}]){_UNIT}")
_EXTENSION = re.compile(rf"[ ,]{{0,2}}(?i:x|extn?\.?|extension|poste|durchwahl|dw\.?) ?\d{{1,6}}(?![{WORD}])")


def spans(view: str) -> Iterator[tuple[int, int]]:
    candidates = list(_internationals(view))
    for start in (match.start() for match in _START.finditer(view)):
        ends = list(_ends(view, start))
        if ends and not counts_something(view, start):
            candidates.append((start, max(ends)))
    done = 0
    for start, end in sorted(candidates, key=lambda span: (span[0], -span[1])):
        if start >= done:
            extension = _EXTENSION.match(view, end)
            done = extension.end() if extension else end
            yield start, done


def _is_number(match: re.Match[str]) -> bool:
    if "area" not in match.re.groupindex:
        return True
    area, rest = ([char for char in match[name] if char.isdigit()] for name in ("area", "rest"))
    is_zip = "-" in match[0] and len(area) == 5 and len(rest) == 4  # 02139-4307
    return len(area) + len(rest) in _DIGITS_OF_AREA_FORM and not is_zip


def _ends(view: str, start: int) -> Iterator[int]:
    """Where the numbers end that may begin here."""
    alone = bool(_ALONE.match(view, start))
    for form in _CLOSED_FORMS + _OPEN_FORMS if alone else _CLOSED_FORMS:
        if (match := form.match(view, start)) and _is_number(match):
            yield match.end()
    if alone and view[start - 1 : start] != "(":
        if (match := _NAMED.match(view, start)) and _has_both_brackets(match) and is_named(view, *match.span()):
            yield match.end()
        if (match := _FROM_0.match(view, start)) and is_written_as_at_home(match[0]):
            yield match.end()


def _has_both_brackets(match: re.Match[str]) -> bool:
    return match[0].count("(") == match[0].count(")")


def _internationals(view: str) -> Iterator[tuple[int, int]]:
    match = _INTERNATIONAL.search(view)
    while match:
        span = _international(view, match)
        if span:
            yield span
        match = _INTERNATIONAL.search(view, span[1] if span else match.start() + 1)


def _international(view: str, match: re.Match[str]) -> tuple[int, int] | None:
    """The longest run of groups that has as many digits as its country allows."""
    start = match.start()
    in_brackets = view[start - 1 : start] == "(" and re.match(r"\d{1,3}\)", match["groups"])
    for group_end in reversed([end.start() for end in _GROUP_ENDS.finditer(match["groups"])]):
        groups = match["groups"][:group_end]
        digits = re.sub(r"\D", "", groups.replace("(0)", ""))
        if (
            groups.count(")") - groups.count("(") == bool(in_brackets)
            and (is_international(digits) or is_named(view, start, match.start("groups") + group_end))
            and not re.search(r" [1-9]$", groups)  # '+49 30 1234567 2 Personen'
            and (match["plus"] or not groups.isdigit())
            and _END_OF_INTERNATIONAL.match(view, match.start("groups") + group_end)
        ):
            return start - bool(in_brackets), match.start("groups") + group_end
    return None
