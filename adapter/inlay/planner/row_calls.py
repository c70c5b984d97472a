"""Calls about several columns as calls about one text, see parsing/named_columns.py.

ai_filter('{a} fits {b}', {'a': x, 'b': y})     ai_filter('a: ' || (x)::VARCHAR || '\\nb: ' || (y)::VARCHAR, 'a fits b')

Then inputs are made distinct by the columns that are named, and whatever is known of calls holds for it. A call whose
row or statement is no literal is left as it is, and answered as rows come.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inlay.parsing.named_columns import FUNCTIONS, NotNamedError, before_each, named_by, names_columns
from inlay.parsing.quoting import literal
from inlay.parsing.statement import Call, Specs, Statement
from inlay.parsing.tokens import Text, closing, split, words
from inlay.parsing.unplannable import Unplannable
from inlay.planner.lookups import named_columns


@dataclass(frozen=True)
class _Argument:
    """start, end: of its value in the text. name: where it is given by name."""

    start: int
    end: int
    name: str | None


def with_texts_of_rows(sql: Text, specs: Specs, column_name: Callable[[str], str]) -> Text:
    """The statement with such calls written otherwise. column_name: how DuckDB names a column of that text. Whatever
    cannot be read, and a statement that names what the row has not, is left as it is."""
    rows = {name: kind for name, kind in specs.items() if kind[0].name in FUNCTIONS}
    if "{" not in sql or not any(name in sql.lower() for name in rows):
        return sql
    try:
        while _outermost(statement := Statement.read(sql, rows)):  # again for calls inside of calls
            statement = named_columns(statement, column_name)
            text = statement.text.spliced(_outermost(statement))
            sql = Statement(Text(text), statement.calls, statement.names).plain
    except Unplannable:
        pass
    return sql


def _outermost(statement: Statement) -> list[tuple[int, int, str]]:
    """Edits of the calls that are in no other call with edits."""
    found: list[tuple[int, int, str]] = []
    for call in sorted(statement.calls.values(), key=lambda call: statement.place(call.number)):
        if not found or statement.words[statement.place(call.number)].start >= found[-1][1]:
            found += sorted(_pieces(statement, call))
    return found


def _pieces(statement: Statement, call: Call) -> list[tuple[int, int, str]]:
    """The text and the statement, whichever stands first, in the places of the first two arguments."""
    found = _arguments(statement, call)
    if len(found) < 2 or {each.name for each in found[:2]} - {None, "text", "predicate"}:
        return []
    values = [statement.text[each.start : each.end] for each in found[:2]]
    rows = [_columns(value) for value in values]
    if (rows[0] is None) == (rows[1] is None):
        return []
    is_first = rows[0] is not None
    columns, template = rows[0] or rows[1] or {}, _text(values[1 if is_first else 0])
    if template is None or (is_first and not names_columns(template)):
        return []
    try:
        names, asked = named_by(template, list(columns))
    except NotNamedError:  # which the call says when it is made
        return []
    parts = [
        f"{literal(before)} || ({columns[name]})::VARCHAR"
        for before, name in zip(before_each(names), names, strict=True)
    ]
    text, predicate = (found[0], found[1]) if found[0].name != "predicate" else (found[1], found[0])
    return [(text.start, text.end, " || ".join(parts)), (predicate.start, predicate.end, literal(asked))]


def _arguments(statement: Statement, call: Call) -> list[_Argument]:
    at = statement.place(call.number)
    inside = statement.words[at + 2 : closing(statement.words, at + 1)]
    found = []
    for first, last in split(inside):
        part = inside[first:last]
        is_named = len(part) > 2 and part[1].text in (":=", "=>")
        name = part[0].text.strip('"').lower() if is_named else None
        found.append(_Argument(part[2 if is_named else 0].start, part[-1].end, name))
    return found


def _columns(text: str) -> dict[str, str] | None:
    """Of a row that is written out, {'a': x, 'b': y}, the SQL of each column; None for anything else."""
    found = words(text)
    if not found or found[0].text != "{" or closing(found, 0) != len(found) - 1:
        return None
    columns = {}
    for first, last in split(found[1:-1]):
        part = found[1:-1][first:last]
        if len(part) < 3 or part[1].text != ":":
            return None
        name = _text(part[0].text) if part[0].text.startswith("'") else part[0].text.strip('"')
        if name is None:
            return None
        columns[name] = text[part[2].start : part[-1].end]
    return columns


def _text(sql: str) -> str | None:
    """The value of a text that is written out."""
    found = words(sql)
    is_literal = len(found) == 1 and sql.startswith("'") and sql.endswith("'") and len(sql) > 1
    return sql[1:-1].replace("''", "'") if is_literal else None
