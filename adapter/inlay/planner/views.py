"""Views that call a model, put in the place where a statement reads them, so that their calls are planned with it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from sqlglot import exp

from inlay.parsing.statement import Statement, Unplannable
from inlay.parsing.tokens import closing, spliced, words
from inlay.planner.plan import Specs

# Views over views over views: deeper ones are read as they are.
_DEPTH = 8


def expanded(sql: str, views: Mapping[str, str], specs: Specs) -> str:
    """The statement with each such view as a subquery. views: lower-case name → its CREATE VIEW."""
    for _ in range(_DEPTH):
        lower = sql.lower()
        if not any(name in lower for name in views):
            return sql
        pieces = []
        with contextlib.suppress(Unplannable):
            tree = Statement.read(sql, specs).tree  # whose positions are those of the text
            hidden = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
            for table in tree.find_all(exp.Table):
                name = table.name.lower()
                found = _body(views[name]) if name in views and name not in hidden and not table.db else None
                if found is None or not isinstance(table.parent, exp.From | exp.Join) or "start" not in table.this.meta:
                    continue
                columns, body = found
                start, end = table.this.meta["start"], table.this.meta["end"] + 1
                alias = "" if table.alias else f" AS {sql[start:end]}"
                inside = f"SELECT * FROM ({body}) AS _inlay_view{columns}" if columns else body
                pieces.append((start, end, f"({inside}){alias}"))
        if not pieces:
            return sql
        sql = spliced(sql, pieces)
    return sql


def _body(create: str) -> tuple[str, str] | None:
    """(its column names in brackets or '', its SELECT) of a CREATE VIEW."""
    tokens = words(create)
    i = 0
    columns = ""
    while i < len(tokens) and tokens[i].lower != "as":
        if tokens[i].text == "(":
            close = closing(tokens, i)
            if close == len(tokens):
                return None
            columns = create[tokens[i].start : tokens[close].end]
            i = close
        i += 1
    rest = [word for word in tokens[i + 1 :] if word.text != ";"]
    return (columns, create[rest[0].start : rest[-1].end]) if rest else None
