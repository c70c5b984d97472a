"""One lane per loaded language model: takes the prompts that callers have encoded, merges those that are asked the same
way, and has the model reply to them, one window at a time.

Failures stay with their rows: a batch that runs out of memory is run again within half the tokens, a batch that raises
is bisected until the guilty row stands alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from inlay.backends.base import BatchFailed, Encoded, Instruction, LanguageModel, OutOfMemory, Reply
from inlay.engine.cancel import Token
from inlay.engine.finished import End, Finished
from inlay.engine.lane import working
from inlay.engine.token_budget import TokenBudget

# Rows sorted by length together. A model takes seconds to minutes for so many; more would only delay the next caller.
WINDOW_ROWS = 2_048


@dataclass
class TextJob:
    """One caller's prompts. `finished` hears of each row as it is done, and then of the end."""

    instruction: Instruction
    rows: Sequence[Encoded]
    positions: Sequence[int]
    cancel: Token
    finished: Finished[tuple[int, Reply | str]] = field(default_factory=Finished)

    def tell(self, row: int, reply: Reply | str) -> None:
        self.finished.put((self.positions[row], reply))


class TextLane:
    """Owns the device side of one language model."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.budget = TokenBudget(model.max_batch_tokens)
        self._queue: deque[TextJob] = deque()
        self._wake = threading.Condition()
        self._started = False
        self._idle = threading.Event()
        self._idle.set()
        working.add(self)

    def wait_until_idle(self, timeout_s: float) -> bool:
        return self._idle.wait(timeout_s)

    def submit(self, job: TextJob) -> None:
        if not job.rows:
            job.finished.put(End())
            return
        with self._wake:
            if not self._started:
                self._started = True
                threading.Thread(target=self._serve, name=f"inlay {self.model.ref.name}", daemon=True).start()
            self._queue.append(job)
            self._idle.clear()
            self._wake.notify()

    def _serve(self) -> None:
        while True:
            self._serve_window()

    def _serve_window(self) -> None:
        """A method of its own, so that this thread holds on to nothing of a window while it waits for the next."""
        with self._wake:
            while not self._queue:
                self._idle.set()
                self._wake.wait()
            jobs = self._take_window()
        end = End()
        try:
            _Window(self.model, self.budget, jobs).run()
        except BaseException as error:  # a bug here must reach the callers, not leave them waiting
            end = End(error)
        for job in jobs:
            job.finished.put(end)

    def _take_window(self) -> list[TextJob]:
        jobs = [self._queue.popleft()]
        n_rows = len(jobs[0].rows)
        others: list[TextJob] = []
        while self._queue and n_rows < WINDOW_ROWS:
            following = self._queue.popleft()
            if following.instruction == jobs[0].instruction:
                jobs.append(following)
                n_rows += len(following.rows)
            else:
                others.append(following)
        self._queue.extendleft(reversed(others))
        return jobs


class _Window:
    """Rows of several jobs, replied to together."""

    def __init__(self, model: LanguageModel, budget: TokenBudget, jobs: list[TextJob]) -> None:
        self.model = model
        self.budget = budget
        self.jobs = jobs
        self.owners = [(job, row) for job in jobs for row in range(len(job.rows))]
        self.replied = [False] * len(self.owners)

    def run(self) -> None:
        pending = deque([list(range(len(self.owners)))])
        while pending:
            places = [place for place in pending.popleft() if not self._is_over(place)]
            if places:
                pending.extendleft(reversed(self._replied_or_split(places)))

    def _is_over(self, place: int) -> bool:
        return self.replied[place] or self.owners[place][0].cancel.cancelled

    def _replied_or_split(self, places: list[int]) -> list[list[int]]:
        """Runs these rows; gives those that are to be run again, apart from each other where one of them spoils it."""

        def done(row: int, reply: Reply | str) -> None:
            place = places[row]
            self.replied[place] = True
            job, mine = self.owners[place]
            job.tell(mine, reply)

        running = {id(self.owners[place][0]): self.owners[place][0] for place in places}.values()
        rows = [job.rows[row] for job, row in (self.owners[place] for place in places)]
        try:
            self.model.generate(
                self.jobs[0].instruction,
                rows,
                max_batch_tokens=self.budget.max_tokens,
                stopped=lambda: any(job.cancel.cancelled for job in running),
                done=done,
            )
        except BatchFailed as failed:
            return self._after(failed, places)
        self.budget.grow()
        # One of several jobs was cancelled, so the model stopped; the others go on.
        left = [place for place in places if not self._is_over(place)]
        return [left] if left else []

    def _after(self, failed: BatchFailed, places: list[int]) -> list[list[int]]:
        guilty = [places[row] for row in failed.rows if not self.replied[places[row]]]
        innocent = [place for place in places if place not in set(guilty) and not self.replied[place]]
        out_of_memory = isinstance(failed.cause, OutOfMemory)
        if out_of_memory:
            self.budget.shrink()
        if len(guilty) == 1:
            job, row = self.owners[guilty[0]]
            self.replied[guilty[0]] = True
            job.tell(row, f"out of memory on {self.model.device}: {failed.cause}" if out_of_memory else str(failed))
            guilty = []
        half = len(guilty) // 2
        return [part for part in (guilty[:half], guilty[half:], innocent) if part]
