"""Replies asked of a loaded language model: prompts of several callers that are asked alike, replied to together.

Failures stay with their rows: a batch that runs out of memory is run again within half the tokens, a batch that raises
is bisected until the failing row is isolated.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from inlay.backends.base import BatchFailed, Encoded, Failed, Instruction, LanguageModel, OutOfMemory, Reply
from inlay.engine.cancel import Token
from inlay.engine.finished import End, Finished
from inlay.engine.jobs import Job
from inlay.engine.token_budget import TokenBudget


class ReplyJob(Job):
    """One caller's prompts. `finished` hears of each row as it is done, and then of the end."""

    # Rows sorted by length together. A model takes seconds to minutes for so many; more would delay the next caller.
    window_rows = 2_048

    def __init__(
        self, instruction: Instruction, rows: Sequence[Encoded], positions: Sequence[int], cancel: Token
    ) -> None:
        super().__init__(cancel)
        self.instruction = instruction
        self.rows = rows
        self.positions = positions
        self.finished: Finished[tuple[int, Reply | Failed | str]] = Finished()

    def __len__(self) -> int:
        return len(self.rows)

    def merges_with(self, first: Job) -> bool:
        return isinstance(first, ReplyJob) and self.instruction == first.instruction

    def put(self, row: int, reply: Reply | Failed | str) -> None:
        self.finished.put((self.positions[row], reply))

    def end(self, failure: BaseException | None = None) -> None:
        self.finished.put(End(failure))


class RepliesWindow:
    """Rows of several jobs, replied to together."""

    def __init__(self, model: LanguageModel, budget: TokenBudget, jobs: list[ReplyJob]) -> None:
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
        """Runs these rows; gives those that are to be run again, apart from each other where one of them fails them
        all."""

        def done(row: int, reply: Reply | Failed | str) -> None:
            place = places[row]
            self.replied[place] = True
            job, own_row = self.owners[place]
            job.put(own_row, reply)

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
        in_batch = [places[row] for row in failed.rows if not self.replied[places[row]]]
        others = [place for place in places if place not in set(in_batch) and not self.replied[place]]
        out_of_memory = isinstance(failed.cause, OutOfMemory)
        if out_of_memory:
            self.budget.shrink()
        if len(in_batch) == 1:
            job, row = self.owners[in_batch[0]]
            self.replied[in_batch[0]] = True
            job.put(row, f"out of memory on {self.model.device}: {failed.cause}" if out_of_memory else str(failed))
            in_batch = []
        half = len(in_batch) // 2
        return [part for part in (in_batch[:half], in_batch[half:], others) if part]
