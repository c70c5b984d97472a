"""Names for the columns of RETURNING: DuckDB names one that comes from a macro after all that the macro does."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from inlay.parsing.marks import numbers_in, unmarked
from inlay.parsing.quoting import quoted
from inlay.parsing.reading import parsed
from inlay.parsing.statement import Specs, Statement
from inlay.parsing.tokens import Text, split
from inlay.parsing.unplannable import Unplannable


def with_named_returning(sql: Text, specs: Specs, column_name: Callable[[str], str]) -> Text:
    """The statement with a name for each such column that calls a function: the one it would have in a SELECT. Whatever
    cannot be read is left as it is."""
    if "returning" not in sql.lower():
        return sql
    try:
        statement = Statement.read(sql, specs)
        return sql.spliced(_names(statement, column_name))
    except Unplannable:
        return sql


def _names(statement: Statement, column_name: Callable[[str], str]) -> list[tuple[int, int, str]]:
    text, words = statement.text, [word for word in statement.words if word.text != ";"]
    at = next((i for i, w in enumerate(words) if w.lower == "returning" and text.brackets.around[i] < 0), len(words))
    found = []
    for first, last in split(words[at + 1 :]):
        start, end = words[at + 1 + first].start, words[at + last].end
        item = text[start:end]
        if numbers_in(item) and not isinstance(parsed(f"SELECT {item}").expressions[0], exp.Alias):
            name = quoted(column_name(unmarked(item, statement.names)))
            found.append((end, end, f" AS {name}"))
    return found
