"""The word `pattern` of JSON Schema, in Python's terms.

JSON Schema means ECMAScript's expressions, where \\d and \\w are ASCII and $ is the very end; to Python \\d is any
Unicode digit and $ also matches before a last line feed. A local model is constrained to the former while it writes, so
a reply must be checked by it too.
"""

from __future__ import annotations

import re
from functools import lru_cache

_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_"}


@lru_cache(maxsize=256)
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern for re.search(). Raises re.error where the pattern is no expression.

    >>> compiled("^\\\\d+$").pattern
    '^[0-9]+\\\\Z'
    """
    re.compile(pattern)
    parts: list[str] = []
    in_class = False
    rest = iter(pattern)
    for character in rest:
        if character == "\\":
            following = next(rest, "")
            ascii_class = _CLASSES.get(following.lower())
            if ascii_class and following.islower():
                parts.append(ascii_class if in_class else f"[{ascii_class}]")
            elif ascii_class and not in_class:
                parts.append(f"[^{ascii_class}]")
            else:
                parts.append(character + following)
            continue
        if character == "$" and not in_class:
            parts.append("\\Z")
            continue
        if character == "[" and not in_class:
            in_class = True
        elif character == "]" and parts[-1] not in ("[", "[^"):
            in_class = False
        parts.append(character)
    return re.compile("".join(parts))
