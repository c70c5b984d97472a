"""Replies as they are finished: held against what was asked, and accounted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from inlay.backends.base import Instruction, Reply
from inlay.engine.limits import Reserved
from inlay.engine.resolve import Finished, Usage, Work
from inlay.json_schema import validated

FinishedReply = tuple[int, Reply | str]
"""A prompt's position, and its reply or why there is none."""


def finished_replies(
    batches: Iterable[list[FinishedReply]], instruction: Instruction, reserved: Reserved, work: Work, n_prompts: int
) -> Iterator[Finished]:
    for batch in batches:
        usage = Usage()
        errors: dict[int, str] = {}
        answered: list[tuple[int, str]] = []
        for position, reply in batch:
            if isinstance(reply, Reply):
                reserved.use(reply.tokens, reply.output_tokens)
                usage.add(Usage(reply.tokens, reply.output_tokens, int(reply.truncated)))
                reply = as_asked(instruction, reply)
            if isinstance(reply, str):
                errors[position] = reply
            else:
                answered.append((position, reply.text))
        places = np.array([position for position, _ in answered], dtype=np.int64)
        yield Finished(places, [text for _, text in answered], errors, usage=usage)
        work.progressed(len(batch) / n_prompts, usage.tokens + usage.output_tokens)


def as_asked(instruction: Instruction, reply: Reply) -> Reply | str:
    """The reply where it is what the instruction asks for, without blanks where that is JSON; else why not."""
    if not _is_unicode(reply.text):
        return "the reply is no text: it holds half of a character (a lone surrogate)"
    if instruction.whole and not reply.ended:
        return (
            f"the reply was cut after {reply.output_tokens:,} tokens, before it was complete; "
            f"max_tokens is {instruction.max_tokens:,}"
        )
    if instruction.schema is None:
        return reply
    text, reason = validated(instruction.schema, reply.text)
    return f"the reply is not valid for the schema: {reason}" if text is None else replace(reply, text=text)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
