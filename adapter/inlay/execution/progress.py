"""Shows that work goes on: a live bar on a terminal, a widget in a notebook, plain lines elsewhere.

Rows a second, tokens a second and, where the number of rows to come is known, the share done and the time left.
DuckDB tells a function nothing of what it has still to send, so that number comes from whoever ran the statement
(`expect`); without it the bar only counts. Nothing is shown for work that ends within a moment.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from inlay.engine.resolve import OnProgress

QUIET_S = 1.0
LINE_EVERY_S = 5.0
IDLE_S = 0.5


class Progress:
    """mode: 'auto' (a bar on a terminal or in a notebook, else nothing), 'bar', 'lines' or 'off'.

    write: where lines go; standard error unless given.
    """

    def __init__(self, mode: str, write: Callable[[str], None] | None = None) -> None:
        if mode == "auto":
            mode = "bar" if in_notebook() or (sys.stderr is not None and sys.stderr.isatty()) else "off"
        self.mode = mode
        self._write = write or _to_stderr
        self._lock = threading.Lock()
        self._expected: int | None = None
        self._what = ""
        self._active = 0
        self._rows = 0.0
        self._tokens = 0
        self._began = 0.0
        self._last_line = 0.0
        self._last_end = 0.0
        self._bar: Any = None

    @property
    def shown(self) -> bool:
        return self.mode != "off"

    def expect(self, rows: int | None) -> None:
        """How many rows the next statement will send, if anyone knows."""
        with self._lock:
            self._finish()
            self._expected = rows

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
        finally:
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
            if now - self._began < QUIET_S:
                return
            if self.mode == "bar":
                if self._bar is None:
                    self._bar = self._open()
                self._bar.set_postfix_str(f"{self._tokens / (now - self._began):,.0f} tokens/s", refresh=False)
                self._bar.update(int(self._rows) - self._bar.n)
            elif now - self._last_line >= LINE_EVERY_S:
                self._last_line = now
                self._write(self._line(now))

    def _end(self) -> None:
        with self._lock:
            self._active -= 1
            self._last_end = time.monotonic()
            if not self._active and self._bar is not None:
                # The last chunk of a statement looks like any other; a pause tells.
                closing = threading.Timer(IDLE_S, self._finish_if_idle, [self._rows])
                closing.daemon = True
                closing.start()

    def _line(self, now: float) -> str:
        seconds = now - self._began
        speed = f"{self._rows / seconds:,.0f} rows/s, {self._tokens / seconds:,.0f} tokens/s"
        if not self._expected or self._rows > self._expected:
            return f"inlay: {self._what}: {self._rows:,.0f} rows, {speed}"
        left = (self._expected - self._rows) * seconds / max(self._rows, 1.0)
        share = 100 * self._rows / self._expected
        done = f"{self._rows:,.0f} of {self._expected:,} rows ({share:.0f} %)"
        return f"inlay: {self._what}: {done}, {speed}, {left:,.0f} s left"

    def _open(self) -> Any:
        from tqdm.auto import tqdm

        total = self._expected if self._expected and self._expected >= self._rows else None
        bar = tqdm(total=total, desc=self._what, unit=" rows", leave=False, mininterval=0.2, file=sys.stderr)
        bar.start_t = bar.last_print_t = bar._time() - (time.monotonic() - self._began)
        return bar

    def _finish_if_idle(self, rows_then: float) -> None:
        with self._lock:
            if not self._active and self._rows == rows_then:
                self._finish()

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = None
        self._what = ""


def in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    instance = shell.get_ipython() if shell is not None and hasattr(shell, "get_ipython") else None
    return instance is not None and type(instance).__name__ == "ZMQInteractiveShell"


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
