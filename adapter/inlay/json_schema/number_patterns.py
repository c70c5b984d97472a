"""Regular expressions of the numbers between two bounds.

Only JSON's plain way of writing is produced: no leading zeros, no plus, and an exponent where no bound is given at all.
Digits are limited, or a model could write them without end: an integer has as many as its bounds, a number at most 15
before the point and six after it; fewer where both together exceed the precision of a double, and more where a bound
itself has more after the point.

The expressions are built of classes, groups, | and {m,n} alone; `&` between two means both at once, as in llguidance's
terminals. Each part is a terminal's text: "/[0-9]/ | /1[0-5]/".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

DIGITS_BEFORE = 15
DIGITS_BEHIND = 6
_LIMIT = 10**DIGITS_BEFORE


def integer_pattern(schema: Mapping[str, Any]) -> str:
    """Integers that the bounds of a schema allow. Raises ValueError where there are none."""
    low, high = schema.get("minimum"), schema.get("maximum")
    lows = [] if low is None else [math.ceil(Decimal(str(low)))]
    highs = [] if high is None else [math.floor(Decimal(str(high)))]
    if "exclusiveMinimum" in schema:
        lows.append(math.floor(Decimal(str(schema["exclusiveMinimum"]))) + 1)
    if "exclusiveMaximum" in schema:
        highs.append(math.ceil(Decimal(str(schema["exclusiveMaximum"]))) - 1)
    least = max(lows) if lows else min([1 - _LIMIT, *(high - _LIMIT for high in highs)])
    greatest = min(highs) if highs else max(_LIMIT - 1, least + _LIMIT)
    if least > greatest:
        raise ValueError(f"no integer is between its bounds ({least} to {greatest})")
    parts = []
    if least < 0:
        parts.append(f"/-{_between(max(1, -greatest), -least)}/")
    if greatest >= 0:
        parts.append(f"/{_between(max(0, least), greatest)}/")
    return " | ".join(parts)


def number_pattern(schema: Mapping[str, Any]) -> str:
    """Numbers that the bounds of a schema allow. Raises ValueError where there are none that can be written."""
    lows = [(Decimal(str(schema[word])), word[0] == "e") for word in ("minimum", "exclusiveMinimum") if word in schema]
    highs = [(Decimal(str(schema[word])), word[0] != "e") for word in ("maximum", "exclusiveMaximum") if word in schema]
    if not lows and not highs:
        whole = f"-?(0|[1-9][0-9]{{0,{DIGITS_BEFORE - 1}}})"
        return f"/{whole}{_fraction(DIGITS_BEHIND)}([eE][+-]?[0-9]{{1,2}})?/"
    # Beyond this limit a double has no digits after the point, and a model that writes such numbers is wrong anyway.
    limit = Decimal(_LIMIT)
    low, above = max(lows) if lows else (min(-limit, 2 * min(highs)[0]), True)
    high, included = min(highs) if highs else (max(limit, 2 * low), False)
    if low < -limit < high:
        low, above = -limit, True
    if high > limit > low:
        high, included = limit, False
    parts = []
    if low < 0:
        negative = _positive(max(Decimal(0), high.copy_negate()), low.copy_abs(), high <= 0 and not included, above)
        parts += [f"/-/ ({part})" for part in negative]
    if high >= 0:
        parts += _positive(max(Decimal(0), low), high, low >= 0 and above, not included)
    if not parts:
        raise ValueError(f"no number is between its bounds ({low} to {high})")
    return " | ".join(parts)


def _positive(low: Decimal, high: Decimal, above: bool, below: bool) -> list[str]:
    """Numbers from low, 0 or more, to high; above, below: without low, without high itself."""
    if low > high or (low == high and (above or below)):
        return []
    first, last = int(low), int(high)
    behind_low, behind_high = _fraction_digits(low), _fraction_digits(high)
    least_digits = max(len(behind_low), len(behind_high)) if first == last else 0
    at_least = _from(behind_low, max(least_digits, len(behind_low), _digits(len(str(first)))), above)
    at_most = _up_to(behind_high, max(least_digits, len(behind_high), _digits(len(str(last)))), below)
    if first == last:
        return [f"/{first}/ (({at_least}) & ({at_most}))"] if at_least and at_most else []
    parts = [f"/{first}/ ({at_least})"] if at_least else []
    start = first + 1
    while start < last:
        length = len(str(start))
        while length < len(str(last - 1)) and _digits(length + 1) == _digits(length):
            length += 1
        end = min(last - 1, 10**length - 1)
        parts.append(f"/{_between(start, end)}{_fraction(_digits(length))}/")
        start = end + 1
    return parts + ([f"/{last}/ ({at_most})"] if at_most else [])


def _digits(length: int) -> int:
    """The most digits after the point of a number with `length` digits before it."""
    return max(0, min(DIGITS_BEHIND, DIGITS_BEFORE - length))


def _fraction(digits: int) -> str:
    return f"(\\.[0-9]{{1,{digits}}})?" if digits else ""


def _fraction_digits(number: Decimal) -> str:
    """The digits after the point, without zeros at the end."""
    return f"{number:f}".partition(".")[2].rstrip("0")


def _from(behind: str, digits: int, above: bool) -> str:
    """The pattern after a whole number for which the fraction is at least 0.<behind>, or above it."""
    if not behind and not above:
        return f"/{_fraction(digits)}/" if digits else '""'
    larger = [
        f"{behind[:i]}[{int(digit) + 1}-9]{_any(digits - i - 1)}" for i, digit in enumerate(behind) if digit != "9"
    ]
    rest = digits - len(behind)
    if not above:
        larger.append(f"{behind}{_any(rest)}")
    else:
        larger += [f"{behind}0{{{zeros}}}[1-9]{_any(rest - zeros - 1)}" for zeros in range(rest)]
    return f"/\\.({'|'.join(larger)})/" if larger else ""


def _up_to(behind: str, digits: int, below: bool) -> str:
    """The pattern after a whole number for which the fraction is at most 0.<behind>, or below it."""
    if not behind and below:
        return ""
    if not digits:
        return '""'
    smaller = [
        f"{behind[:i]}[0-{int(digit) - 1}]{_any(digits - i - 1)}" for i, digit in enumerate(behind) if digit != "0"
    ]
    smaller += [behind[:i] for i in range(1, len(behind))]
    if not below:
        zeros = digits - len(behind)
        smaller.append(f"{behind}0{{0,{zeros}}}" if behind else f"0{{1,{zeros}}}")
    return f"/(\\.({'|'.join(smaller)}))?/" if smaller else '""'


def _between(low: int, high: int) -> str:
    """Whole numbers from low, 0 or more, to high, as a group.

    >>> _between(7, 12345)
    '([7-9]|[1-9][0-9]{1,3}|1[0-1][0-9]{3}|12[0-2][0-9]{2}|123[0-3][0-9]|1234[0-5])'
    """
    shortest, longest = len(str(low)), len(str(high))
    if shortest == longest:
        return f"({'|'.join(_of_length(str(low), str(high)))})"
    parts = _of_length(str(low), "9" * shortest)
    if longest - shortest > 1:
        parts.append(f"[1-9][0-9]{{{shortest},{longest - 2}}}")
    return f"({'|'.join(parts + _of_length('1' + '0' * (longest - 1), str(high)))})"


def _of_length(low: str, high: str) -> list[str]:
    """Patterns of the digit strings from low to high, which have one length."""
    if low == high:
        return [low]
    if set(low) == {"0"} and set(high) == {"9"}:
        return [f"[0-9]{{{len(low)}}}" if len(low) > 1 else "[0-9]"]
    if len(low) == 1:
        return [f"[{low}-{high}]"]
    if low[0] == high[0]:
        return [low[0] + rest for rest in _of_length(low[1:], high[1:])]
    nines, zeros = "9" * (len(low) - 1), "0" * (len(low) - 1)
    first, last = int(low[0]), int(high[0])
    parts = []
    if low[1:] != zeros:
        parts += [low[0] + rest for rest in _of_length(low[1:], nines)]
        first += 1
    closing: list[str] = []
    if high[1:] != nines:
        closing = [high[0] + rest for rest in _of_length(zeros, high[1:])]
        last -= 1
    if first <= last:
        lead = str(first) if first == last else f"[{first}-{last}]"
        parts += [lead + rest for rest in _of_length(zeros, nines)]
    return parts + closing


def _any(digits: int) -> str:
    return f"[0-9]{{0,{digits}}}" if digits > 0 else ""
