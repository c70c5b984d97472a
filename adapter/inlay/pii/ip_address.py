"""IP addresses: four numbers with dots, or the groups of IPv6, that Python's `ipaddress` takes.

An address that looks like a version number is none after words such as 'version', 'section' or 'upgrade to'. Of IPv6 at
least one group has three digits or more, or it is ::1: Python's slices (x[1::2]), C++'s scopes and ratios have the form
of others.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from inlay.pii.reading import DIGIT, PLACED, WORD, masked

_V4 = re.compile(
    rf"\d(?<![{WORD}_].)(?<![{DIGIT}]\..)\d{{0,2}}\.\d{{1,3}}\.\d{{1,3}}\.\d{{1,3}}(?![{WORD}_]|\.[{DIGIT}]|-[A-Za-z])",
    re.ASCII,
)
_VERSION = re.compile(
    r"(?:(?:version|release|revision|build|firmware)[\"'`]?[ :=<>~]{0,4}[\"'`]?"
    r"|(?<![A-Za-z])(?:v|vers?|rel|rev|fw|sec|section|chapter|clause|fig|figure|table|art|article"
    r"|kapitel|abschnitt|ziffer)[. ]{0,2}|§§? ?"
    r"|(?:up|down)(?:grade|date)[sd]?(?: [\w.-]{1,20})?(?: from \S{1,45})? (?:to|from) )$",
    re.IGNORECASE,
)
_REQUIREMENT = re.compile(r"(\w+)\]?(?:[=~!<>]=|===)$")
_HOST_LIKE = re.compile(r"(?:ip|addr|address|host|src|dst)\Z", re.IGNORECASE)
_COLON_OF_A_WORD = re.compile(r"(?<=[A-Za-z\"'\])]):(?!:)")  # ip:fe80::1
_WORD = re.compile(f"[{WORD}_]")
_GOES_ON = re.compile(rf"[{WORD}_]|[.:]+[{PLACED}]")
_TWO_COLONS = re.compile(":[0-9A-Fa-f]{0,4}:")
_V6 = re.compile(r"[0-9A-Fa-f:.]++")
_LOOPBACK_AND_PORT = re.compile(r"::1:\d{2,5}")  # as netstat writes it
_LONGEST_V6 = 45


def spans(view: str) -> Iterator[tuple[int, int]]:
    addresses = list(_v6(view)) if _TWO_COLONS.search(view) else []
    view = masked(view, addresses)
    addresses += [m.span() for m in _V4.finditer(view) if _is_address(m[0]) and not _is_version(view, m)]
    return iter(sorted(addresses))


def _is_version(view: str, match: re.Match[str]) -> bool:
    before = view[max(0, match.start() - 96) : match.start()]
    if _VERSION.search(before):
        return True
    if before.endswith("/") and match[0].endswith(".0.0.0"):  # Chrome/120.0.0.0
        return before[-2:-1].isalpha()
    requirement = _REQUIREMENT.search(before)  # flask==1.2.3.4, but not ip.src==1.2.3.4
    return requirement is not None and not _HOST_LIKE.search(requirement[1])


def _v6(view: str) -> Iterator[tuple[int, int]]:
    for match in _V6.finditer(view):
        if match[0].count(":", 0, _LONGEST_V6) < 2:
            continue
        start, end = match.span()
        if _COLON_OF_A_WORD.match(view, start):
            start += 1
        while view[end - 1] == "." or (view[end - 1] == ":" and view[end - 2] != ":"):
            end -= 1
        if _LOOPBACK_AND_PORT.fullmatch(view, start, end):
            end = start + len("::1")
        if end - start > _LONGEST_V6 or not _stands_alone(view, start, end):
            continue
        written = view[start:end]
        if (_is_telling(written) or _is_loopback(view, start, written)) and _is_address(written):
            yield start, end


def _stands_alone(view: str, start: int, end: int) -> bool:
    return not (start and _WORD.match(view, start - 1)) and not _GOES_ON.match(view, end)


def _is_telling(written: str) -> bool:
    groups = written.split(":")
    if len(groups) == 8 and all(len(group) == 2 for group in groups):  # EUI-64, a device's hardware address
        return False
    return any(len(group) > 2 for group in groups) and any(char.isdigit() for char in written)


def _is_loopback(view: str, start: int, written: str) -> bool:
    is_slice = view[start - 1 : start] == "[" and re.match(rf"[{WORD}_)\]]", view[start - 2 : start - 1] or " ")
    return written == "::1" and not is_slice


def _is_address(written: str) -> bool:
    try:
        ipaddress.ip_address(written)
    except ValueError:
        return False
    return True
