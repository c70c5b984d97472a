"""A table of text, and how it is set: columns aligned, numbers to the right, one line per row.

rich does the setting, and is imported when a table is set. Whatever is not a terminal (a file, a pipe, a log of dbt,
the text of an explanation) gets `plain_text`; cli/output.py sets the same tables for terminals.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table as Grid

_NO_LIMIT = 1_000_000  # columns of a pipe, which has no width
_NOTHING: Mapping[int, int] = {}


@dataclass(frozen=True)
class Table:
    """titles: one per column. numbers: positions of the columns that are set to the right."""

    titles: Sequence[str]
    rows: Sequence[Sequence[object]]
    numbers: Collection[int] = ()

    def texts(self) -> list[list[str]]:
        """The rows as text: whole numbers with thousands separators, None as nothing."""
        return [[cell_text(value) for value in row] for row in self.rows]

    def widths(self) -> list[int]:
        """The longest cell of each column, titles among them."""
        return [max(map(len, column)) for column in zip(self.titles, *self.texts(), strict=True)]


def cell_text(value: object) -> str:
    """A value on one line, without anything that a terminal would obey."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "".join(" " if mark.isspace() else mark if mark.isprintable() else "�" for mark in str(value))


def plain_text(table: Table, *, width: int | None = None, gives_way: Mapping[int, int] = _NOTHING) -> str:
    """The table without colours. Every cell is complete unless a width, in columns of text, is given: then those that
    give way are cut, with "…" at the end."""
    from rich.console import Console

    target = io.StringIO()
    console = Console(
        file=target, width=width or _NO_LIMIT, color_system=None, force_terminal=False, force_jupyter=False
    )  # fmt: skip
    # Not cropped: where nothing more can give way, lines are longer than the width.
    console.print(grid(table, gives_way=gives_way, cuts=True), crop=False)
    return "\n".join(line.rstrip() for line in target.getvalue().splitlines())


def grid(table: Table, *, gives_way: Mapping[int, int], cuts: bool) -> Grid:
    """What rich prints. Cells are never read as markup.

    gives_way: columns that may be set narrower than their longest cell, by position, and the width that they keep.
    cuts: their cells are cut, and otherwise wrapped.
    """
    from rich.table import Table as Grid
    from rich.text import Text

    made = Grid(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(table.titles), header_style="bold")
    for position, title in enumerate(table.titles):
        made.add_column(
            Text(title, no_wrap=True),
            justify="right" if position in table.numbers else "left",
            no_wrap=position not in gives_way,
            min_width=gives_way.get(position),
        )
    for row in table.texts():
        made.add_row(*(Text(cell, no_wrap=cuts or None, overflow="ellipsis" if cuts else "fold") for cell in row))
    return made
