"""A reply while it is written: which tokens it has, and when it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from inlay.backends.base import Encoded, Failed, Instruction, Reply, before_stop
from inlay.backends.decoders.sampling import drawn, draws, likeliest

if TYPE_CHECKING:
    from inlay.backends.constrained.decoding_mask import State


NO_TOKEN = -1

# A reply loops where its last tokens, this many at least, are what came just before them, three times over or more.
_LOOP_TOKENS = 48
_LOOP_PERIOD = 64
_LOOK_EVERY = 16


@dataclass(frozen=True)
class Language:
    """text: turns token ids into text as the model's tokenizer does, without special tokens. ends: tokens that end a
    reply."""

    text: Callable[[list[int]], str]
    ends: frozenset[int]


class Draft:
    """One row's reply. place: number of the row among those given to generate()."""

    def __init__(
        self, place: int, row: Encoded, instruction: Instruction, language: Language, state: State | None
    ) -> None:
        self.place = place
        self.ids: Any = row.ids
        self.written: list[int] = []
        self.state = state
        self._truncated = row.truncated
        self._language = language
        self._max_tokens = instruction.max_tokens
        self._pieces = instruction.verbatim
        # With a schema, the schema decides where a reply ends.
        self._stops = tuple(stop for stop in instruction.stop if stop and state is None)
        # A token has at least one byte, so a stop text is within as many of the last tokens; and some more, since a
        # decoder may change the first one's space.
        self._stop_tokens = 8 + max((len(stop.encode()) for stop in self._stops), default=0)
        self._draws = draws(instruction.seed, row.ids) if instruction.temperature > 0 else None
        self._ended = False
        self._is_broken = False
        # What is drawn, or taken however long it is, may repeat itself.
        self._may_loop = not instruction.whole or state is not None or instruction.temperature > 0
        self._loops = False

    @property
    def tokens(self) -> Any:
        """Prompt and reply so far, int32."""
        return np.concatenate([self.ids, np.array(self.written, dtype=np.int32)]) if self.written else self.ids

    @property
    def length(self) -> int:
        return len(self.ids) + len(self.written)

    @property
    def may_write(self) -> int:
        """The number of tokens that may still be added."""
        return self._max_tokens - len(self.written)

    def uniform(self) -> float:
        """The next of the row's own random numbers."""
        assert self._draws is not None
        return float(self._draws.random())

    def take(self, token: int) -> bool:
        """Adds a token; returns whether the reply is finished, which it is without one."""
        if token == NO_TOKEN:
            self._is_broken = True
            return True
        self.written.append(token)
        if self.state is not None:
            self.state.advance(token)
            self._ended = self.state.finished
        elif token in self._language.ends:
            self._ended = True
        elif self._stops:
            recent = self._language.text(self.written[-self._stop_tokens :])
            self._ended = any(stop in recent for stop in self._stops)
        if not self._may_loop and not self._ended and len(self.written) % _LOOK_EVERY == 0:
            self._loops = loops(self.written)
        return self._ended or self._loops or len(self.written) >= self._max_tokens

    def reply(self) -> Reply | Failed:
        """The reply, or why the row has none."""
        problem = self._problem()
        if problem is not None:
            return Failed(problem, len(self.ids), len(self.written))
        text = self._text()
        if self._pieces > 1 and not self._ended:  # of a list that was cut, what is whole
            text = text.rpartition("\n")[0]
        return Reply(before_stop(text, self._stops), len(self.ids), len(self.written), self._truncated, self._ended)

    def _text(self) -> str:
        over = self._ended and self.written[-1] in self._language.ends
        return self._language.text(self.written[:-1] if over else self.written)

    def _problem(self) -> str | None:
        if self._is_broken:
            return f"the model's numbers are not finite after {len(self.written):,} tokens of the reply"
        if self._loops:
            return f"the reply repeats itself without end: it was stopped after {len(self.written):,} tokens"
        if self.state is not None and self.state.problem is not None:
            return self.state.problem
        if self.state is not None and not self._ended and (self._pieces < 2 or "\n" not in self._text()):
            return f"the reply was cut at max_tokens = {self._max_tokens} before it was complete"
        return None


def loops(tokens: Sequence[int]) -> bool:
    """Whether the end of these tokens is one sequence over and over.

    >>> loops(list(range(50)) + [1, 2] * 40), loops(list(range(200)))
    (True, False)
    """
    for period in range(1, min(_LOOP_PERIOD, len(tokens) // 4) + 1):
        n = max(3 * period, _LOOP_TOKENS)
        if len(tokens) >= n + period and tokens[-n:] == tokens[-n - period : -period]:
            return True
    return False


def chosen(drafts: Sequence[Draft], logits: torch.Tensor, temperature: float) -> list[int]:
    """The next token of each draft, NO_TOKEN where its logits are no numbers. logits: float32 [drafts, vocabulary];
    what schemas forbid is set to -inf."""
    states = [draft.state for draft in drafts]
    if any(state is not None for state in states):
        from inlay.backends.constrained.decoding_mask import fill_masks

        fill_masks(states, logits)
    finite = logits.amax(dim=-1).isfinite()  # NaN where any of a row's is
    logits = torch.where(finite[:, None], logits, 0.0)
    tokens = likeliest(logits) if temperature <= 0 else drawn(logits, temperature, [d.uniform() for d in drafts])
    return [token if good else NO_TOKEN for token, good in zip(tokens, finite.tolist(), strict=True)]
