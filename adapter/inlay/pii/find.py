"""Which spans of a text are personal data, and the text without them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from inlay.pii import email_address, iban, ip_address, payment_card, phone_number, ssn, web_address
from inlay.pii.categories import CATEGORIES
from inlay.pii.no_pii import dates_and_times, uuids
from inlay.pii.reading import MASK, PLACEHOLDERS, masked, read

VERSION = 2  # of the rules, part of the identity of stored answers; raise it whenever a text may get other spans

Rule = Callable[[str], Iterator[tuple[int, int]]]

# Characters matched by an earlier rule are hidden from later ones. None: looks like personal data and is none.
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
# They contain other data, which is searched where the call excludes these categories.
_CONTAINERS = {"url", "email"}
_PLACEHOLDER = re.compile(rf"\[({'|'.join(CATEGORIES).upper()})\]")


@dataclass(frozen=True)
class Span:
    """start, end: code points of the text, from 0, end exclusive. text: text[start:end]."""

    category: str
    start: int
    end: int
    text: str


def find_pii(text: str, categories: Sequence[str] = CATEGORIES) -> list[Span]:
    """The spans of the categories, in order, none overlapping another.

    A placeholder of redact() is read as the data that it replaced.

    >>> find_pii("Write to jo@example.com, or call 202-555-0143.", ["email"])
    [Span(category='email', start=9, end=23, text='jo@example.com')]
    """
    view, places = read(text)
    view = _PLACEHOLDER.sub(lambda matches: PLACEHOLDERS[CATEGORIES.index(matches[1].lower())] * len(matches[0]), view)
    spans: list[Span] = []
    for category, rule in RULES:
        if category not in _CONTAINERS or category in categories:
            matches = list(rule(view))
            view = masked(view, matches)
            if category is not None and category in categories:
                for start, end in ((places[start], places[end - 1] + 1) for start, end in matches):
                    spans.append(Span(category, start, end, text[start:end]))
        if category is not None:
            view = view.replace(PLACEHOLDERS[CATEGORIES.index(category)], MASK)
    return sorted(spans, key=lambda span: span.start)


def redact(text: str, categories: Sequence[str] = CATEGORIES) -> str:
    """The text with '[EMAIL]', '[CARD]' and so on in place of its spans.

    >>> redact("Write to jo@example.com, or call 202-555-0143.")
    'Write to [EMAIL], or call [PHONE].'
    """
    # Once is enough except for about one in a hundred thousand random texts, in which a placeholder tells less about
    # its neighbours than the digits did. Nothing may remain in those either.
    while spans := find_pii(text, categories):
        text = without(text, spans)
    return text


def without(text: str, spans: Sequence[Span]) -> str:
    """The text with the categories' names in place of the spans, which are in order and do not overlap."""
    pieces: list[str] = []
    done = 0
    for span in spans:
        pieces += (text[done : span.start], f"[{span.category.upper()}]")
        done = span.end
    return "".join(pieces) + text[done:]
