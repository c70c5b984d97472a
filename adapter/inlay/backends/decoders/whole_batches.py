"""Replies in batches whose rows all start together, for models that cannot be read row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

from inlay.backends.base import BatchFailed, Done
from inlay.backends.decoders.replies import Draft, chosen
from inlay.backends.memory import out_of_memory_unified

# Rows of a batch on a CPU. They end at about the same time, so a killed process loses a whole batch: seconds of work,
# not minutes. SmolLM2-135M writes as many tokens for a second of CPU by 32 rows as by 64 (28.5 and 30.6; by 16, 9.9).
CPU_ROWS = 32


class Batch:
    """Rows that start together. drafts: None in the place of a finished one."""

    def __init__(self, drafts: Sequence[Draft], temperature: float, stopped: Callable[[], bool], done: Done) -> None:
        self.begun = tuple(drafts)
        self.drafts: list[Draft | None] = list(drafts)
        self.stopped = stopped
        self._temperature = temperature
        self._done = done

    @property
    def places(self) -> list[int]:
        """The numbers of the running rows."""
        return [i for i, draft in enumerate(self.drafts) if draft is not None]

    def take(self, logits: torch.Tensor) -> list[int]:
        """The next token of each row, 0 for finished ones. logits: [rows, vocabulary]."""
        places = self.places
        under_way = [draft for draft in self.drafts if draft is not None]
        tokens = [0] * len(self.drafts)
        next_tokens = chosen(under_way, logits[places].float(), self._temperature)
        for place, draft, token in zip(places, under_way, next_tokens, strict=True):
            tokens[place] = max(token, 0)
            if draft.take(token):
                self.drafts[place] = None
                self._done(draft.place, draft.reply())
        return tokens

    def close_up(self) -> list[int]:
        """Removes finished rows; returns the numbers of the others."""
        places = self.places
        self.drafts = [self.drafts[place] for place in places]
        return places


@torch.inference_mode()
def write_batches(
    write: Callable[[Batch], None],
    drafts: Sequence[Draft],
    temperature: float,
    device: torch.device,
    *,
    max_batch_tokens: int,
    stopped: Callable[[], bool],
    done: Done,
) -> None:
    """write: writes one batch, until its end or until batch.stopped() returns True. Raises BatchFailed."""
    most_rows = CPU_ROWS if device.type == "cpu" else len(drafts)
    for rows in cut_whole_batches(drafts, max_batch_tokens, most_rows):
        if stopped():
            return
        batch = Batch(rows, temperature, stopped, done)
        try:
            with out_of_memory_unified(device):
                write(batch)
        except Exception as error:
            raise BatchFailed([draft.place for draft in batch.drafts if draft is not None], error) from error


def cut_whole_batches(drafts: Sequence[Draft], max_batch_tokens: int, most_rows: int) -> Iterator[list[Draft]]:
    """Longest first; rows times the longest prompt with its reply stay within the budget unless one row is larger."""
    ordered = sorted(drafts, key=lambda draft: -draft.length)
    start = 0
    while start < len(ordered):
        first = ordered[start]
        n_rows = max(1, min(most_rows, max_batch_tokens // (first.length + first.may_write)))
        yield ordered[start : start + n_rows]
        start += n_rows
