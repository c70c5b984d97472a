"""Calls in the columns of `SELECT … ORDER BY … LIMIT n`, or `… LIMIT n OFFSET m`, for the n rows alone."""

from __future__ import annotations

from sqlglot import exp

from inlay.parsing.blocks import Block, block_at
from inlay.parsing.edits import Around, Edit
from inlay.parsing.quoting import quoted
from inlay.parsing.statement import Statement
from inlay.parsing.unplannable import Unplannable
from inlay.planner.known import block_of, cuts_before_columns
from inlay.planner.reads import is_read
from inlay.planner.rules.moving import Inputs, Moved, movable, moved


def calls_above_limit(statement: Statement) -> tuple[Statement, str] | None:
    """DuckDB computes every column of every row before it sorts and cuts, or cuts from another row than the first on.
    So the sorting and cutting goes into a subquery, with what the calls are made from, and the calls around it."""
    # One block at a time: each changes where the others stand.
    done = 0
    while (changed := _one(statement)) is not None:
        statement = changed
        done += 1
    return (statement, f"calls made for the rows of {done} LIMIT{'s' * (done > 1)} alone") if done else None


def _one(statement: Statement) -> Statement | None:
    for number in statement.calls:
        try:
            select, clause = block_of(statement.node(number))
        except Unplannable:
            continue
        cuts = select.args.get("limit") and not select.args.get("distinct") and not cuts_before_columns(select)
        if clause != "expressions" or not cuts or not is_read(statement.node(number), statement):
            continue
        if not (moves := movable(select)):
            continue
        at = statement.place(number)
        block = block_at(statement.text, at)
        if block is not None and len(block.columns) == len(select.expressions):
            changed = _wrapped(statement, block, select, moves)
            if changed is not None:
                return changed
    return None


def _wrapped(statement: Statement, block: Block, select: exp.Select, moves: list[exp.Expr]) -> Statement | None:
    words = block.words
    edits: list[Edit] = []
    inputs, calls = Inputs(), Moved()
    columns: list[tuple[str, str, str]] = []  # name inside, expression outside, name of the result
    for place, (span, item) in enumerate(zip(block.columns, select.expressions, strict=True)):
        if item not in moves:
            continue
        expression = moved(statement, select, item, words[span[0]].start, inputs, calls)
        if expression is None:
            return None
        name = f"_inlay_p{place}"
        columns.append((name, expression, item.alias))
        edits.append(Edit(words[span[0]].start, words[span[1] - 1].end, f"NULL AS {name}", item, "columns"))
    exported = "".join(f", {column} AS {name}" for column, name in inputs.items())
    last = words[block.columns[-1][1] - 1].end
    if edits[-1].end == last:
        edits[-1] = edits[-1]._replace(text=edits[-1].text + exported)
    else:
        edits.append(Edit(last, last, exported, select.expressions[-1], "more columns"))
    exclude = f" EXCLUDE ({', '.join(inputs.values())})" if inputs else ""
    replace = ", ".join(f"{expression} AS {name}" for name, expression, _ in columns)
    rename = ", ".join(f"{name} AS {quoted(alias)}" for name, _, alias in columns)
    head = f"SELECT * RENAME ({rename}) FROM (SELECT *{exclude} REPLACE ({replace}) FROM ("
    start, end = words[block.span[0]].start, words[block.span[1] - 1].end
    around = Around(select, start, end, head, ") AS _inlay_top) AS _inlay_named")
    return statement.edited(edits, calls.calls, calls.names, [around])
