"""What a lane takes and who works it off: jobs of one kind that may run together, and the worker threads of a model."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from queue import SimpleQueue

from inlay.engine.cancel import Token


class Job(ABC):
    """One caller's rows. window_rows: about how many rows of several jobs run together at most."""

    window_rows: int

    def __init__(self, cancel: Token) -> None:
        self.cancel = cancel

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def merges_with(self, first: Job) -> bool:
        """Whether both may run in one window."""

    @abstractmethod
    def end(self, failure: BaseException | None = None) -> None:
        """Nothing more comes: all is answered, or `failure` ended the work before."""


class _Shared:
    """A piece of work that several threads do until it is done."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work = work
        self.left = threading.Semaphore(0)
        self.failure: BaseException | None = None


class Helpers:
    """Worker threads beside the lane's own, for models with several copies. prepare: called first in each thread, the
    lane's own included."""

    def __init__(self, n_workers: int, prepare: Callable[[], None]) -> None:
        self._n = n_workers - 1
        self._prepare = prepare
        self._all_started = threading.Barrier(max(1, n_workers))
        self._queue: SimpleQueue[_Shared | None] = SimpleQueue()

    def start(self, name: str) -> None:
        # Daemons, so that a query abandoned at exit cannot keep the process alive.
        for _ in range(self._n):
            threading.Thread(target=self._serve, name=name, daemon=True).start()

    def close(self) -> None:
        """Ends the threads, once they have done what is asked of them."""
        for _ in range(self._n):
            self._queue.put(None)

    def prepare(self) -> None:
        if not self._n:
            return
        self._prepare()
        # A worker that starts sets for a moment how many cores others multiply on, and with that the last bits of what
        # they are computing.
        self._all_started.wait()

    def run(self, work: Callable[[], None], n_pieces: int) -> None:
        """Has the work done by this thread, and by as many helpers as there are further pieces of it. Raises what ended
        it in any of them."""
        shared = _Shared(work)
        n_helpers = max(0, min(self._n, n_pieces - 1))
        for _ in range(n_helpers):
            self._queue.put(shared)
        work()
        for _ in range(n_helpers):
            shared.left.acquire()
        if shared.failure is not None:
            raise shared.failure

    def _serve(self) -> None:
        self.prepare()
        while (shared := self._queue.get()) is not None:
            self._help(shared)
            del shared

    @staticmethod
    def _help(shared: _Shared) -> None:
        """A method of its own, so that this thread holds on to nothing of the work while it waits for the next."""
        try:
            shared.work()
        except BaseException as error:
            shared.failure = error
        finally:
            shared.left.release()
