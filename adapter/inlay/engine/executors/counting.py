"""Runs no model: counts what one would have to do.

What nobody knows is counted once per distinct input over all that one counter is asked, its tokens by the model's own
tokenizer, and comes back as pending.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from inlay.arrays import Bools, Ints
from inlay.backends.base import Choices, Instruction
from inlay.backends.runs import Spans
from inlay.engine.executors.local import TOKENIZE_ROWS, prompts_of
from inlay.engine.question import Question
from inlay.engine.resolve import Finished, Usage, Work
from inlay.engine.token_counts import prompt_tokens, text_tokens
from inlay.locks import new_lock
from inlay.models.ref import ModelRef
from inlay.store.inputs import Inputs

# Inputs of each model that are kept as a sample, for measuring its speed; a reply takes as long as a hundred texts to
# embed.
SAMPLE = {"numbers": 128, "replies": 16}


@dataclass
class Needed:
    """What one model would have to do. inputs: texts and pairs that it would give numbers for. prompts: that it would
    reply to. tokens: that it would read. most_output_tokens: that it could write. sample: some of the inputs."""

    model: ModelRef
    inputs: int = 0
    prompts: int = 0
    tokens: int = 0
    most_output_tokens: int = 0
    sample: list[tuple[Question, Inputs]] = field(default_factory=list)

    def sampled(self, *, replies: bool) -> int:
        return sum(
            len(inputs) for question, inputs in self.sample if isinstance(question.asked, Instruction) is replies
        )


class Counting:
    """Thread-safe. needed: by the model's name."""

    claims = False

    def __init__(self) -> None:
        self.needed: dict[str, Needed] = {}
        self._first_owner: dict[bytes, int | None] = {}
        self._lock = new_lock()

    def run(self, question: Question, inputs: Inputs, work: Work) -> Iterator[Finished]:
        new, known = self._first_asked(question, inputs, work.owner)
        asked = inputs.take(new)
        tokens = _tokens(question, asked)
        with self._lock:
            self._count(question, asked, tokens)
        yield Finished(
            np.zeros(0, dtype=np.int64), None, pending=np.arange(len(inputs)), known=known, usage=Usage(tokens)
        )

    def _first_asked(self, question: Question, inputs: Inputs, owner: int | None) -> tuple[Ints, Bools]:
        """(places of those that nobody asked for before; for each whether it is known once its turn comes, since
        another call has asked for it by then)."""
        keys = question.cache_keys(inputs.keys)
        known = np.zeros(len(keys), dtype=np.bool_)
        new = []
        with self._lock:
            for place, key in enumerate(keys):
                if key not in self._first_owner:
                    self._first_owner[key] = owner
                    new.append(place)
                known[place] = self._first_owner[key] != owner
        return np.array(new, dtype=np.int64), known

    def _count(self, question: Question, asked: Inputs, tokens: int) -> None:
        needed = self.needed.setdefault(question.model.name, Needed(question.model))
        needed.tokens += tokens
        replies = isinstance(question.asked, Instruction)
        if isinstance(question.asked, Instruction):
            needed.prompts += len(asked)
            needed.most_output_tokens += len(asked) * question.asked.max_tokens
        else:
            needed.inputs += len(asked)
        room = SAMPLE["replies" if replies else "numbers"] - needed.sampled(replies=replies)
        if room > 0 and len(asked):
            needed.sample.append((question, asked.slice(0, room)))


def _tokens(question: Question, inputs: Inputs) -> int:
    """That the model would read."""
    total = 0
    for start in range(0, len(inputs), TOKENIZE_ROWS):
        part = inputs.slice(start, TOKENIZE_ROWS)
        columns = [part.values(i) for i in range(len(part.columns))]
        if isinstance(question.asked, Instruction):
            total += prompt_tokens(question.model, question.asked.system, [p.content for p in prompts_of(part)])
        elif isinstance(question.asked, Choices):
            prompts = question.asked.prompts(columns[0], columns[1] if len(columns) > 1 else None, part.tags())
            total += prompt_tokens(question.model, question.asked.system, [prompt.content for prompt in prompts])
        elif isinstance(question.asked, Spans):
            total += text_tokens(question.model, columns[0], None, f"{question.asked.before} ")
        else:
            total += text_tokens(question.model, columns[0], columns[1] if len(columns) > 1 else None, question.asked)
    return total
