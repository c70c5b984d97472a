"""A column's alias used again in its own SELECT: `ai_classify(body, …) AS topic … WHERE topic = 'a'`.

DuckDB refuses that of what has side effects. With the column's expression in the place of each mention it is taken, and
the same call in several places is asked once.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

from sqlglot import exp

from inlay.parsing.blocks import block_at
from inlay.parsing.edits import Edit
from inlay.parsing.marks import unmarked
from inlay.parsing.reading import calls_in, part_of
from inlay.parsing.statement import Statement
from inlay.planner.rules.moving import own_end, position, quoted

_REFUSED = re.compile(r'Alias "+(.+?)"+ referenced - but the expression has side effects')


def refused_alias(message: str | None) -> str | None:
    """The alias that DuckDB's error names."""
    found = _REFUSED.search(message or "")
    return found[1] if found else None


def uses_an_alias_again(statement: Statement) -> bool:
    """Whether a SELECT may read a column with a call by its alias."""
    for select in statement.tree.find_all(exp.Select):
        names = {item.alias.lower() for item in select.expressions if item.alias and calls_in(item)}
        if names and any(not column.table and column.name.lower() in names for column in select.find_all(exp.Column)):
            return True
    return False


def written_out(statement: Statement, alias: str, column_name: Callable[[str], str]) -> Statement | None:
    """The statement with a column's expression in the place of its alias; None where that cannot be told. column_name:
    how DuckDB names a column of that text."""
    places = [
        (select, item)
        for select in statement.tree.find_all(exp.Select)
        for item in select.expressions
        if isinstance(item, exp.Alias) and item.alias.lower() == alias.lower() and calls_in(item)
    ]
    if len(places) != 1:
        return None
    select, item = places[0]
    block = block_at(statement.text, statement.place(calls_in(item)[0]))
    if block is None or len(block.columns) != len(select.expressions):
        return None
    words = statement.words
    starts = [words[first].start for first, _ in block.columns]
    start = starts[next(i for i, each in enumerate(select.expressions) if each is item)]
    end = own_end(statement, item, start)
    edits: list[Edit] = []
    for column in select.find_all(exp.Column):
        if column.table or column.name.lower() != alias.lower() or column.find_ancestor(exp.Select) is not select:
            continue
        clause = part_of(select, column)
        if clause is item or clause.arg_key in ("group", "having", "order"):
            continue
        where = position(statement, column)
        if where is None or end is None:
            return None
        text = f"({statement.text[start:end]})"
        if clause.arg_key == "expressions" and not isinstance(clause, exp.Alias):
            place = bisect_right(starts, where[0]) - 1
            first, last = words[block.columns[place][0]].start, words[block.columns[place][1] - 1].end
            name = column_name(unmarked(statement.text[first:last], statement.names))
            named = f"{statement.text[first : where[0]]}{text}{statement.text[where[1] : last]} AS {quoted(name)}"
            edits.append(Edit(first, last, named, clause, "columns"))
        else:
            edits.append(Edit(*where, text, column))
    return statement.edited(edits) if edits else None
