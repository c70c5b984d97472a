"""Replies as they are finished: held against what was asked, and accounted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from inlay.backends.base import Failed, Instruction, Prompt, Reply
from inlay.backends.whole_reply import NotWhole, whole
from inlay.engine.resolve import Finished, Usage, Work

FinishedReply = tuple[int, Reply | Failed | str]
"""A prompt's position, and its reply or why there is none."""


def finished_replies(
    batches: Iterable[list[FinishedReply]],
    instruction: Instruction,
    prompts: Sequence[Prompt],
    work: Work,
) -> Iterator[Finished]:
    for batch in batches:
        places: list[int] = []
        texts: list[str] = []
        errors: dict[int, str] = {}
        usage = Usage()
        for position, reply in batch:
            if isinstance(reply, str):
                errors[position] = reply
                continue
            usage.tokens += reply.tokens
            usage.output_tokens += reply.output_tokens
            if isinstance(reply, Failed):
                errors[position] = reply.reason
                continue
            # A text whose caller takes what is written by the limit is an answer, and a cut one.
            usage.truncated += reply.truncated or not (instruction.whole or reply.ended)
            try:
                reply = whole(instruction, prompts[position].content, reply)
            except NotWhole as error:
                errors[position] = str(error)
                continue
            usage.repaired += reply.repaired
            places.append(position)
            texts.append(reply.text)
        yield Finished(np.array(places, dtype=np.int64), texts, errors, usage=usage)
        work.progressed(len(batch) / len(prompts), usage.tokens + usage.output_tokens)
