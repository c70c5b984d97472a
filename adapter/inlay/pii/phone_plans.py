"""What countries define about telephone numbers, by the library phonenumbers: which codes and lengths exist, and how a
number is written at home.

Its import takes 0.1 s, and most texts have no candidate; so it is imported with the first one.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

# Countries whose numbers begin with 0 at home. Without it, or with digits of other groups, a number could be anything.
_REGIONS_WITH_0 = (
    "GB", "DE", "AT", "CH", "FR", "NL", "BE", "SE", "FI", "IE", "IT", "RO", "UA", "TR", "IL", "ZA",
    "AU", "NZ", "JP", "KR", "IN", "TW", "TH", "PH", "ID", "MY", "HR", "SI", "RS", "SK", "BG",
)  # fmt: skip


@lru_cache(maxsize=4096)
def is_international(digits: str) -> bool:
    """Whether the digits after a + can be a number: a code in use, and as many digits as its country has.

    Numbers that are not assigned are included: invented ones often are not.
    """
    import phonenumbers

    number = _number(f"+{digits}")
    if number is None or digits[len(str(number.country_code)) :].startswith("0" if number.country_code == 1 else "00"):
        return False
    reason = phonenumbers.is_possible_number_with_reason(number)
    return bool(reason == phonenumbers.ValidationResult.IS_POSSIBLE)


@lru_cache(maxsize=4096)
def is_written_as_at_home(written: str) -> bool:
    """Whether it is an assigned number of one of the regions, with its digits in the groups that are usual there."""
    import phonenumbers

    groups = re.findall(r"\d+", written)
    for region in _REGIONS_WITH_0:
        number = _number(written, region)
        if number is not None and phonenumbers.is_valid_number_for_region(number, region):
            at_home = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
            if re.findall(r"\d+", at_home) == groups:
                return True
    return False


def _number(written: str, region: str | None = None) -> PhoneNumber | None:
    import phonenumbers

    try:
        return phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None
