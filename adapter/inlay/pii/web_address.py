"""URLs: http, https, ftp and sftp, and host names that begin with www.

A URL ends before white space, quotes and <>, before punctuation that a sentence puts after it, and at the bracket that
closes one opened before it. A comma or semicolon ends it where another URL or an e-mail address follows, or where it
began after the same one: then it is a cell of a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from inlay.pii.reading import MASKS, WORD

# The first letter comes before the condition on what precedes it, which is quicker: http, https, ftp, ftps, sftp.
_BEGINNING = re.compile(
    rf"[fhs](?<![0-9A-Za-z{MASKS}].)(?:(?<=h)ttps?|(?<=f)tps?|(?<=s)ftp)://|w(?<![{WORD}@.\-/].)ww\.(?=[^\W_])",
    re.IGNORECASE,
)
_CLOSES = {")": "(", "]": "[", "}": "{"}
_ENDS = rf'\s<>"`|\\^{MASKS}“”„«»‹›‘’…—、。〈-】〔-〟！（），：；？'
_TURN = re.compile(rf"[{_ENDS}]|[()\[\]{{}}]|[,;']|&(?:quot|lt|gt|apos|nbsp|#39|#34|#x27);")
_ANOTHER = re.compile(r"(?:https?|s?ftps?)://|www\.|[0-9A-Za-z._+-]{1,64}@[0-9A-Za-z-]{1,63}\.", re.IGNORECASE)
_AFTER_A_SENTENCE = ".,;:!?'\"([{"
_AUTHORITY = re.compile(r"[^/?#]*")
_OTHER_SCRIPT = re.compile(r"(?<=[0-9A-Za-z])(?=[^\x00-\u036f\u1e00-\u1eff])")
# Looked at before the rest is read, so that no part of a text is read twice.
_HOST = re.compile(rf"(?:[^/?#{_ENDS}]{{0,256}}@)?(?:[0-9A-Za-z]|[^\x00-\x7f{_ENDS}]|\[[0-9A-Fa-f:.]{{2,45}}\])")
_WWW_HOST = re.compile(r"(?:[^\W_](?:[\w-]{0,62})\.){1,9}[^\W\d_]{2,}", re.IGNORECASE)


def spans(view: str) -> Iterator[tuple[int, int]]:
    beginning = _BEGINNING.search(view)
    while beginning:
        start, body = beginning.span()
        done = body
        has_scheme = beginning[0].endswith("/")
        if (_HOST if has_scheme else _WWW_HOST).match(view, body):
            end = _end(view, start, body)
            if has_scheme:
                end = _end_of_host(view, body, end)
            if (_HOST if has_scheme else _WWW_HOST).match(view, body, end):
                yield start, end
                done = end
        beginning = _BEGINNING.search(view, done)


def _end(view: str, start: int, body: int) -> int:
    before = view[start - 1 : start]
    end = len(view)
    opened = {"(": 0, "[": 0, "{": 0}
    for turn in _TURN.finditer(view, body):
        char = turn[0]
        if char in opened:
            opened[char] += 1
        elif char in _CLOSES and opened[_CLOSES[char]]:
            opened[_CLOSES[char]] -= 1
        elif char not in ",;'" or char == before or (char != "'" and _ANOTHER.match(view, turn.end())):
            end = turn.start()
            break
    trailing = _AFTER_A_SENTENCE + (before if before and before in "*_~" else "")
    while end > body and view[end - 1] in trailing:
        end -= 1
    return end


def _end_of_host(view: str, body: int, end: int) -> int:
    """Where the host runs into text of another script without a space, the URL ends there."""
    authority = _AUTHORITY.match(view, body, end)
    turn = authority and _OTHER_SCRIPT.search(view, body, authority.end())
    return turn.start() if turn else end
