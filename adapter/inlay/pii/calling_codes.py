"""Calling codes (ITU-T E.164) and how many digits follow them (national numbering plans)."""

from __future__ import annotations

_ONE_OR_TWO_DIGITS = {
    "1", "7",
    "20", "27", "30", "31", "32", "33", "34", "36", "39", "40", "41", "43", "44", "45", "46", "47", "48", "49",
    "51", "52", "53", "54", "55", "56", "57", "58", "60", "61", "62", "63", "64", "65", "66", "81", "82", "84",
    "86", "90", "91", "92", "93", "94", "95", "98",
}  # fmt: skip
# The first two of three digits → the third.
_THREE_DIGITS = {
    "21": "12368", "22": "0123456789", "23": "0123456789", "24": "0123456789", "25": "012345678", "26":
    "0123456789", "29": "01789", "35": "0123456789", "37": "012345678", "38": "01235679", "42": "013", "50":
    "0123456789", "59": "0123456789", "67": "023456789", "68": "012356789", "69": "012", "80": "08", "85": "02356",
    "87": "08", "88": "012368", "96": "012345678", "97": "012345679", "99": "234568",
}  # fmt: skip
_CODES = _ONE_OR_TWO_DIGITS | {first + third for first, thirds in _THREE_DIGITS.items() for third in thirds}
# Fewest and most digits after the code, where that is known to be narrow or wide.
_LENGTHS: dict[str, tuple[int, int]] = {
    "1": (10, 10), "7": (10, 10), "20": (8, 10), "27": (9, 9), "30": (10, 10), "31": (9, 9), "32": (8, 9),
    "33": (9, 9), "34": (9, 9), "36": (8, 9), "39": (6, 11), "40": (9, 9), "41": (9, 9), "43": (6, 13), "44": (9, 10),
    "45": (8, 8), "46": (7, 10), "47": (8, 8), "48": (9, 9), "49": (6, 12), "52": (10, 10), "54": (10, 11),
    "55": (10, 11), "56": (9, 9), "61": (9, 9), "65": (8, 8), "81": (9, 10), "86": (10, 11), "90": (10, 10),
    "91": (10, 10), "351": (9, 9), "352": (5, 9), "353": (7, 9), "354": (7, 9), "420": (9, 9), "421": (9, 9),
    "852": (8, 8), "966": (8, 9), "971": (8, 9), "972": (8, 9),
}  # fmt: skip
_ANY_LENGTH = (6, 12)


def is_international(digits: str) -> bool:
    """Whether the digits after a + can be a number: a code in use, and as many digits as its country has."""
    for code in (digits[:1], digits[:2], digits[:3]):
        if code in _CODES:
            fewest, most = _LENGTHS.get(code, _ANY_LENGTH)
            rest = digits[len(code) :]
            return fewest <= len(rest) <= most and not rest.startswith("0" if code == "1" else "00")
    return False
