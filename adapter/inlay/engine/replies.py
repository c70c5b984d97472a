"""Replies as they are finished: held against what was asked, and accounted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from inlay.backends.base import Failed, Instruction, Prompt, Reply
from inlay.backends.whole_reply import NotWhole, whole
from inlay.engine.limits import Reserved
from inlay.engine.resolve import Finished, Usage, Work

FinishedReply = tuple[int, Reply | Failed | str]
"""A prompt's position, and its reply or why there is none."""


def use(reserved: Reserved, reply: Reply | Failed | str) -> None:
    """Of what was set aside, what this reply took."""
    if not isinstance(reply, str):
        reserved.use(reply.tokens, reply.output_tokens, reply.set_aside)


def finished_replies(
    batches: Iterable[list[FinishedReply]],
    instruction: Instruction,
    prompts: Sequence[Prompt],
    work: Work,
) -> Iterator[Finished]:
    for batch in batches:
        usage = Usage()
        errors: dict[int, str] = {}
        answered: list[tuple[int, str]] = []
        for position, reply in batch:
            if isinstance(reply, Failed):
                usage.add(Usage(reply.tokens, reply.output_tokens))
                reply = reply.reason
            elif isinstance(reply, Reply):
                # A text whose caller takes what is written by the limit is an answer, and a cut one.
                is_cut = reply.truncated or not (instruction.whole or reply.ended)
                usage.add(Usage(reply.tokens, reply.output_tokens, int(is_cut)))
                try:
                    reply = whole(instruction, prompts[position].content, reply)
                    usage.repaired += reply.repaired
                except NotWhole as error:
                    reply = str(error)
            if isinstance(reply, str):
                errors[position] = reply
            else:
                answered.append((position, reply.text))
        places = np.array([position for position, _ in answered], dtype=np.int64)
        yield Finished(places, [text for _, text in answered], errors, usage=usage)
        work.progressed(len(batch) / len(prompts), usage.tokens + usage.output_tokens)
