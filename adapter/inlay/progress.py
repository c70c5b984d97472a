"""Shows that work goes on: a live bar on a terminal, a widget in a notebook, plain lines elsewhere.

Nothing is shown for work that ends within a moment. What DuckDB has still to send is unknown here, so the bar
counts rows and speed; a caller that knows the total says so.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from inlay.types import ModelRef

QUIET_S = 1.0
LINE_EVERY_S = 5.0
IDLE_S = 0.5


class Progress:
    """mode: 'auto' (a bar on a terminal or in a notebook, else off), 'bar', 'lines' or 'off'."""

    def __init__(self, mode: str, total: int | None = None) -> None:
        if mode == "auto":
            mode = "bar" if _in_notebook() or (sys.stderr is not None and sys.stderr.isatty()) else "off"
        self._mode = mode
        self._total = total
        self._lock = threading.Lock()
        self._active = 0
        self._what = ""
        self._rows = 0
        self._shown = 0
        self._began = 0.0
        self._last_line = 0.0
        self._bar: Any = None

    @contextlib.contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Around one chunk of work; chunks that follow at once belong to the same bar."""
        if self._mode == "off":
            yield
            return
        with self._lock:
            now = time.monotonic()
            if what != self._what or (not self._active and now - self._last_line > LINE_EVERY_S and not self._bar):
                self._close()
                self._what, self._rows, self._began, self._last_line = what, 0, now, now
            self._active += 1
        try:
            yield
        finally:
            with self._lock:
                self._active -= 1
                if not self._active and self._bar is not None:
                    # The last chunk of a statement looks like any other; a pause tells.
                    closing = threading.Timer(IDLE_S, self._close_if_idle, [self._rows])
                    closing.daemon = True
                    closing.start()

    def advance(self, model: ModelRef, n_rows: int) -> None:
        if self._mode == "off":
            return
        with self._lock:
            self._rows += n_rows
            now = time.monotonic()
            if now - self._began < QUIET_S:
                return
            if self._mode == "bar":
                if self._bar is None:
                    self._bar = self._open()
                self._bar.update(self._rows - self._shown)
                self._shown = self._rows
            elif now - self._last_line >= LINE_EVERY_S:
                self._last_line = now
                rate = self._rows / (now - self._began)
                print(f"inlay  {self._what}: {self._rows:,} texts, {rate:,.0f} a second", file=sys.stderr, flush=True)

    def close(self) -> None:
        with self._lock:
            self._close()
            self._what = ""

    def _close_if_idle(self, rows_then: int) -> None:
        with self._lock:
            if not self._active and self._rows == rows_then:
                self._close()
                self._what = ""

    def _open(self) -> Any:
        from tqdm.auto import tqdm

        return tqdm(total=self._total, desc=self._what, unit=" texts", leave=False, mininterval=0.2, file=sys.stderr)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar, self._shown = None, 0


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    instance = shell.get_ipython() if shell is not None and hasattr(shell, "get_ipython") else None
    return instance is not None and type(instance).__name__ == "ZMQInteractiveShell"
