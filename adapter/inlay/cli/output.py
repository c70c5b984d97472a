"""Everything that the commands print: results to standard output, what is said beside them to standard error.

On a terminal tables fit its width, and there are colours unless NO_COLOR is set. Anywhere else the text is plain: no
escape codes, every line and cell complete, so that a program can read it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any, Literal, TextIO

from inlay.tables import Table, grid, plain_text

Mark = Literal["✓", "–", "✗"]
"""Good; missing, and not needed; wrong."""

_STYLES = {"✓": "green", "–": "yellow", "✗": "bold red"}
_NAME_WIDTH = 16  # of an entry's name: the longest is huggingface-hub
_TEXT_WIDTH = 16  # what a column of text keeps on a terminal; where there is less, a table is shown row by row
_BOX_ROWS = 10_000  # DuckDB's box has no more


def line(text: str) -> None:
    """Text as it is, to be copied or read by a program."""
    print(text)


def sentence(text: str) -> None:
    """Text to be read; a terminal gets it wrapped between words."""
    print(_wrapped(text, sys.stdout))


def table(contents: Table) -> None:
    """Wrapped on a terminal that is too narrow, and row by row on one that is narrower still."""
    widths = contents.widths()
    gives_way = {i: min(width, _TEXT_WIDTH) for i, width in enumerate(widths) if i not in contents.numbers}
    least = sum(gives_way.get(i, width) for i, width in enumerate(widths)) + 2 * (len(widths) - 1)
    if _is_terminal(sys.stdout) and least > _terminal_width():
        for first, *others in contents.texts():
            titled = zip(contents.titles[1:], others, strict=True)
            tree(first, [f"{title}: {cell}" if title else cell for title, cell in titled if cell])
    else:
        _show(contents, gives_way)


def tree(title: str, leaves: Iterable[str], mark: Mark | None = None) -> None:
    """A line, and below it what belongs to it."""
    head = f"{mark}  {title}" if mark else title
    if not _is_terminal(sys.stdout):
        print("\n".join([head, *(f"   {leaf}" for leaf in leaves)]))
        return
    from rich.text import Text
    from rich.tree import Tree

    made = Tree(Text(head), guide_style="dim")
    for leaf in leaves:
        made.add(Text(leaf))
    _print_rich(made)


def entry(mark: Mark, name: str, text: str, advice: str) -> None:
    """A named value of a list that is printed as it comes. advice: what to type; may be empty."""
    rows = [(mark, name, text), *([("", "", f"type: {advice}")] if advice else [])]
    _show(Table(("", "", ""), rows), {1: _NAME_WIDTH, 2: _NAME_WIDTH}, _STYLES[mark])


def box_text(relation: Any) -> str:
    """The rows of a DuckDB relation in DuckDB's own box."""
    limits = {"max_width": _terminal_width()}
    if not _is_terminal(sys.stdout):
        limits = {"max_width": 10**6, "max_col_width": 10**6, "max_rows": _BOX_ROWS}
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        relation.show(**limits)
    return shown.getvalue().rstrip("\n")


def json_document(value: Any) -> None:
    print(json.dumps(value, indent=1))


def note(text: str) -> None:
    """Something that is said beside the result."""
    print(_wrapped(text, sys.stderr), file=sys.stderr)


def error(message: object, hint: str = "", *, who: str = "inlay") -> None:
    """What is wrong; hint: what to type next."""
    note(f"{who}: {message}")
    if hint:
        note(f"Type: {hint}")


def _wrapped(text: str, stream: TextIO) -> str:
    if not _is_terminal(stream):
        return text
    width = _terminal_width()
    # Lines that fit stay: DuckDB marks a place in a statement by a caret below it.
    return "\n".join(
        textwrap.fill(each, width, break_long_words=False, break_on_hyphens=False) if len(each) > width else each
        for each in text.split("\n")
    )


def _show(contents: Table, gives_way: Mapping[int, int], first_style: str = "") -> None:
    if not _is_terminal(sys.stdout):
        print(plain_text(contents, gives_way=gives_way))
        return
    made = grid(contents, gives_way=gives_way, cuts=False)
    made.columns[0].style = first_style
    _print_rich(made)


def _print_rich(renderable: Any) -> None:
    from rich.console import Console

    console = Console(file=sys.stdout, width=_terminal_width(), highlight=False, force_jupyter=False)
    console.print(renderable, crop=False)


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _terminal_width() -> int:
    return shutil.get_terminal_size((120, 24)).columns
