"""One lane per loaded model: takes what callers have tokenised, merges it, runs it in batches.

While a batch runs, other callers' rows gather in the queue and are merged into the next window; when nothing
runs, a caller's rows start at once. So there is no waiting time to tune, and nothing to wait for that may never
come. Failures stay with their rows: a batch that runs out of memory is halved, a batch that raises is bisected.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Protocol

import numpy as np

from inlay.arrays import Floats, Ints
from inlay.backends.base import Backend, OutOfMemory, Tokens
from inlay.engine.batches import cut_batches
from inlay.engine.cancel import Token, calls_running, interrupt
from inlay.engine.result_cache import empty_rows
from inlay.engine.token_budget import TokenBudget
from inlay.errors import InterruptedQueryError

# Rows merged and sorted by length at a time. More rows give more even batches, but later first answers and a
# later stop on Ctrl-C; above some thousands the gain is below one per cent (docs/benchmarks.md).
WINDOW_ROWS = 16_384

WAIT_SLICE_S = 0.1
EXIT_WAIT_S = 5.0


@dataclass
class Job:
    """One caller's rows. `rows` and `errors` are complete once `done` is set; `told` hears of (texts, tokens) as
    batches finish."""

    tokens: Tokens
    cancel: Token
    width: int
    told: Callable[[int, int], None]
    rows: Floats = field(init=False)
    errors: dict[int, str] = field(default_factory=dict)
    failure: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.rows = empty_rows(len(self.tokens), self.width)

    def wait(self) -> None:
        """Returns when every row has an answer or an error; raises InterruptedQueryError when cancelled."""
        while not self.done.wait(WAIT_SLICE_S):
            self.cancel.check()
        if self.failure is not None:
            raise self.failure


@dataclass
class _Window:
    """Rows of several jobs, run together. owner and place: whose row each one is, and which of that job's."""

    jobs: list[Job]
    tokens: Tokens
    owner: Ints
    place: Ints
    pending: deque[Ints]
    left: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    broken: BaseException | None = None

    def answer(self, rows: Ints, answers: Floats) -> None:
        for number in np.unique(self.owner[rows]):
            mine = self.owner[rows] == number
            self.jobs[number].rows[self.place[rows[mine]]] = answers[mine]
            self.jobs[number].told(int(mine.sum()), int(self.tokens.lengths[rows[mine]].sum()))

    def fail(self, row: int, reason: str) -> None:
        self.jobs[self.owner[row]].errors[int(self.place[row])] = reason


class Stops(Protocol):
    """Whatever works in threads of its own and has to come to rest before the interpreter ends."""

    def wait_until_idle(self, timeout_s: float) -> bool: ...


working: weakref.WeakSet[Stops] = weakref.WeakSet()


def stop_at_exit() -> None:
    """Cancels all work and waits for the batches that are running. The interpreter ends a daemon thread at the next
    touch of Python's lock, and one that comes back from a model's C++ code then takes the whole process down."""
    interrupt()
    deadline = time.monotonic() + EXIT_WAIT_S
    for lane in list(working):
        lane.wait_until_idle(max(0.0, deadline - time.monotonic()))
    if calls_running():
        while calls_running() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)  # for DuckDB to hand the error to whoever asked


