"""Views that call a model, put in the place where a statement reads them, so that their calls are planned with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from inlay.parsing.edits import Edit
from inlay.parsing.statement import Call, Specs, Statement
from inlay.parsing.tokens import Text, closing
from inlay.parsing.unplannable import Unplannable

# Views over views over views: deeper ones are read as they are.
_DEPTH = 8


def expanded(statement: Statement, views: Mapping[str, str], specs: Specs) -> Statement:
    """The statement with each such view as a subquery. views: lower-case name → its CREATE VIEW."""
    for _ in range(_DEPTH):
        lower = statement.text.lower()
        if not any(name in lower for name in views):
            break
        reading = _Reading(specs, max(statement.names, default=-1) + 1)
        edits = list(_edits(statement, views, reading))
        if not edits:
            break
        statement = statement.edited(edits, reading.calls, reading.names)
    return statement


@dataclass
class _Reading:
    """The calls of the views that are read, numbered from those of the statement on."""

    specs: Specs
    first: int
    calls: dict[int, Call] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def marked(self, body: Text) -> str:
        read = Statement.read(body, self.specs, self.first + len(self.names))
        self.calls |= read.calls
        self.names |= read.names
        return read.text


def _edits(statement: Statement, views: Mapping[str, str], reading: _Reading) -> Iterator[Edit]:
    """A subquery for each mention of a view."""
    tree = statement.tree
    hidden = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        name = table.name.lower()
        if name not in views or name in hidden or table.db or not isinstance(table.parent, exp.From | exp.Join):
            continue
        where, found = statement.position(table.this), _body(views[name])
        if found is None or where is None:
            continue
        columns, select = found
        try:
            body = reading.marked(select)
        except Unplannable:
            continue
        inside = f"SELECT * FROM ({body}) AS _inlay_view{columns}" if columns else body
        alias = "" if table.alias else f" AS {statement.text[where[0] : where[1]]}"
        yield Edit(*where, f"({inside}){alias}", table, "relation")


def _body(create: str) -> tuple[str, Text] | None:
    """(its column names in brackets or '', its SELECT) of a CREATE VIEW."""
    sql = Text(create)
    tokens = sql.words
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
    return (columns, sql.part(rest[0].start, rest[-1].end)) if rest else None
