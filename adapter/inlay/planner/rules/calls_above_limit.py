"""Calls in the columns of `SELECT … ORDER BY … LIMIT n` for the n rows alone."""

from __future__ import annotations

from sqlglot import exp

from inlay.planner.blocks import Block, block_at
from inlay.planner.gather import block_of, node_of
from inlay.planner.statement import Statement, Unplannable, calls_in, number_of
from inlay.planner.text import spliced

_STAYS = (exp.AggFunc, exp.Window, exp.Query, exp.Subquery, exp.Lambda, exp.Star, exp.Columns)


def calls_above_limit(statement: Statement) -> tuple[Statement, str] | None:
    """DuckDB computes every column of every row before it sorts and cuts. So the sorting and cutting goes into a
    subquery, with what the calls are made from, and the calls around it."""
    # One block at a time: each changes where the others stand.
    done = 0
    while (changed := _one(statement)) is not None:
        statement = changed
        done += 1
    return (statement, f"calls made for the rows of {done} LIMIT{'s' * (done > 1)} alone") if done else None


def _one(statement: Statement) -> Statement | None:
    for number in statement.calls:
        node = node_of(statement.tree, number)
        try:
            select, clause = block_of(node)
        except Unplannable:
            continue
        if clause != "expressions" or not _applies(select):
            continue
        at = next(i for i, word in enumerate(statement.words) if number_of(word.text) == number)
        block = block_at(statement.words, at)
        if block is not None and len(block.columns) == len(select.expressions):
            changed = _wrapped(statement, block, select)
            if changed is not None:
                return changed
    return None


def _applies(select: exp.Select) -> bool:
    if not (select.args.get("limit") and select.args.get("order")) or select.args.get("distinct"):
        return False
    columns = [item for item in select.expressions if calls_in(item)]
    if any(not isinstance(item, exp.Alias) or item.find(*_STAYS) for item in columns):
        return False
    # Nothing else may be made from the columns that move out.
    names = {item.alias.lower() for item in columns}
    places = {i for i, item in enumerate(select.expressions, 1) if calls_in(item)}
    for name in ("where", "group", "having", "qualify", "order", "windows"):
        value = select.args.get(name)
        for part in value if isinstance(value, list) else [value]:
            if part is None:
                continue
            if name == "order" and calls_in(part):
                return False
            if any(column.name.lower() in names for column in part.find_all(exp.Column)):
                return False
            if name in ("order", "group") and any(
                isinstance(literal.parent, exp.Ordered | exp.Group) and literal.is_int and int(literal.this) in places
                for literal in part.find_all(exp.Literal)
            ):
                return False
    others = [item for item in select.expressions if not calls_in(item)]
    return not any(column.name.lower() in names for item in others for column in item.find_all(exp.Column))


def _wrapped(statement: Statement, block: Block, select: exp.Select) -> Statement | None:
    words, text = block.words, statement.text
    pieces: list[tuple[int, int, str]] = []
    inputs: dict[str, str] = {}
    moved: list[tuple[str, str, str]] = []
    for place, (span, item) in enumerate(zip(block.columns, select.expressions, strict=True)):
        if not calls_in(item):
            continue
        begin, end = _expression(statement, item, words[span[0]].start)
        if begin is None or end is None:
            return None
        changes = []
        for column in item.this.find_all(exp.Column):
            where = _position(column)
            if where is None:
                return None
            name = inputs.setdefault(text[where[0] : where[1]], f"_inlay_x{len(inputs)}")
            changes.append((where[0] - begin, where[1] - begin, name))
        pieces.append((words[span[0]].start, words[span[1] - 1].end, f"NULL AS _inlay_p{place}"))
        moved.append((f"_inlay_p{place}", spliced(text[begin:end], changes), item.alias))
    exported = "".join(f", {expression} AS {name}" for expression, name in inputs.items())
    last = words[block.columns[-1][1] - 1].end
    if pieces[-1][1] == last:
        pieces[-1] = (pieces[-1][0], last, pieces[-1][2] + exported)
    else:
        pieces.append((last, last, exported))
    exclude = f" EXCLUDE ({', '.join(inputs.values())})" if inputs else ""
    replace = ", ".join(f"{expression} AS {name}" for name, expression, _ in moved)
    rename = ", ".join(f"{name} AS {exp.to_identifier(alias, quoted=True).sql('duckdb')}" for name, _, alias in moved)
    head = f"SELECT * RENAME ({rename}) FROM (SELECT *{exclude} REPLACE ({replace}) FROM ("
    start, end = words[block.span[0]].start, words[block.span[1] - 1].end
    pieces = [(start, start, head), *pieces, (end, end, ") AS _inlay_top) AS _inlay_named")]
    return statement.with_text(spliced(text, pieces))


def _expression(statement: Statement, item: exp.Expr, start: int) -> tuple[int | None, int | None]:
    """Where the expression before AS stands: from the column's start to the word AS before its name."""
    alias = item.args["alias"]
    if "start" not in alias.meta:
        return None, None
    before = [word for word in statement.words if start <= word.start < alias.meta["start"]]
    if before and before[-1].lower == "as":
        before.pop()
    return (start, before[-1].end) if before else (None, None)


def _position(column: exp.Column) -> tuple[int, int] | None:
    parts = [part.meta for part in column.parts]
    if any("start" not in meta for meta in parts):
        return None
    return min(meta["start"] for meta in parts), max(meta["end"] for meta in parts) + 1
