"""Ctrl-C and other signals whose handler raises, such as a SIGALRM that ends a statement after a time.

Python delivers signals to the main thread alone, between two of its lines. Four things are in the way there:

- Inside a function an exception could leave a claim that others wait for, or half an `import torch`. So it is put off:
  every wait in there looks at the count of interrupts and the function ends by itself; where it has not after GRACE_S,
  or at a second signal, the exception is raised.
- DuckDB turns it into "Query interrupted", or with several threads forgets it. So the handler stops DuckDB, and what it
  raised is remembered for the caller.
- In a finaliser or a callback of a weak reference Python prints it and goes on. So it is delivered once more, later.
- Another thread's functions learn of it by the count alone.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterator
from types import FrameType
from typing import Any

from inlay.engine import cancel
from inlay.engine.cancel import Watch
from inlay.errors import InterruptedQueryError

GRACE_S = 3.0
LATER_S = 0.01
LATER_AT_MOST = 100

_OTHERS = [
    getattr(signal, name)
    for name in ("SIGALRM", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPROF", "SIGVTALRM")
    if hasattr(signal, name)
]
_SWALLOWING_FILES = {weakref.__file__, sys.modules["_weakrefset"].__file__}

_previous: dict[int, Any] = {}
"""Signal → the handler that stood before ours."""
_handing_on = False
_main_watches: list[Watch] = []
_main_inside = 0
"""Number of the function call that the main thread is in; 0 outside."""
_main_calls = 0
_put_off = 0
"""Number of the function call in which a signal was put off."""
_n_later = 0


def install() -> None:
    """Listens for SIGINT when called in the main thread (elsewhere Python forbids it, and nothing happens).

    Cheap, and called again at each statement and each cell: a notebook's kernel puts its own handler back before it
    runs a cell.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if shell is not None:
        shell.events.register("pre_run_cell", _before_cell)  # once; the same function is not taken twice
    _listen(signal.SIGINT)


def _before_cell(info: object) -> None:
    install()


def _listen(number: int) -> bool:
    """Puts our handler before one that is written in Python; whether it was not there."""
    current = signal.getsignal(number)
    if not callable(current) or current is _on_signal:
        return False
    with contextlib.suppress(ValueError):  # not the main interpreter
        signal.signal(number, _on_signal)
        _previous[number] = current
        return True
    return False


class MainWatch(Watch):
    """A watch of the main thread's: what any signal's handler raises meanwhile reaches the caller."""

    def __enter__(self) -> MainWatch:
        super().__enter__()
        install()
        self._listening = [number for number in _OTHERS if _listen(number)]
        _main_watches.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        _main_watches.remove(self)
        for number in self._listening:
            if signal.getsignal(number) is _on_signal:
                signal.signal(number, _previous[number])


def watch(connection: int, stop_duckdb: Callable[[], None]) -> Watch:
    is_main = threading.current_thread() is threading.main_thread()
    return (MainWatch if is_main else Watch)(connection, stop_duckdb)


@contextlib.contextmanager
def inside(connection: int | None, statement: Hashable | None) -> Iterator[None]:
    """Around a function that DuckDB calls: tokens made in this thread belong to that connection and statement."""
    global _main_inside, _main_calls
    on_main = threading.current_thread() is threading.main_thread()
    around = _main_inside
    before = cancel.begin_work(connection, statement)
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
        cancel.end_work(before)
        if on_main:
            _main_inside = around
    if on_main and _put_off == mine:
        # The call had its answers before it looked at the count again. If it was the statement's last, nobody else
        # will tell the person who pressed Ctrl-C.
        raise InterruptedQueryError("interrupted by Ctrl-C; finished rows are kept.") from cause


_UNDISTURBED = {
    each.__code__ for of in (Watch, MainWatch) for each in (of.__enter__, of.__exit__)
}  # an exception there would leave a watch without an end


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _n_later
    if _n_later < LATER_AT_MOST and _is_swallowed(frame):
        _n_later += 1
        _thread.start_new_thread(_send, (number, LATER_S))
        return
    _n_later = 0
    if number == signal.SIGINT:
        cancel.interrupt()
    try:
        _hand_on(number, frame)
    except BaseException as error:
        if _main_watches:
            _main_watches[-1].raised = error
            if number != signal.SIGINT:
                cancel.interrupt(_main_watches[-1].connection)
        if not _is_put_off(number):
            raise
    else:
        if number == signal.SIGINT:
            _is_put_off(number)


def _is_swallowed(frame: FrameType | None) -> bool:
    while frame is not None:
        code = frame.f_code
        if code in _UNDISTURBED or code.co_name == "__del__" or code.co_filename in _SWALLOWING_FILES:
            return True
        frame = frame.f_back
    return False


def _is_put_off(number: int) -> bool:
    """Whether the exception waits for the end of the function that the main thread is in."""
    global _put_off
    if not _main_inside or _put_off == _main_inside:
        return False
    _put_off = _main_inside
    _thread.start_new_thread(_send, (number, GRACE_S, _put_off))
    return True


def _hand_on(number: int, frame: FrameType | None) -> None:
    global _handing_on
    if not _handing_on:
        _handing_on = True  # a handler that was installed over ours may hand on to ours
        try:
            _previous[number](number, frame)
        finally:
            _handing_on = False
    elif number == signal.SIGINT:
        signal.default_int_handler(number, frame)


def _send(number: int, after_s: float, call: int = 0) -> None:
    """Sends a signal to the main thread. call: only if it is still in that call of a function."""
    time.sleep(after_s)
    if call and _main_inside != call:
        return
    if hasattr(signal, "pthread_kill"):  # unlike interrupt_main, this ends a blocking system call as well
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        _thread.interrupt_main(signal.Signals(number))


def begin_anew() -> None:
    """In a forked child: its one thread is in no function."""
    global _main_inside, _n_later
    _main_inside = _n_later = 0
    _main_watches.clear()
