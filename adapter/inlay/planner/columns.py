"""A call over COLUMNS(…), which DuckDB makes for each column that this names: written out as one call for each."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from inlay.parsing.blocks import block_at
from inlay.parsing.edits import Edit
from inlay.parsing.marks import unmarked
from inlay.parsing.quoting import quoted
from inlay.parsing.reading import calls_in, written
from inlay.parsing.statement import Specs, Statement
from inlay.parsing.tokens import closing
from inlay.planner.known import with_ctes
from inlay.planner.rules.moving import own_end

Names = Callable[[str], list[str]]
"""How DuckDB names the columns of a query. Raises Unplannable where it does not bind it."""


def columns_written_out(statement: Statement, names: Names, specs: Specs) -> Statement:
    """The statement with such columns of a SELECT list as those that DuckDB makes of them, where they can be told."""
    items = [item for select in statement.tree.find_all(exp.Select) for item in select.expressions]
    for item in items:
        found = _written_out(statement, item, names) if item.find(exp.Columns) and calls_in(item) else None
        if found is not None:
            start, end, columns = found
            read = Statement.read(columns, specs, max(statement.names) + 1)
            edit = Edit(start, end, read.text, item, "columns")
            statement = statement.edited([edit], read.calls, read.names)
    return statement


def _written_out(statement: Statement, item: exp.Expr, names: Names) -> tuple[int, int, str] | None:
    """(start, end, the columns) of the text of one column."""
    select = item.parent
    block = block_at(statement.text, statement.place(calls_in(item)[0]))
    if not isinstance(select, exp.Select) or block is None or len(block.columns) != len(select.expressions):
        return None
    first, last = block.columns[next(i for i, each in enumerate(select.expressions) if each is item)]
    words = statement.words
    start, end = words[first].start, words[last - 1].end
    places = [i for i in range(first, last - 1) if words[i].lower == "columns" and words[i + 1].text == "("]
    spans = [(words[i].start - start, words[closing(words, i + 1)].end - start) for i in places]
    texts = {statement.text[start + a : start + b] for a, b in spans}
    expression_end = own_end(statement, item, start) if isinstance(item, exp.Alias) else end
    if len(texts) != 1 or expression_end is None or any(words[i - 1].text in ("*", ".") for i in places):
        return None
    source = exp.Select(expressions=[exp.Star()])
    for part in ("from_", "joins", "laterals"):
        source.set(part, select.copy().args.get(part))
    text = unmarked(with_ctes(select, written(source)), statement.names)
    if (at := text.rfind("SELECT * FROM")) < 0:
        return None

    def named(column: str) -> list[str]:
        return names(f"{text[:at]}SELECT {column} {text[at + len('SELECT * ') :]}")

    expression = statement.text[start:expression_end]
    outside = named(unmarked(statement.text[start:end], statement.names))
    inside = named(texts.pop())
    if len(set(inside)) < len(inside) or len(inside) != len(outside):  # of several relations
        return None
    made = []
    for column, name in zip(inside, outside, strict=True):
        piece = expression
        for a, b in reversed(spans):
            piece = f"{piece[:a]}{quoted(column)}{piece[b:]}"
        made.append(f"{piece} AS {quoted(name)}")
    return start, end, unmarked(", ".join(made), statement.names)
