"""Rows as they are shown: how many, as HTML, and kept so that they are computed once."""

from __future__ import annotations

import html
from typing import Any

import duckdb

SHOWN_ROWS = 20
"""As many as DuckDB's box has where it is not told otherwise."""


def html_table(relation: Any, line: str = "") -> str:
    """A relation's rows for a notebook, under the class that notebooks style. line: what stands below them."""
    names = zip(relation.columns, map(str, relation.types), strict=True)
    heading = "".join(f"<th>{html.escape(name)}<br><small>{html.escape(kind)}</small></th>" for name, kind in names)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in relation.fetchall())
    below = f"<p><small>{html.escape(line)}</small></p>" if line else ""
    return f'<table class="dataframe"><thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table>{below}'


def _cell(value: Any) -> str:
    return f"<td>{html.escape('NULL' if value is None else str(value))}</td>"


def computed(con: duckdb.DuckDBPyConnection, relation: Any) -> Any:
    """A relation that has its rows, so that reading it again asks no model."""
    from inlay.arrays import relation_table  # and Arrow, which a relation that calls no model does without

    held = con.from_arrow(relation_table(relation))
    # Arrow has no HUGEINT, the type of sum(), and lacks some others: such a relation computes again, by known answers.
    return held if list(map(str, held.types)) == list(map(str, relation.types)) else relation
