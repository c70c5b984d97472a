"""E-mail addresses in common use, which are fewer than RFC 5322 allows.

A domain has at least two labels, the last of letters. Local part and labels may be of any script, each of one: in
'请联系jo@example.com谢谢' the address is the Latin part. No addresses: git@host:path and scp's host:/path, the user of
a URL (postgres://user:pw@host), handles with an @ before them, files (icon@2x.png), calls (a@b.mean()), and the names
of mails (Message-ID: <…>).
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator

from inlay.pii.reading import MASKS

_LONGEST_LOCAL, _LONGEST_DOMAIN = 64, 253  # RFC 5321, section 4.5.3.1
_LITERAL = re.compile(r"\[(?:IPv6:)?[0-9A-Fa-f:.]{2,45}\]")
# Endings of files that are no top-level domains.
_FILES = {
    *("avif", "bmp", "cjs", "css", "csv", "dll", "exe", "gif", "gz", "htm", "html", "ico", "jpeg", "jpg", "js", "json"),
    *("jsx", "less", "log", "mjs", "pdf", "png", "scss", "svg", "tar", "tgz", "ts", "tsx", "txt", "webp", "whl", "xml"),
    *("class", "jar", "yaml", "yml"),
}
_MESSAGE_ID = re.compile(r"(?:message-id|in-reply-to|references)\"?[:=]\s?\"?<?(?:[\w.+$-]{0,40}=)?$", re.IGNORECASE)
_QUOTED = re.compile(r'"\w(?:[^"\n]*\w)?"')
_BLOCKS = re.compile(f"[@{MASKS}]")
_BLOCKS_AFTER = re.compile(f"-*[@{MASKS}]")
_PATH_AFTER = re.compile(r":(?:[/~]|[A-Za-z][A-Za-z._~-]{0,63}/(?!/))")


def spans(view: str) -> Iterator[tuple[int, int]]:
    done = 0
    at = view.find("@")
    while at != -1:
        span = _around(view, at, done)
        if span:
            yield span
            done = span[1]
        at = view.find("@", max(at + 1, done))


def _around(view: str, at: int, lowest: int) -> tuple[int, int] | None:
    start = _start_of_local(view, at, lowest)
    if start is None or at - start > _LONGEST_LOCAL:
        return None
    end = _end_of_domain(view, at + 1)
    if end is None:
        return None
    local, after = view[start:at], view[end : end + 1]
    if after == "_":  # Markdown's _jo@example.com_
        start += len(local) - len(local.lstrip("_"))
        if view[start - 1 : start] != "_":
            return None
    elif after == "'" and "'" in local:  # b'jo@example.com'
        start += local.rindex("'") + 1
    is_call = after == "(" and not view.endswith((".com", ".net", ".org"), at, end)
    if is_call or _BLOCKS_AFTER.match(view, end) or (after and after.isascii() and after.isalnum()):
        return None
    if _PATH_AFTER.match(view, end) or (local == "git" and after in {":", "/"}):
        return None
    is_none = start >= at or _in_authority(view, start, at) or _MESSAGE_ID.search(view[max(0, start - 80) : start])
    return None if is_none else (start, end)


def _start_of_local(view: str, at: int, lowest: int) -> int | None:
    """None where no local part ends before the @."""
    if view[at - 1 : at] == '"' and at > lowest:
        return _start_of_quoted(view, at, lowest)
    start = at
    latin: bool | None = None
    while start > lowest:
        char = view[start - 1]
        if char == "%" and re.match("[0-9A-Fa-f]{2}", view[start : start + 2]):
            start += 2  # an encoded character is not of the address: '%20jo@example.com'
            break
        if _is_letter(char):
            latin = _is_latin(char) if latin is None else latin
            if _is_latin(char) != latin:
                break
        elif not (char.isdigit() or char in "._+-'&=%" or "\u0300" <= char <= "\u036f"):
            break
        start -= 1
        if at - start > 4 * _LONGEST_LOCAL:
            return None
    if start > 0 and _BLOCKS.match(view[start - 1]):
        return None
    return _trimmed(view, start, at)


def _trimmed(view: str, start: int, at: int) -> int | None:
    """The start of the local part, without characters before it that do not belong to it."""
    local = view[start:at]
    if local.endswith((".", "'", "=", "&")):
        return None
    # bounce+jo=example.com@…: mailing lists write the other's address after a plus. Else it is a key and its value.
    key, equals, _ = local.rpartition("=")
    if equals and "+" not in key:
        start += len(key) + 1
    # o'brien and d'amico; all'info@ is Italian for 'to info@'.
    name, apostrophe, _ = view[start:at].rpartition("'")
    if apostrophe and len(re.split("[._+-]", name)[-1]) > 2:
        start += len(name) + 1
    dots = re.search(r"\.{2,}(?!.*\.\.)", view[start:at])
    if dots and len(dots[0]) == 2 and dots.start():
        return None
    if dots:
        start += dots.end()
    while start < at and not (view[start].isalnum() or view[start] == "_"):
        start += 1
    return start


def _start_of_quoted(view: str, at: int, lowest: int) -> int | None:
    start = view.rfind('"', max(lowest, at - _LONGEST_LOCAL), at - 1)
    if start == -1 or not _QUOTED.fullmatch(view, start, at):
        return None
    return None if start and view[start - 1].isalnum() else start


def _end_of_domain(view: str, start: int) -> int | None:
    """None where no domain of at least two labels begins."""
    literal = _LITERAL.match(view, start)
    if literal:
        return literal.end()
    labels: list[tuple[int, int]] = []
    place = start
    while (end := _end_of_label(view, place)) > place:
        labels.append((place, end))
        if end - start > _LONGEST_DOMAIN:
            return None
        if view[end : end + 1] != ".":
            break
        place = end + 1
    # 'jo@example.com.Please reply', '…@example.com.2. …', '…@example.com.次に': the last dot ends a sentence.
    while len(labels) > 2 and _begins_a_sentence(view, labels):
        labels.pop()
    if len(labels) > 1 and not _is_top_level(view[slice(*labels[-1])]):
        # '…@example.com.10.0.0.1': what has digits and ends in no domain is of another kind.
        labels = [*labels[:2], *itertools.takewhile(lambda label: not _has_digit(view[slice(*label)]), labels[2:])]
    return labels[-1][1] if len(labels) > 1 and _is_top_level(view[slice(*labels[-1])]) else None


def _end_of_label(view: str, start: int) -> int:
    end = start
    latin: bool | None = None
    for char in view[start : start + _LONGEST_DOMAIN + 1]:
        if _is_letter(char):
            latin = _is_latin(char) if latin is None else latin
            if _is_latin(char) != latin:
                break
        elif not (char.isdigit() or (char == "-" and end > start) or "\u0300" <= char <= "\u036f"):
            break
        end += 1
    while end > start and view[end - 1] == "-":
        end -= 1
    return end


def _is_top_level(label: str) -> bool:
    """Whether a label can be the last: of letters, and no file's ending."""
    if label.lower().startswith("xn--"):
        return True
    return len(label) > 1 and label.lower() not in _FILES and all(_is_letter(char) for char in label)


def _begins_a_sentence(view: str, labels: list[tuple[int, int]]) -> bool:
    *others, last = (view[start:end] for start, end in labels)
    if _has_digit(last):
        return True
    if len(last) > 1 and last.istitle():
        return "".join(others).islower()
    return not _is_latin(last[0]) and all(_is_latin(char) for char in "".join(others))


def _in_authority(view: str, start: int, at: int) -> bool:
    """Whether the @ is between the user and the host of a URL."""
    scheme = view.rfind("://", max(0, start - 256), at)
    return scheme != -1 and not re.search(r"[/?#\s<>\"',;]", view[scheme + 3 : at])


def _has_digit(label: str) -> bool:
    return any(char.isdigit() for char in label) and not label.lower().startswith("xn--")


def _is_letter(char: str) -> bool:
    """Marks too: vowels of Indic scripts are some. Not the ones that Latin letters are combined with."""
    if _BLOCKS.match(char):
        return False
    return char.isalpha() or (char > "\u036f" and unicodedata.category(char)[0] == "M")


def _is_latin(char: str) -> bool:
    return char < "\u0370" or "\u1e00" <= char <= "\u1eff"
