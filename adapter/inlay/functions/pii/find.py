"""Which spans of a text are personal data, and the text without them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from inlay.functions.pii import email_address, iban, ip_address, payment_card, phone_number, ssn, web_address
from inlay.functions.pii.categories import CATEGORIES
from inlay.functions.pii.no_pii import dates_and_times, uuids
from inlay.functions.pii.reading import masked, read

VERSION = 1  # of the rules: stored answers are by it; raise it whenever a text may get other spans

Rule = Callable[[str], Iterator[tuple[int, int]]]

# What comes earlier takes its characters from what comes later. None: no personal data, but easily taken for some.
RULES: tuple[tuple[str | None, Rule], ...] = (
    ("url", web_address.spans),
    ("email", email_address.spans),
    (None, uuids),
    ("iban", iban.spans),
    (None, iban.wrong_spans),
    ("card", payment_card.spans),
    ("ip", ip_address.spans),
    ("ssn", ssn.spans),
    (None, dates_and_times),
    ("phone", phone_number.spans),
)
# They hold other data, which counts where they themselves were not asked for.
_CONTAINERS = {"url", "email"}
_PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(CATEGORIES).upper()})\]")


@dataclass(frozen=True)
class Span:
    """start, end: code points of the text, from 0, end exclusive. text: what stands there."""

    category: str
    start: int
    end: int
    text: str


def find_pii(text: str, categories: Sequence[str] = CATEGORIES) -> list[Span]:
    """The spans of the categories, in order, none overlapping another.

    A placeholder of redact() is read as what it replaced, whatever that was.

    >>> find_pii("Write to jo@example.com, or call 202-555-0143.", ["email"])
    [Span(category='email', start=9, end=23, text='jo@example.com')]
    """
    view, places = read(text)
    view = masked(view, (found.span() for found in _PLACEHOLDER.finditer(view)))
    found: list[tuple[int, int, str]] = []
    # A number next to another may be in doubt until that one is known: 'SSN 123 45 6789 202-555-0143'. So the rules
    # are applied until they find no more; that is also why a redacted text has nothing left in it.
    while new := _found(view, categories):
        found += new
        view = masked(view, ((start, end) for start, end, _ in new))
    return [
        Span(category, places[start], places[end - 1] + 1, text[places[start] : places[end - 1] + 1])
        for start, end, category in sorted(found)
    ]


def redact(text: str, categories: Sequence[str] = CATEGORIES) -> str:
    """The text with '[EMAIL]', '[CARD]' and so on in the places of its spans.

    >>> redact("Write to jo@example.com, or call 202-555-0143.")
    'Write to [EMAIL], or call [PHONE].'
    """
    pieces: list[str] = []
    done = 0
    for span in find_pii(text, categories):
        pieces += (text[done : span.start], f"[{span.category.upper()}]")
        done = span.end
    return "".join(pieces) + text[done:]


def _found(view: str, categories: Sequence[str]) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    for category, rule in RULES:
        if category in _CONTAINERS and category not in categories:
            continue
        spans = list(rule(view))
        if category is not None and category in categories:
            found += [(start, end, category) for start, end in spans]
        view = masked(view, spans)
    return sorted(found)
