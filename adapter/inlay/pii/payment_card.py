"""Payment cards: 12 to 19 digits of a known issuer whose Luhn checksum holds (ISO/IEC 7812), in one piece or in the
groups that cards print, with one separator throughout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from inlay.pii.reading import DIGIT, WORD

# First digits → lengths. Ranges are those that the networks publish; a length that a network allows but hardly any
# issuer uses is left out, since one number in ten passes the checksum by chance.
_ISSUERS: tuple[tuple[str, tuple[int, ...]], ...] = (
    (r"4", (13, 16, 19)),  # Visa
    (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),  # Mastercard
    (r"3[47]", (15,)),  # American Express
    (r"6011|64[4-9]|65", (16, 19)),  # Discover
    (r"30[0-5]|3095|36|3[89]", (14, 16)),  # Diners Club
    (r"35", (16,)),  # JCB has 3528 to 3589; generators of test data take all of 35
    (r"2131|1800", (15,)),  # JCB, the older ones
    (r"62|81[0-7]", (16, 17, 18, 19)),  # UnionPay
    (r"5018|5020|5038|5893|6304|6759|676[1-3]", tuple(range(12, 20))),  # Maestro
    (r"5[6-8]|6390", (12, 16)),  # Maestro, the rest of what it was given
    (r"0604", (12,)),  # Maestro, in generators of test data alone
    (r"220[0-4]", (16,)),  # Mir
    (r"5019", (16,)),  # Dankort
    (r"508[5-9]|652[12]", (16,)),  # RuPay
)
_ISSUED = {
    length: re.compile("|".join(prefix for prefix, lengths in _ISSUERS if length in lengths))
    for length in range(12, 20)
}
_GROUPS: tuple[tuple[int, ...], ...] = (
    (4, 4, 4, 4, 3), (6, 13),
    (4, 4, 4, 4, 2),
    (4, 4, 4, 4, 1), (4, 4, 4, 5),
    (4, 4, 4, 4), (8, 8), (4, 4, 8),
    (4, 6, 5), (4, 4, 4, 3),
    (4, 6, 4), (4, 4, 4, 2),
    (4, 3, 3, 3), (4, 4, 5),
    (4, 4, 4),
)  # fmt: skip
_GROUPS_BY_FIRST = {first: [some for some in _GROUPS if some[0] == first] for first in {some[0] for some in _GROUPS}}
_RUN = re.compile(rf"\d(?<![{WORD}+$€£¥].)\d*+(?:[ .-]\d++)*+")
_GROUP = re.compile(r"(\D*)(\d+)")
# '4111111111111111-e29b' is an identifier; '4111111111111111-Visa' is a card.
_GOES_ON = re.compile(rf"[{WORD}]|-[A-Za-z]{{0,8}}[{DIGIT}]|\.[{DIGIT}]")
_GOES_BEFORE = re.compile(rf"[{DIGIT}][-.]")
# 'card number: 4465635453229'. In other places 13 digits that are an article number (EAN-13) are one.
_NAMED = re.compile(
    r"(?<![a-z])(?i:(?:credit|debit|bank)?[ -]?cards?|visa|maestro|mastercard|karte|kreditkarte|carte|tarjeta|carta"
    r"|cartão)(?![a-z])[^\d\n]{0,30}$"
)
_EXPIRY = re.compile(r"(?:0[1-9]|1[0-2])\d\d|20\d\d")

_TIGHT = {"-", "."}


class Group(NamedTuple):
    """Digits of a run, and what separates them from the group before."""

    start: int
    end: int
    separator: str

    @property
    def length(self) -> int:
        return self.end - self.start


def spans(view: str) -> Iterator[tuple[int, int]]:
    for run in _RUN.finditer(view):
        if run.end() - run.start() >= 12:
            yield from _cards_of_run(view, run.start(), run.end())


def _cards_of_run(view: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cards in a run of digit groups: an expiry date or another card may follow a card."""
    groups = [Group(match.start(2), match.end(2), match[1]) for match in _GROUP.finditer(view, start, end)]
    i = after_card = 0
    while i < len(groups):
        n = _card_at(view, groups, i)
        if n and _stands_alone(view, groups, i, n, after_card):
            yield groups[i].start, groups[i + n - 1].end
            i = after_card = i + n
        else:
            i += 1


def _card_at(view: str, groups: list[Group], i: int) -> int:
    """How many groups from the i-th on are a card number; 0 if none are."""
    if groups[i].length >= 12:
        digits = view[groups[i].start : groups[i].end]
        is_named = _NAMED.search(view, max(0, groups[i].start - 48), groups[i].start)
        return int(_is_card(digits) and (bool(is_named) or not _is_article(digits)))
    for lengths in _GROUPS_BY_FIRST.get(groups[i].length, ()):
        some = groups[i : i + len(lengths)]
        if (
            tuple(group.length for group in some) == lengths
            and len({group.separator for group in some[1:]}) == 1
            and _is_card(digits := "".join(view[group.start : group.end] for group in some))
            and not _is_article(digits)
        ):
            return len(lengths)
    return 0


def _stands_alone(view: str, groups: list[Group], i: int, n: int, after_card: int) -> bool:
    """Whether the n groups are not the middle of a longer number: a hyphen or a dot continues one, and so does a space
    where the next group has four digits as well and is not of another number's hyphens."""
    by = groups[i + 1].separator if n > 1 else ""
    if i == 0 and _GOES_BEFORE.match(view, max(0, groups[0].start - 2), groups[0].start):
        return False
    if i > after_card:
        before, other = groups[i - 1], groups[i - 1].separator if i > 1 else ""
        if groups[i].separator in _TIGHT or (by == " " and before.length == 4 and other not in _TIGHT):
            return False
    if i + n == len(groups):
        return not _GOES_ON.match(view, groups[-1].end)
    after = groups[i + n]
    if after.separator in _TIGHT:
        return False
    if by != " " or after.length != 4:
        return True
    return bool(_EXPIRY.fullmatch(view[after.start : after.end]) or _card_at(view, groups, i + n))


def _is_card(digits: str) -> bool:
    issued = _ISSUED.get(len(digits))
    return bool(issued and issued.match(digits)) and _luhn_holds(digits)


def _luhn_holds(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(int(digit) for digit in digits[::-2]) + sum(doubled)) % 10 == 0


def _is_article(digits: str) -> bool:
    """A 13-digit Visa number of old that is an article number (EAN-13) too, as German ones begin with 4: one in ten of
    either, and articles are many."""
    return len(digits) == 13 and (sum(map(int, digits[::2])) + 3 * sum(map(int, digits[1::2]))) % 10 == 0
