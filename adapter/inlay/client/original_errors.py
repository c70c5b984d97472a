"""The errors behind DuckDB's messages. DuckDB hands on the text alone of what a Python function raises."""

from __future__ import annotations

import contextlib
import threading
from collections import deque

import duckdb

from inlay.engine import cancel
from inlay.errors import InlayError, InterruptedQueryError

_recent: deque[InlayError] = deque(maxlen=100)
"""What the functions raised of late, without tracebacks."""


def remember(error: InlayError) -> None:
    _recent.append(type(error)(*error.args))


def error_for_caller(error: Exception, watch: cancel.Watch) -> BaseException:
    """What the caller of a failed statement should see; `error` itself where nothing of ours is behind it."""
    if watch.ctrl_c:
        if threading.current_thread() is threading.main_thread():
            return KeyboardInterrupt()
        return InterruptedQueryError("interrupted by Ctrl-C; finished rows are kept.")
    if watch.interrupted:
        return duckdb.InterruptException("INTERRUPT Error: Interrupted!")
    return _original_error(str(error)) or error


def _original_error(text: str) -> InlayError | None:
    """The error behind a message of DuckDB's, once; None where no function of ours raised it."""
    for error in reversed(_recent):
        if f"{type(error).__name__}: {error}" in text:
            with contextlib.suppress(ValueError):  # another thread was faster with an error of the same text
                _recent.remove(error)
            return error
    return None
