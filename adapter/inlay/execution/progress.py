"""Shows that work goes on: a live bar on a terminal, a widget in a notebook, plain lines elsewhere.

Rows a second, tokens a second and, where the number of rows to come is known, the share done and the time left.
DuckDB tells a function nothing of what it has still to send, so that number comes from whoever ran the statement
(`expect`); without it the bar only counts. Nothing is shown for work that ends within a moment.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator

from inlay.engine.resolve import OnProgress
from inlay.execution.bars import Bar, can_draw, in_notebook, open_bar
from inlay.logs import show_info

_log = logging.getLogger("inlay.execution")

QUIET_S = 1.0
LINE_EVERY_S = 5.0
IDLE_S = 0.5


class Progress:
    """mode: 'auto' (a bar on a terminal or in a notebook, else nothing), 'bar', 'lines' or 'off'.

    write: where lines go. Unless given, they are logged as information, and seen: they were asked for.
    """

    def __init__(self, mode: str, write: Callable[[str], None] | None = None) -> None:
        if mode == "auto":
            mode = "bar" if in_notebook() or (sys.stderr is not None and sys.stderr.isatty()) else "off"
        self.mode = mode if mode != "bar" or can_draw() else "lines"
        if self.mode == "lines" and write is None:
            show_info(_log.name)
        self._write = write or _log.info
        self._lock = threading.Lock()
        self._expected: int | None = None
        self._what = ""
        self._active = 0
        self._rows = 0.0
        self._tokens = 0
        self._began = 0.0
        self._last_line = 0.0
        self._last_end = 0.0
        self._bar: Bar | None = None

    @property
    def shown(self) -> bool:
        return self.mode != "off"

    def expect(self, rows: int | None) -> None:
        """How many rows the next statement will send, if anyone knows."""
        with self._lock:
            self._finish()
            self._expected = rows

    def finish(self) -> None:
        """The bar goes now, and not a moment after the work: something is about to be printed."""
        with self._lock:
            self._finish()

    @contextlib.contextmanager
    def working(self, what: str, n_rows: int) -> Iterator[OnProgress]:
        """Around one chunk of n_rows; chunks of the same work that follow at once count together."""
        if not self.shown:
            yield lambda share, tokens: None
            return
        self._begin(what)
        done = 0.0

        def told(share: float, tokens: int) -> None:
            nonlocal done
            rows = min(share * n_rows, n_rows - done)
            done += rows
            self._advance(rows, tokens)

        try:
            yield told
        except BaseException:
            self._end()
            self.finish()
            raise
        self._advance(n_rows - done, 0)
        self._end()

    def _begin(self, what: str) -> None:
        with self._lock:
            now = time.monotonic()
            if what != self._what or (not self._active and now - self._last_end > IDLE_S):
                self._finish()
                self._what, self._rows, self._tokens, self._began, self._last_line = what, 0.0, 0, now, now
            self._active += 1

    def _advance(self, rows: float, tokens: int) -> None:
        with self._lock:
            self._rows += rows
            self._tokens += tokens
            now = time.monotonic()
            if not self._what or now - self._began < QUIET_S:  # nothing to show after finish()
                return
            if self.mode == "bar":
                if self._bar is None:
                    self._bar = open_bar(self._what)
                self._bar.update(self._share(), self._figures(now))
            elif now - self._last_line >= LINE_EVERY_S:
                self._last_line = now
                self._write(self._line(now))

    def _end(self) -> None:
        with self._lock:
            self._active -= 1
            self._last_end = time.monotonic()
            if self._active or self._bar is None:
                return
            if self._share() == 1.0:
                self._finish()
            else:
                # The last chunk of a statement looks like any other; a pause tells.
                closing = threading.Timer(IDLE_S, self._finish_if_idle, [self._rows])
                closing.daemon = True
                closing.start()

    def _line(self, now: float) -> str:
        return f"inlay: {self._what}: {self._figures(now)}"

    def _share(self) -> float | None:
        return self._rows / self._expected if self._expected and self._rows <= self._expected else None

    def _figures(self, now: float) -> str:
        seconds = now - self._began
        speed = f"{self._rows / seconds:,.0f} rows/s, {self._tokens / seconds:,.0f} tokens/s"
        share = self._share()
        if share is None or not self._expected:
            return f"{self._rows:,.0f} rows, {speed}"
        left = (self._expected - self._rows) * seconds / max(self._rows, 1.0)
        return f"{self._rows:,.0f} of {self._expected:,} rows ({100 * share:.0f} %), {speed}, {left:,.0f} s left"

    def _finish_if_idle(self, rows_then: float) -> None:
        with self._lock:
            if not self._active and self._rows == rows_then:
                self._finish()

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None
        self._what = ""
