"""Cancellation: a count for the process and one for each connection, which rise at each interrupt.

A piece of work notes the counts when it begins and stops when one has risen. DuckDB tells a running function nothing
of an interrupt, so every wait in the engine looks at them. signals.py makes Ctrl-C one.
"""

from __future__ import annotations

import _thread
import threading
import time
import weakref
from collections.abc import Callable, Hashable
from typing import Any, Protocol

from inlay.errors import InterruptedQueryError

STATEMENTS_KEPT = 1_000
STOP_AGAIN_S = 0.05
EXIT_WAIT_S = 5.0


class Works(Protocol):
    """What runs batches in threads of its own."""

    def wait_until_idle(self, timeout_s: float) -> bool: ...


_of_process = 0
_of_connection: dict[int, int] = {}
_process_from: dict[int, int] = {}
"""Connection → the count of the process from which on interrupts stop its work, also before that has begun."""
_began: dict[Hashable, int] = {}
"""Statement → the counts when it began."""
_watches: dict[int, Watch] = {}
_this_thread = threading.local()
_running: set[int] = set()
"""Threads that are inside a function."""
_workers: weakref.WeakSet[Works] = weakref.WeakSet()


def interrupt(connection: int | None = None) -> None:
    """Stops what is running now, of one connection or of the whole process; later work is not touched."""
    global _of_process
    if connection is None:
        _of_process += 1
    else:
        _of_connection[connection] = _of_connection.get(connection, 0) + 1
    for watch in list(_watches.values()):
        if connection is None or connection == watch.connection:
            watch.stop()


def process_count() -> int:
    return _of_process


def stop_from(connection: int, count: int) -> None:
    """Has every interrupt of the process after that process_count() stop the connection's work, whatever begins later:
    its statements are one run, and the Ctrl-C that ended the run may come between two of them or while one is planned.
    """
    _process_from[connection] = count


def is_watched(connection: int) -> bool:
    """Whether a caller is in a statement on that connection."""
    return any(watch.connection == connection for watch in list(_watches.values()))


def wait_at_exit(worker: Works) -> None:
    """From here on stop_at_exit() waits for what it runs."""
    _workers.add(worker)


def stop_at_exit() -> None:
    """Cancels all work and waits for the batches that are running. The interpreter ends a daemon thread at the next
    touch of Python's lock, and one that comes back from a model's C++ code then takes the whole process down."""
    interrupt()
    deadline = time.monotonic() + EXIT_WAIT_S
    for worker in list(_workers):
        worker.wait_until_idle(max(0.0, deadline - time.monotonic()))
    if _running:
        while _running and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)  # for DuckDB to hand the error to whoever asked


def check() -> None:
    """Raises InterruptedQueryError where the statement that this thread works for was interrupted."""
    watch: Watch | None = getattr(_this_thread, "watch", None)
    if watch is not None and (watch.ctrl_c or watch.interrupted):
        raise InterruptedQueryError("interrupted; finished rows are kept.")


class Token:
    """Held by one piece of work; made inside a function, the interrupts of its connection count as well."""

    def __init__(self) -> None:
        work: tuple[int | None, int] = getattr(_this_thread, "work", None) or (None, _count(None))
        self._connection, self._seen = work

    @property
    def cancelled(self) -> bool:
        return _count(self._connection) != self._seen

    def check(self) -> None:
        if self.cancelled:
            raise InterruptedQueryError("interrupted by Ctrl-C or a cancelled statement; finished rows are kept.")


class Watch:
    """Held by a caller while DuckDB works for it: which interrupt, if any, came since.

    One statement may be many queries, and DuckDB forgets an interrupt that comes between two. So from an interrupt on,
    `stop_duckdb` is called again and again until the caller is back. raised: what a signal's handler has raised in this
    thread meanwhile, which DuckDB and Python may swallow.
    """

    def __init__(self, connection: int, stop_duckdb: Callable[[], None]) -> None:
        self.connection = connection
        self.raised: BaseException | None = None
        self._stop_duckdb = stop_duckdb
        self._process, self._own = _process_from.get(connection, _of_process), _of_connection.get(connection, 0)
        self._lock = threading.Lock()
        self._is_over = self._is_stopping = False

    def __enter__(self) -> Watch:
        self._before: Watch | None = getattr(_this_thread, "watch", None)
        _this_thread.watch = _watches[id(self)] = self
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_over = True
        _this_thread.watch = self._before
        _watches.pop(id(self), None)
        self.raised = None  # its traceback leads here

    @property
    def ctrl_c(self) -> bool:
        return _of_process != self._process

    @property
    def interrupted(self) -> bool:
        return _of_connection.get(self.connection, 0) != self._own

    @property
    def seen(self) -> int:
        return self._process + self._own

    def stop(self) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            # Not a threading.Thread: its start takes locks that a line interrupted by a signal may hold.
            _thread.start_new_thread(self._stop_until_over, ())

    def _stop_until_over(self) -> None:
        while True:
            with self._lock:  # so that the caller's next statement is not stopped
                if self._is_over:
                    return
                self._stop_duckdb()
            time.sleep(STOP_AGAIN_S)


def begin_work(connection: int | None, statement: Hashable | None) -> Any:
    """From here on tokens made in this thread belong to that connection and statement; returns what end_work() takes.

    A call that begins after an interrupt of its statement, before DuckDB has stopped handing out rows, must not run: so
    what counts is how things stood when the statement began, or its first call where nobody watches it; of a run, how
    they stood when the run began.
    """
    before = getattr(_this_thread, "work", None)
    watched = (watch.seen for watch in list(_watches.values()) if watch.connection == connection)
    seen = next(watched, _count(connection, _process_from.get(connection or 0, _of_process)))
    if statement is not None:
        seen = _began.setdefault(statement, seen)
        if len(_began) > STATEMENTS_KEPT:
            _began.pop(next(iter(_began), statement), None)
    _this_thread.work = connection, seen
    _running.add(threading.get_ident())
    return before


def end_work(before: Any) -> None:
    _this_thread.work = before
    if before is None:
        _running.discard(threading.get_ident())


def _count(connection: int | None, of_process: int | None = None) -> int:
    of_process = _of_process if of_process is None else of_process
    return of_process + (0 if connection is None else _of_connection.get(connection, 0))


def begin_anew() -> None:
    """In a forked child: nobody else is in a function, or in a statement."""
    _running.clear()
    _watches.clear()
    _this_thread.watch = _this_thread.work = None
