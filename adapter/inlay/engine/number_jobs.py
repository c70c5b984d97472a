"""Numbers asked of a loaded model: rows of several callers, run together in batches of near-equal length.

Failures stay with their rows: a batch that runs out of memory is halved, a batch that raises is bisected until the
failing row is isolated.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from inlay.arrays import Floats, Ints, offsets_of
from inlay.backends.base import Backend, OutOfMemory, Tokens
from inlay.engine.batches import cut_batches
from inlay.engine.cancel import Token
from inlay.engine.jobs import Helpers, Job
from inlay.engine.token_budget import TokenBudget
from inlay.errors import InterruptedQueryError

WAIT_SLICE_S = 0.1


class NumbersJob(Job):
    """One caller's rows. `rows` and `errors` are complete once wait() returns; those of `rows` that are done are so
    before, and where wait() raises. on_batch hears of (texts, tokens) as batches finish."""

    # Rows merged and sorted by length at a time. More rows give more even batches, but later first answers and a
    # later stop on Ctrl-C; above some thousands the gain is below one per cent (docs/benchmarks.md).
    window_rows = 16_384

    def __init__(self, tokens: Tokens, cancel: Token, rows: Floats, on_batch: Callable[[int, int], None]) -> None:
        super().__init__(cancel)
        self.tokens = tokens
        self.rows = rows
        self.done = np.zeros(len(tokens), dtype=np.bool_)
        self._taken = np.zeros(len(tokens), dtype=np.bool_)
        self.on_batch = on_batch
        self.errors: dict[int, str] = {}
        self.failure: BaseException | None = None
        self._done = threading.Event()

    def __len__(self) -> int:
        return len(self.tokens)

    def merges_with(self, first: Job) -> bool:
        return (
            isinstance(first, NumbersJob)
            and self.tokens.prompt_tokens == first.tokens.prompt_tokens
            and (self.tokens.types is None) == (first.tokens.types is None)
            and self.tokens.choices == first.tokens.choices
        )

    def end(self, failure: BaseException | None = None) -> None:
        if failure is not None:
            self.failure = failure
        self._done.set()

    def wait(self, at_most_s: float = math.inf) -> bool:
        """Whether every row has an answer or an error by now. Raises InterruptedQueryError when cancelled."""
        until = time.monotonic() + at_most_s
        while not self._done.wait(WAIT_SLICE_S):
            self.cancel.check()
            if time.monotonic() > until:
                return False
        if self.failure is not None:
            raise self.failure
        return True

    def take_done(self) -> Ints:
        """Places of the rows that are done and were not taken before."""
        places = np.flatnonzero(self.done & ~self._taken)
        self._taken[places] = True
        return places


@dataclass
class NumbersWindow:
    """Rows of several jobs. owner and place: whose row each one is, and which of that job's."""

    backend: Backend
    budget: TokenBudget
    helpers: Helpers
    jobs: list[NumbersJob]
    tokens: Tokens = field(init=False)
    owner: Ints = field(init=False)
    place: Ints = field(init=False)
    pending: deque[Ints] = field(init=False)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        lengths = np.concatenate([job.tokens.lengths for job in self.jobs])
        self.owner = np.repeat(np.arange(len(self.jobs)), [len(job) for job in self.jobs])
        self.place = np.concatenate([np.arange(len(job)) for job in self.jobs])
        self.tokens = self.jobs[0].tokens if len(self.jobs) == 1 else joined([job.tokens for job in self.jobs])
        self.pending = deque(cut_batches(lengths, self.budget.max_tokens, self.tokens.alike))

    def run(self) -> None:
        self.helpers.run(self.drain, len(self.pending))
        for job in self.jobs:
            if job.cancel.cancelled:
                job.failure = InterruptedQueryError("interrupted; finished rows are kept.")

    def drain(self) -> None:
        """Runs batches until none is left; several workers do so side by side."""
        while (rows := self.next_batch()) is not None:
            stopped = [number for number, job in enumerate(self.jobs) if job.cancel.cancelled]
            if stopped:
                rows = rows[~np.isin(self.owner[rows], stopped)]
            if not len(rows):
                continue
            try:
                answers = self.backend.run(select_rows(self.tokens, rows))
            except Exception as error:
                with self.lock:
                    self.after_failure(rows, error)
                continue
            with self.lock:
                self.budget.grow()
                self.answer(rows, answers)

    def next_batch(self) -> Ints | None:
        with self.lock:
            return self.pending.popleft() if self.pending else None

    def answer(self, rows: Ints, answers: Floats) -> None:
        for number in set(self.owner[rows].tolist()):  # np.unique() would import numpy.ma for it
            mine = self.owner[rows] == number
            self.jobs[number].rows[self.place[rows[mine]]] = answers[mine]
            self.jobs[number].done[self.place[rows[mine]]] = True
            self.jobs[number].on_batch(int(mine.sum()), int(self.tokens.lengths[rows[mine]].sum()))

    def after_failure(self, rows: Ints, error: Exception) -> None:
        out_of_memory = isinstance(error, OutOfMemory)
        if out_of_memory:
            self.budget.shrink()
        if len(rows) > 1:
            self.pending.extendleft(reversed(np.array_split(rows, 2)))
            return
        kind = f"out of memory on {self.backend.device}" if out_of_memory else type(error).__name__
        self.jobs[self.owner[rows[0]]].errors[int(self.place[rows[0]])] = f"{kind}: {error}"


def joined(parts: Sequence[Tokens]) -> Tokens:
    starts = np.cumsum([0] + [len(part.ids) for part in parts])
    return Tokens(
        ids=np.concatenate([part.ids for part in parts]),
        offsets=np.concatenate(
            [parts[0].offsets[:1], *(p.offsets[1:] + s for p, s in zip(parts, starts, strict=False))]
        ),
        types=None if parts[0].types is None else np.concatenate([p.types for p in parts if p.types is not None]),
        lengths_before=np.concatenate([part.lengths_before for part in parts]),
        prompt_tokens=parts[0].prompt_tokens,
        choices=parts[0].choices,
        alike=_alike(parts),
        texts=None if parts[0].texts is None else tuple(text for part in parts for text in part.texts or ()),
    )


def _alike(parts: Sequence[Tokens]) -> Ints | None:
    """Numbers of their own for the rows of each part."""
    if all(part.alike is None for part in parts):
        return None
    numbers, first = [], 0
    for part in parts:
        own = np.arange(len(part)) if part.alike is None else part.alike
        numbers.append(own + first)
        first += int(own.max()) + 1
    return np.concatenate(numbers)


def select_rows(tokens: Tokens, rows: Ints) -> Tokens:
    lengths = tokens.lengths[rows]
    offsets = offsets_of(lengths)
    where = np.repeat(tokens.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
    return Tokens(
        ids=tokens.ids[where],
        offsets=offsets,
        types=None if tokens.types is None else tokens.types[where],
        lengths_before=tokens.lengths_before[rows],
        prompt_tokens=tokens.prompt_tokens,
        choices=tokens.choices,
        alike=None if tokens.alike is None else tokens.alike[rows],
        texts=None if tokens.texts is None else tuple(tokens.texts[row] for row in rows.tolist()),
    )
