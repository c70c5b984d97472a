"""Tables of a page, from cells that are HTML already."""

from __future__ import annotations

import html
from collections.abc import Sequence

from inlay.tables import cell_text


def cell(value: object, *, kind: str = "", hint: str = "") -> str:
    """One cell. Numbers, and texts of digits alone, go to the right. kind: a class of the style sheet; "text" is
    wrapped. hint: is shown where the mouse rests."""
    text = cell_text(value)
    is_number = kind != "text" and (isinstance(value, int | float) or text.replace(",", "").replace(".", "").isdigit())
    classes = " ".join(each for each in (kind, "number" if is_number else "") if each)
    marked = f' class="{classes}"' if classes else ""
    titled = f' title="{html.escape(hint)}"' if hint and hint != text else ""
    return f"<td{marked}{titled}>{html.escape(text)}</td>"


def table_html(titles: Sequence[str], rows: Sequence[Sequence[str]], whole: Sequence[str] = ()) -> str:
    """rows: of cells. A title stands over its column as the column's first cell does. whole: the line below all rows,
    where there are several."""
    firsts = rows[0] if rows else [""] * len(titles)
    marks = [' class="number"' if 'number"' in first else "" for first in firsts]
    head = "".join(f"<th{mark}>{html.escape(title)}</th>" for title, mark in zip(titles, marks, strict=True))
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    foot = f"<tfoot><tr>{''.join(whole)}</tr></tfoot>" if whole and len(rows) > 1 else ""
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}</table></div>'


def seconds_text(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"
