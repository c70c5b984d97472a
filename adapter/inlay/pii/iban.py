"""IBANs: by country the length and form of the account number, and the checksum of ISO 13616 (the rest by 97 is 1)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from inlay.pii.reading import WORD

ACCOUNT_FORMS: dict[str, str] = tomllib.loads(Path(__file__).with_name("iban_countries.toml").read_text("utf-8"))
_BEGINNING = re.compile(rf"([A-Za-z](?<![{WORD}].)[A-Za-z]) ?\d\d")
_KINDS = {"n": r"\d", "a": "[A-Za-z]", "c": "[0-9A-Za-z]"}


def spans(view: str) -> Iterator[tuple[int, int]]:
    return ((start, end) for start, end in _of_right_form(view) if _checksum_holds(view[start:end]))


def wrong_spans(view: str) -> Iterator[tuple[int, int]]:
    """Numbers in the form of an IBAN with a wrong checksum: a typing error, and no card or telephone number."""
    return ((start, end) for start, end in _of_right_form(view) if not _checksum_holds(view[start:end]))


def _of_right_form(view: str) -> Iterator[tuple[int, int]]:
    done = 0
    for beginning in _BEGINNING.finditer(view):
        if beginning.start() < done or beginning[1].upper() not in ACCOUNT_FORMS:
            continue
        account = _account(beginning[1].upper()).match(view, beginning.end())
        if account:
            done = account.end()
            yield beginning.start(), done


@cache
def _account(country: str) -> re.Pattern[str]:
    parts = re.findall(r"(\d+)([nac])", ACCOUNT_FORMS[country])
    return re.compile("".join(rf"(?:[ -]?{_KINDS[kind]}){{{n}}}" for n, kind in parts) + rf"(?![{WORD}])")


def _checksum_holds(written: str) -> bool:
    number = re.sub("[ -]", "", written).upper()
    return int("".join(str(int(char, 36)) for char in number[4:] + number[:4])) % 97 == 1
