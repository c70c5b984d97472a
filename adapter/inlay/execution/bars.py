"""Bars that show progress: one line of a terminal, or below the cell of a notebook. Drawing only; what is shown is
counted in progress.py."""

from __future__ import annotations

import html
import sys
import time
from typing import Any, Protocol

_REDRAW_S = 0.1


class Bar(Protocol):
    def update(self, share: float | None, text: str) -> None:
        """share: of the work, from 0 to 1, or None where nobody knows how much there is."""

    def close(self, done: str) -> None:
        """done: what was done in the end."""


def open_bar(what: str) -> Bar:
    return NotebookBar(what) if in_notebook() else TerminalBar(what)


class TerminalBar:
    """A line on standard error that is gone when the work is done. Where that is no terminal, the last state of the bar
    is written when it is closed."""

    def __init__(self, what: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        console = Console(stderr=True, force_jupyter=False)
        console.width -= 2  # a terminal writes ^C behind the bar; on a line of its own the bar would stay
        cut = Column(no_wrap=True, overflow="ellipsis")
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=cut),
            BarColumn(bar_width=12),
            TextColumn("{task.fields[text]}", markup=False, table_column=cut),
            console=console,
            auto_refresh=False,
            transient=console.is_terminal,
            redirect_stdout=False,  # results may go to a pipe
            redirect_stderr=False,
        )
        self._task = self._progress.add_task(what, total=None, text="")
        self._drawn = 0.0
        self._progress.start()
        console.show_cursor(True)  # rich hides it, and would leave it hidden where the process is killed

    def update(self, share: float | None, text: str) -> None:
        total = None if share is None else 1.0
        self._progress.update(self._task, completed=share or 0.0, total=total, text=text)
        now = time.monotonic()
        if now - self._drawn >= _REDRAW_S:
            self._drawn = now
            self._progress.refresh()

    def close(self, done: str) -> None:
        self._progress.stop()


class NotebookBar:
    """A line below the cell, and in the notebook's file what was done in the end: HTML that any viewer shows."""

    def __init__(self, what: str) -> None:
        from IPython.display import display

        self._what = what
        self._shown: Any = display(self._line(None, ""), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        self._drawn = 0.0

    def update(self, share: float | None, text: str) -> None:
        now = time.monotonic()
        if now - self._drawn >= _REDRAW_S:
            self._drawn = now
            self._shown.update(self._line(share, text), raw=True)

    def close(self, done: str) -> None:
        text = f"{self._what}: {done}"
        self._shown.update({"text/plain": text, "text/html": f"<small>{html.escape(text)}</small>"}, raw=True)

    def _line(self, share: float | None, text: str) -> dict[str, str]:
        line = f"{self._what}: {text}"
        value = "" if share is None else f' value="{share:.4f}"'
        return {"text/plain": line, "text/html": f"<progress{value}></progress> <small>{html.escape(line)}</small>"}


def in_notebook() -> bool:
    shell: Any = sys.modules.get("IPython")
    instance = shell.get_ipython() if shell is not None and hasattr(shell, "get_ipython") else None
    return instance is not None and type(instance).__name__ == "ZMQInteractiveShell"