class Lane:
    """Owns the device side of one backend."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.budget = TokenBudget(backend.max_batch_tokens)
        self._queue: deque[Job] = deque()
        self._wake = threading.Condition()
        self._started = False
        self._idle = threading.Event()
        self._idle.set()
        self._lock = threading.Lock()
        self._all_started = threading.Barrier(max(1, backend.workers))
        self._windows: SimpleQueue[_Window] = SimpleQueue()
        working.add(self)

    def wait_until_idle(self, timeout_s: float) -> bool:
        return self._idle.wait(timeout_s)

    def submit(self, tokens: Tokens, cancel: Token, told: Callable[[int, int], None]) -> Job:
        width = self.backend.ref.width if tokens.choices is None else len(tokens.choices.options)
        job = Job(tokens, cancel, width, told)
        if not len(tokens):
            job.done.set()
            return job
        with self._wake:
            if not self._started:
                self._started = True
                # Daemons, so that a query abandoned at exit cannot keep the process alive.
                for work in (self._serve, *[self._help] * (self.backend.workers - 1)):
                    threading.Thread(target=work, name=f"inlay {self.backend.ref.name}", daemon=True).start()
            self._queue.append(job)
            self._idle.clear()
            self._wake.notify()
        return job

    def _start_worker(self) -> None:
        self.backend.start_worker()
        # A worker that starts sets for a moment how many cores others multiply on, and with that the last bits of what
        # they are computing.
        self._all_started.wait()

    def _help(self) -> None:
        self._start_worker()
        while True:
            window = self._windows.get()
            try:
                self._drain(window)
            except BaseException as error:
                window.broken = error
            finally:
                window.left.release()
                del window  # as in _serve_window

    def _serve(self) -> None:
        if self.backend.workers > 1:
            self._start_worker()
        while True:
            self._serve_window()

    def _serve_window(self) -> None:
        """One window. A method of its own, so that this thread holds on to nothing of it while it waits for the next:
        a job's failure leads by its traceback to the caller's variables, open connections among them."""
        with self._wake:
            while not self._queue:
                self._idle.set()
                self._wake.wait()
            jobs = self._take_window()
        try:
            self._run_window(jobs)
        except BaseException as error:  # a bug here must reach the callers, not leave them waiting
            for job in jobs:
                job.failure = error
        finally:
            for job in jobs:
                job.done.set()

    def _take_window(self) -> list[Job]:
        jobs = [self._queue.popleft()]
        n_rows = len(jobs[0].tokens)
        like = jobs[0].tokens
        while self._queue and n_rows < WINDOW_ROWS:
            following = self._queue[0].tokens
            if (
                following.prompt_tokens != like.prompt_tokens
                or (following.types is None) != (like.types is None)
                or following.choices != like.choices
            ):
                break
            n_rows += len(following)
            jobs.append(self._queue.popleft())
        return jobs

    def _run_window(self, jobs: list[Job]) -> None:
        lengths = np.concatenate([job.tokens.lengths for job in jobs])
        owner = np.repeat(np.arange(len(jobs)), [len(job.tokens) for job in jobs])
        place = np.concatenate([np.arange(len(job.tokens)) for job in jobs])
        tokens = jobs[0].tokens if len(jobs) == 1 else joined([job.tokens for job in jobs])
        window = _Window(jobs, tokens, owner, place, deque(cut_batches(lengths, self.budget.max_tokens, tokens.alike)))
        helpers = min(self.backend.workers, len(window.pending)) - 1
        for _ in range(helpers):
            self._windows.put(window)
        self._drain(window)
        for _ in range(helpers):
            window.left.acquire()
        if window.broken is not None:
            raise window.broken
        for job in jobs:
            if job.cancel.cancelled:
                job.failure = InterruptedQueryError("interrupted; finished rows are kept.")

    def _drain(self, window: _Window) -> None:
        """Runs the window's batches until none is left; several workers do so side by side."""
        while True:
            with self._lock:
                if not window.pending:
                    return
                rows = window.pending.popleft()
            stopped = [number for number, job in enumerate(window.jobs) if job.cancel.cancelled]
            if stopped:
                rows = rows[~np.isin(window.owner[rows], stopped)]
            if not len(rows):
                continue
            try:
                answers = self.backend.run(select_rows(window.tokens, rows))
            except Exception as error:
                out_of_memory = isinstance(error, OutOfMemory)
                with self._lock:
                    if out_of_memory:
                        self.budget.shrink()
                    if len(rows) > 1:
                        window.pending.extendleft(reversed(np.array_split(rows, 2)))
                    elif out_of_memory:
                        window.fail(int(rows[0]), f"out of memory on {self.backend.device}: {error}")
                    else:
                        window.fail(int(rows[0]), f"{type(error).__name__}: {error}")
                continue
            with self._lock:
                self.budget.grow()
                window.answer(rows, answers)


def joined(parts: list[Tokens]) -> Tokens:
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
    )


def _alike(parts: list[Tokens]) -> Ints | None:
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
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    where = np.repeat(tokens.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
    return Tokens(
        ids=tokens.ids[where],
        offsets=offsets,
        types=None if tokens.types is None else tokens.types[where],
        lengths_before=tokens.lengths_before[rows],
        prompt_tokens=tokens.prompt_tokens,
        choices=tokens.choices,
        alike=None if tokens.alike is None else tokens.alike[rows],
    )
