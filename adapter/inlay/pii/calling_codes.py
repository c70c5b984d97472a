"""Telephone numbers of all countries, by calling code and number of digits (calling_codes.toml)."""

from __future__ import annotations

import tomllib
from pathlib import Path

_PLANS = tomllib.loads(Path(__file__).with_name("calling_codes.toml").read_text("utf-8"))
_CODES = frozenset(_PLANS["codes"].split())
_ANY_LENGTH = (6, 12)


def is_international(digits: str) -> bool:
    """Whether the digits after a + can be a number: a code in use, and as many digits as its country has."""
    for code in (digits[:1], digits[:2], digits[:3]):
        if code in _CODES:
            fewest, most = _PLANS["digits"].get(code, _ANY_LENGTH)
            rest = digits[len(code) :]
            return bool(fewest <= len(rest) <= most) and not rest.startswith("0" if code == "1" else "00")
    return False
