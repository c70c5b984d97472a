"""Ctrl-C and cancellation: one process-wide count that rises at each interrupt.

A thread notes the count when its work begins and stops when it has risen. DuckDB tells a running function nothing
of an interrupt, and Python delivers signals to the main thread alone, so the handler installed here is the one way
by which a function in a worker thread learns of Ctrl-C. It hands on to the handler that stood before.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from types import FrameType
from typing import Any

from inlay.errors import InterruptedQueryError

_interrupts = 0
_previous: Any = None


def install() -> None:
    """Listens for SIGINT when called in the main thread (elsewhere Python forbids it, and nothing happens)."""
    global _previous
    if threading.current_thread() is not threading.main_thread():
        return
    current = signal.getsignal(signal.SIGINT)
    if current is _on_interrupt or current is None:
        return
    with contextlib.suppress(ValueError):  # not the main interpreter
        signal.signal(signal.SIGINT, _on_interrupt)
        _previous = current


def interrupt() -> None:
    """Stops what is running now; later work is not touched."""
    global _interrupts
    _interrupts += 1


class Token:
    """Held by one piece of work."""

    def __init__(self) -> None:
        self._seen = _interrupts

    @property
    def cancelled(self) -> bool:
        return _interrupts != self._seen

    def check(self) -> None:
        if self.cancelled:
            raise InterruptedQueryError("interrupted by Ctrl-C or a cancelled statement; finished rows are kept.")


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    interrupt()
    if callable(_previous):
        _previous(number, frame)
    elif _previous == signal.SIG_DFL:
        signal.default_int_handler(number, frame)
