"""Ctrl-C and cancellation: a count for the process and one for each connection, which rise at each interrupt.

A piece of work notes the counts when it begins and stops when one has risen. DuckDB tells a running function nothing
of an interrupt, and Python delivers signals to the main thread alone, so the handler installed here is the one way
by which a function in a worker thread learns of Ctrl-C. It hands on to the handler that stood before.

While the main thread itself is inside a function, that handler waits: KeyboardInterrupt raised between any two
lines could leave a claim that others wait for, or half an `import torch`. Every wait in there looks at the count, so
the function ends by itself; where it has not after GRACE_S, or at a second Ctrl-C, the handler goes ahead.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Hashable, Iterator
from types import FrameType
from typing import Any

from inlay.errors import InterruptedQueryError

GRACE_S = 3.0
STATEMENTS_KEPT = 1_000

_of_process = 0
_of_connection: dict[int, int] = {}
_began: dict[Hashable, int] = {}
"""Statement → the counts when its first call began."""
_this_thread = threading.local()
_running: set[int] = set()
"""Threads that are inside a function."""
_previous: Any = None
_handing_on = False
_main_inside = 0
"""Number of the function call that the main thread is in; 0 outside."""
_main_calls = 0
_put_off = 0
"""Number of the function call in which a Ctrl-C was put off."""


def install() -> None:
    """Listens for SIGINT when called in the main thread (elsewhere Python forbids it, and nothing happens).

    Cheap, and called again at each statement and each cell: a notebook's kernel puts its own handler back before it
    runs a cell.
    """
    global _previous
    if threading.current_thread() is not threading.main_thread():
        return
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is not None:
        shell.events.register("pre_run_cell", _before_cell)  # once; the same function is not taken twice
    current = signal.getsignal(signal.SIGINT)
    if current is _on_interrupt or current is None or current is signal.SIG_IGN:
        return
    with contextlib.suppress(ValueError):  # not the main interpreter
        signal.signal(signal.SIGINT, _on_interrupt)
        _previous = current


def _before_cell(info: object) -> None:
    install()


def interrupt(connection: int | None = None) -> None:
    """Stops what is running now, of one connection or of the whole process; later work is not touched."""
    global _of_process
    if connection is None:
        _of_process += 1
    else:
        _of_connection[connection] = _of_connection.get(connection, 0) + 1


@contextlib.contextmanager
def inside(connection: int | None, statement: Hashable | None) -> Iterator[None]:
    """Around a function that DuckDB calls: tokens made in this thread belong to that connection and statement.

    A call that begins after an interrupt of its statement, before DuckDB has stopped handing out rows, must not run:
    so what counts is how things stood when the statement's first call began.
    """
    global _main_inside, _main_calls
    on_main = threading.current_thread() is threading.main_thread()
    before = getattr(_this_thread, "work", None), _main_inside
    seen = _count(connection)
    if statement is not None:
        seen = _began.setdefault(statement, seen)
        if len(_began) > STATEMENTS_KEPT:
            _began.pop(next(iter(_began), statement), None)
    _this_thread.work = connection, seen
    _running.add(threading.get_ident())
    if on_main:
        install()
        _main_calls += 1
        _main_inside = _main_calls
    mine = _main_inside
    cause: Exception | None = None
    try:
        yield
    except Exception as error:
        # Whatever ended the call, a statement that goes on in another way would not hear of the Ctrl-C.
        if not on_main or _put_off != mine or isinstance(error, InterruptedQueryError):
            raise
        cause = error
    finally:
        _this_thread.work = before[0]
        if before[0] is None:
            _running.discard(threading.get_ident())
        if on_main:
            _main_inside = before[1]
    if on_main and _put_off == mine:
        # The call had its answers before it looked at the count again. If it was the statement's last, nobody else
        # will tell the person who pressed Ctrl-C.
        raise InterruptedQueryError("interrupted by Ctrl-C; finished rows are kept.") from cause


def calls_running() -> int:
    return len(_running)


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
    """Held by a caller of DuckDB: which interrupt, if any, came since."""

    def __init__(self, connection: int) -> None:
        self._connection = connection
        self._process, self._own = _of_process, _of_connection.get(connection, 0)

    @property
    def ctrl_c(self) -> bool:
        return _of_process != self._process

    @property
    def interrupted(self) -> bool:
        return _of_connection.get(self._connection, 0) != self._own


def _count(connection: int | None) -> int:
    return _of_process + (0 if connection is None else _of_connection.get(connection, 0))


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    global _put_off, _handing_on
    interrupt()
    if _main_inside and _put_off != _main_inside:
        _put_off = _main_inside
        # Not a threading.Thread: its start takes locks that the interrupted line may hold.
        _thread.start_new_thread(_insist, (_put_off,))
        return
    if callable(_previous) and not _handing_on:
        _handing_on = True  # a handler that was installed over ours may hand on to ours
        try:
            _previous(number, frame)
        finally:
            _handing_on = False
    else:
        signal.default_int_handler(number, frame)


def _insist(call: int) -> None:
    time.sleep(GRACE_S)
    if _main_inside != call:
        return
    if hasattr(signal, "pthread_kill"):  # unlike interrupt_main, this ends a blocking system call as well
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    else:
        _thread.interrupt_main()
