"""Shows that work goes on: a live bar on a terminal, a line below the cell in a notebook, plain lines elsewhere.

Rows that are done, tokens a second and, where the number of rows to come is known, the share done and the time left.
A row whose answer is known is done at once; the time left is told by those that a model reads. DuckDB tells a function
nothing of what it has still to send, so the number of rows comes from who counted them (`expect`); without it progress
only counts. Nothing is shown for work that ends within a moment.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator

from inlay.engine.resolve import OnProgress
from inlay.errors import InterruptedQueryError
from inlay.execution.bars import Bar, in_notebook, open_bar
from inlay.locks import new_lock
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
        self.mode = mode
        if self.mode == "lines" and write is None:
            show_info(_log.name)
        self._write = write or _log.info
        self._lock = new_lock()
        self._what: list[str] = []  # calls that are answered side by side count together
        self._expected = 0
        self._awaits_expected = False
        self._active = 0
        self._rows = 0.0
        self._read = 0.0  # rows of these that a model has read
        self._tokens = 0
        self._began = 0.0
        self._last_line = 0.0
        self._last_end = 0.0
        self._bar: Bar | None = None

    @property
    def shown(self) -> bool:
        return self.mode != "off"

    def expect(self, rows: int) -> None:
        """So many rows are about to be answered, besides those that are under way."""
        with self._lock:
            self._finish_if_over()
            self._expected += rows
            self._awaits_expected = True

    def begin(self) -> None:
        """A statement begins: what is over was another's."""
        with self._lock:
            if not self._active:
                self._finish()

    def finish(self) -> None:
        """The bar goes now, and not a moment after the work: something is about to be printed."""
        with self._lock:
            self._finish()

    @contextlib.contextmanager
    def working(self, what: str, n_rows: int) -> Iterator[OnProgress]:
        """Around the answers to n_rows; more of the same work that follows at once counts together."""
        self._begin(what)
        done, ended = 0.0, False

        def told(share: float, tokens: int) -> None:
            nonlocal done
            if ended:  # a batch that was under way
                return
            rows = min(share * n_rows, n_rows - done)
            done += rows
            self._advance(rows, tokens)

        try:
            yield told
        except InterruptedQueryError as error:
            ended = True
            raise InterruptedQueryError(self._end_early()) from error
        except BaseException:
            ended = True
            self._end_early()
            raise
        ended = True
        self._advance(n_rows - done, 0)
        self._end()

    def _begin(self, what: str) -> None:
        with self._lock:
            self._finish_if_over()
            self._awaits_expected = False
            if not self._what:
                now = time.monotonic()
                self._began, self._last_line = now, now
            if what not in self._what:
                self._what.append(what)
            self._active += 1

    def _advance(self, rows: float, tokens: int) -> None:
        with self._lock:
            self._rows += rows
            self._read += rows if tokens else 0.0
            self._tokens += tokens
            now = time.monotonic()
            if not self._what or not self.shown or now - self._began < QUIET_S:  # nothing to show after finish()
                return
            if self.mode == "bar":
                if self._bar is None:
                    self._bar = open_bar(", ".join(self._what))
                self._bar.update(self._share(), self._figures(now))
            elif now - self._last_line >= LINE_EVERY_S:
                self._last_line = now
                self._write(f"inlay: {', '.join(self._what)}: {self._figures(now)}")

    def _end(self) -> None:
        with self._lock:
            self._active -= 1
            self._last_end = time.monotonic()
            if self._active:
                return
            if self._share() == 1.0:
                self._finish()
            elif self._bar is not None:
                # The last chunk of a statement looks like any other; a pause tells.
                closing = threading.Timer(IDLE_S, self._finish_if_idle, [self._rows])
                closing.daemon = True
                closing.start()

    def _end_early(self) -> str:
        """What was done until then, for people."""
        with self._lock:
            what = ", ".join(self._what)
            done = f"interrupted: {self._n_done()}{f' of {what}' if what else ''} were answered, and are kept."
            self._active -= 1
            self._finish()
        return done

    def _share(self) -> float | None:
        return self._rows / self._expected if self._expected and self._rows <= self._expected + 0.5 else None

    def _n_done(self) -> str:
        return f"{int(self._rows + 1e-6):,}{'' if self._share() is None else f' of {self._expected:,}'} rows"

    def _figures(self, now: float) -> str:
        seconds = max(now - self._began, 1e-9)
        speed = f"{self._read / seconds:,.0f} rows/s, {self._tokens / seconds:,.0f} tokens/s"
        share = self._share()
        if share is None:
            return f"{self._n_done()}, {speed}"
        figures = f"{self._n_done()} ({100 * share:.0f} %), {speed}"
        if not self._read or share == 1.0:
            return figures
        return f"{figures}, {(self._expected - self._rows) * seconds / self._read:,.0f} s left"

    def _finish_if_idle(self, rows_then: float) -> None:
        with self._lock:
            if not self._active and self._rows == rows_then:
                self._finish()

    def _finish_if_over(self) -> None:
        """What comes after a pause is other work."""
        idle = not self._active and time.monotonic() - self._last_end > IDLE_S
        if idle and not self._awaits_expected:
            self._finish()

    def _finish(self) -> None:
        if self._bar is not None:
            self._bar.close(f"{self._n_done()} in {time.monotonic() - self._began:,.1f} s")
        self._bar = None
        self._what.clear()
        self._expected, self._awaits_expected = 0, False
        self._rows, self._read, self._tokens = 0.0, 0.0, 0
