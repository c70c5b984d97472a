"""One lane per loaded model: takes what callers have encoded, merges what may run together, and has it run.

While a window runs, other callers' jobs gather in the queue and are merged into the next; when nothing runs, a caller's
rows start at once. So there is no waiting time to tune, and nothing to wait for that may never come.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from typing import cast

from inlay.backends.base import Backend, LanguageModel
from inlay.engine import cancel
from inlay.engine.jobs import Helpers, Job
from inlay.engine.number_jobs import NumbersJob, NumbersWindow
from inlay.engine.reply_jobs import RepliesWindow, ReplyJob
from inlay.engine.token_budget import TokenBudget

_lanes: weakref.WeakSet[Lane] = weakref.WeakSet()


class Lane:
    """Owns the device side of one model."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._number_budget = TokenBudget(backend.max_batch_tokens)
        self._reply_budget = TokenBudget(backend.max_batch_tokens)
        self.begin(backend.workers)
        _lanes.add(self)
        cancel.wait_at_exit(self)

    def begin(self, n_workers: int) -> None:
        """With no thread and no job yet."""
        self._helpers = Helpers(n_workers, self.backend.start_worker)
        self._queue: deque[Job] = deque()
        self._wake = threading.Condition()
        self._started = self._closed = False
        self._idle = threading.Event()
        self._idle.set()

    @property
    def language_model(self) -> LanguageModel:
        """The same model, for replies; only of models that give them."""
        return cast("LanguageModel", self.backend)

    @property
    def max_batch_tokens(self) -> int:
        """Of a batch of numbers, by now: less than the device's own after it ran out of memory."""
        return self._number_budget.max_tokens

    @property
    def is_idle(self) -> bool:
        return self._idle.is_set()

    def close(self) -> None:
        """Lets go of the model's threads, which hold its weights; only of an idle lane that nobody will use."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._helpers.close()

    def wait_until_idle(self, timeout_s: float) -> bool:
        return self._idle.wait(timeout_s)

    def submit(self, job: Job) -> None:
        if not len(job):
            job.end()
            return
        with self._wake:
            if not self._started:
                self._started = True
                name = f"inlay {self.backend.ref.name}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()
                self._helpers.start(name)
            self._queue.append(job)
            self._idle.clear()
            self._wake.notify()

    def _serve(self) -> None:
        self._helpers.prepare()
        while self._serve_window():
            pass

    def _serve_window(self) -> bool:
        """One window; False once the lane is closed. A method of its own, so that this thread holds on to nothing of it
        while it waits for the next: a job's failure leads by its traceback to the caller's variables, open connections
        among them."""
        with self._wake:
            while not self._queue:
                self._idle.set()
                if self._closed:
                    return False
                self._wake.wait()
            jobs = self._take_window()
        failure: BaseException | None = None
        try:
            self._run(jobs)
        except BaseException as error:  # a bug here must reach the callers, not leave them waiting
            failure = error
        for job in jobs:
            job.end(failure)
        return True

    def _run(self, jobs: list[Job]) -> None:
        if isinstance(jobs[0], NumbersJob):
            NumbersWindow(self.backend, self._number_budget, self._helpers, cast("list[NumbersJob]", jobs)).run()
        else:
            RepliesWindow(self.language_model, self._reply_budget, cast("list[ReplyJob]", jobs)).run()

    def _take_window(self) -> list[Job]:
        """The oldest job, and those behind it that may run together with it."""
        jobs = [self._queue.popleft()]
        n_rows = len(jobs[0])
        others: list[Job] = []
        while self._queue and n_rows < jobs[0].window_rows:
            following = self._queue.popleft()
            if following.merges_with(jobs[0]):
                jobs.append(following)
                n_rows += len(following)
            else:
                others.append(following)
        self._queue.extendleft(reversed(others))
        return jobs


def begin_anew() -> None:
    """In a forked child: the lanes' threads are not there."""
    for each in list(_lanes):
        each.begin(1)
