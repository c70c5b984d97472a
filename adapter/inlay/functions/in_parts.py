"""Texts that do not fit a language model at once are read in parts; then the replies about the parts are read together,
level by level, until one reply is left. Nothing is ever cut off: a text that is longer than a part is split where a
paragraph, a sentence or a word ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from inlay.arrays import Bools
from inlay.backends.base import Instruction, filled
from inlay.engine import token_counts
from inlay.errors import CannotServeError
from inlay.functions.contract import Ask
from inlay.functions.echoes import instructions_of, without_echoes
from inlay.functions.prompts import prompt_inputs
from inlay.store.inputs import Inputs, text_inputs

# Room for the chat template's own marks, and for the few tokens that joined texts may have more than single ones.
_SCAFFOLD_TOKENS = 64

# Notes on a part are at most this share of what a part may hold, so that each level has a fraction of the one before.
_NOTES_SHARE = 4
_LEAST_ROOM = 64

# Where the tokenizer is not available: an upper estimate of tokens per byte; English has about 0.25.
_TOKENS_PER_BYTE = 0.5

# Letters that are counted at once for each token that there is room for, to learn how many tokens a text has.
_HEAD_CHARS = 8

_SEPARATOR = "\n\n---\n\n"
_BORDERS = (re.compile(r"\n\s*\n"), re.compile(r"[.!?。！？]\s+|\n"), re.compile(r"\s+"))


@dataclass(frozen=True)
class Templates:
    """The prompts for all texts at once, for one part, and for the notes on all parts."""

    at_once: str
    part: str
    together: str


@dataclass
class _Group:
    pieces: list[str]
    pair: str | None
    level: int = 0


def reply_to_all(
    groups: Sequence[Sequence[str]],
    pairs: Sequence[str | None],
    templates: Templates,
    instruction: Instruction,
    ask: Ask,
) -> tuple[list[str | None], dict[int, str], Bools]:
    """One reply for each group of texts: (replies, None where one of its parts failed; why; what was known).

    Raises CannotServeError where instruction and reply leave the model no room for a text.
    """
    asked = instructions_of(instruction.system, templates.at_once, templates.part, templates.together)
    answers: list[str | None] = [None] * len(groups)
    errors: dict[int, str] = {}
    known = np.ones(len(groups), dtype=np.bool_)
    open_groups = {i: _Group(list(group), pair) for i, (group, pair) in enumerate(zip(groups, pairs, strict=True))}
    while open_groups:
        parts = {i: _parts(group, templates, instruction, ask) for i, group in open_groups.items()}
        for last in (True, False):
            mine = [(i, part) for i, texts in parts.items() for part in texts if (len(texts) == 1) is last]
            if not mine:
                continue
            room = _room(templates, instruction, ask, None)
            step_instruction = (
                instruction if last else replace(instruction, max_tokens=_notes_tokens(instruction, room))
            )
            outcome = ask.complete(step_instruction, _prompts(open_groups, mine, templates, last=last), is_last=last)
            own, failed = without_echoes(outcome.rows, outcome.errors, asked)
            replies: dict[int, list[str]] = {}
            for at, (i, _) in enumerate(mine):
                known[i] &= bool(outcome.known[at])
                reply = own[at]
                if reply is None:
                    errors.setdefault(i, failed.get(at, "no reply"))
                else:
                    replies.setdefault(i, []).append(reply)
            for i in {i for i, _ in mine}:
                if i in errors:
                    open_groups.pop(i, None)
                elif last:
                    answers[i] = replies[i][0]
                    del open_groups[i]
                else:
                    open_groups[i].pieces = replies[i]
                    open_groups[i].level += 1
    return answers, errors, known


def _prompts(
    groups: Mapping[int, _Group], parts: Sequence[tuple[int, str]], templates: Templates, *, last: bool
) -> Inputs:
    """In the order of the parts. Each is (the group's number, a part of its texts)."""
    texts = text_inputs([part for _, part in parts])
    prompts = []
    for (number, part), tag in zip(parts, texts.tags(), strict=True):
        group = groups[number]
        template = templates.part if not last else templates.together if group.level else templates.at_once
        prompts.append(filled(template, part, group.pair, tag))
    return prompt_inputs(prompts, texts)


def _parts(group: _Group, templates: Templates, instruction: Instruction, ask: Ask) -> list[str]:
    """The group's pieces joined into as few texts as fit the model, in their order."""
    room = _room(templates, instruction, ask, group.pair)
    pieces = [part for piece in group.pieces for part in split_text(piece, room, ask)]
    sizes = count_tokens([_SEPARATOR, *pieces], ask)
    parts: list[list[str]] = []
    used = 0
    for piece, size in zip(pieces, sizes[1:], strict=True):
        if parts and used + sizes[0] + size <= room:
            parts[-1].append(piece)
            used += sizes[0] + size
        else:
            parts.append([piece])
            used = size
    return [_SEPARATOR.join(part) for part in parts]


def _room(templates: Templates, instruction: Instruction, ask: Ask, pair: str | None) -> int:
    """Tokens that a part may have."""
    longest = max((templates.at_once, templates.part, templates.together), key=len)
    around = sum(count_tokens([instruction.system, filled(longest, "", pair).content], ask))
    room = ask.model.max_tokens - instruction.max_tokens - around - _SCAFFOLD_TOKENS
    if room < _LEAST_ROOM:
        raise CannotServeError(
            f"model {ask.model.name!r} reads and writes {ask.model.max_tokens:,} tokens; its instruction has "
            f"{around:,} and the reply may have {instruction.max_tokens:,}, which leaves no room for texts. Give a "
            "smaller max_tokens, or a model with a larger window."
        )
    return room


def _notes_tokens(instruction: Instruction, room: int) -> int:
    return max(1, min(instruction.max_tokens, room // _NOTES_SHARE))


def count_tokens(texts: Sequence[str], ask: Ask) -> list[int]:
    """By the model's tokenizer; by a generous estimate where an endpoint's is not available. A text that cannot be
    tokenised counts as one that fits: the model will raise the error."""
    if not ask.model.can("token_counts"):
        return [int(len(text.encode("utf-8", "replace")) * _TOKENS_PER_BYTE) + 1 for text in texts]
    counts, _ = token_counts.count_tokens(ask.model, texts)
    return [int(count) for count in counts]


def split_text(text: str, room: int, ask: Ask) -> list[str]:
    """The text in pieces of at most `room` tokens, none of it lost.

    Pieces joined give the text again. One letter that alone is larger stays whole. Each part of the text is counted
    once or twice, however long the text is.
    """
    head = text[: room * _HEAD_CHARS]
    size = count_tokens([head], ask)[0]
    if len(head) == len(text) and size <= room:
        return [text]
    pieces: list[str] = []
    start, per_letter = 0, size / len(head)
    while start < len(text):
        rest = len(text) - start
        n_pieces = -(-int(rest * per_letter + 1) // max(1, int(room * 0.9)))
        end = len(text) if n_pieces < 2 else _border_near(text, start, start + max(1, rest // n_pieces))
        piece, size = text[start:end], count_tokens([text[start:end]], ask)[0]
        while size > room and len(piece) > 1:
            per_letter = max(per_letter, size / len(piece))
            end = _border_near(text, start, start + max(1, min(len(piece) // 2, int(room * 0.9 / per_letter))))
            piece, size = text[start:end], count_tokens([text[start:end]], ask)[0]
        per_letter = size / len(piece)
        pieces.append(piece)
        start = end
    return pieces


def _border_near(text: str, start: int, place: int) -> int:
    """The last end of a paragraph, else of a sentence, else of a word, in the second half of what is between two
    places; the second place itself where there is none."""
    for border in _BORDERS:
        ends = [match.end() for match in border.finditer(text, start + (place - start) // 2, place)]
        if ends and ends[-1] < len(text):
            return ends[-1]
    return place
