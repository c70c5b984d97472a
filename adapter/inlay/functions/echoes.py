"""What of a reply is the prompt's own: its marks are cut off, and a reply that says the instruction again is none.

A small model goes on after the text with the mark that closes it, or answers an instruction with the instruction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter

_MARK = re.compile(r"</?texts?-[0-9a-f]{0,8}>?")
_LEAST_WORDS = 3


class Echo(Exception):
    """The reply is the prompt's own words; the text says so, as the row's error."""


def own_words(reply: str, instructions: Sequence[str]) -> str:
    """The reply up to the first of the prompt's marks; where it begins with one, what is between it and the next.
    Raises Echo where nothing is left, or where it is or opens with one of the instructions."""
    text = _MARK.split(reply.strip().removeprefix("\n"))
    kept = next((piece.strip() for piece in text if piece.strip()), "")
    if not kept:
        raise Echo("the reply is the prompt's own marks and nothing else")
    plain = _plain(kept)
    for instruction in instructions:
        if plain.startswith(instruction):
            raise Echo(f"the reply begins with the instruction: {kept[:60]!r}")
    return kept


def without_echoes(
    replies: Sequence[str | None], errors: Mapping[int, str], instructions: Sequence[str]
) -> tuple[list[str | None], dict[int, str]]:
    """(the own words of each reply, None where there are none; why, the errors given among them)."""
    values: list[str | None] = []
    errors = dict(errors)
    for i, reply in enumerate(replies):
        try:
            values.append(None if reply is None else own_words(reply, instructions))
        except Echo as error:
            values.append(None)
            errors[i] = str(error)
    return values, errors


def instructions_of(*templates: str) -> list[str]:
    """What prompts ask, to be looked for in replies: the lines of their templates that have a few words of their own,
    up to the first place that is filled in."""
    lines = []
    for template in templates:
        for line in template.splitlines():
            (literal, _, _, _), *_ = Formatter().parse(line or " ")
            if not line.lstrip().startswith("<") and len(_plain(literal).split()) >= _LEAST_WORDS:
                lines.append(_plain(literal))
    return list(dict.fromkeys(lines))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
