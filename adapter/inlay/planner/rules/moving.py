"""Moving a column that holds a call out of its SELECT: whether that may be done, and what it is made from."""

from __future__ import annotations

from sqlglot import exp

from inlay.planner.statement import Statement, calls_in
from inlay.planner.text import spliced

# What has a meaning in its own SELECT alone.
_STAYS = (exp.AggFunc, exp.Window, exp.Query, exp.Subquery, exp.Lambda, exp.Star, exp.Columns)


def may_move(select: exp.Select) -> bool:
    """Whether nothing in the SELECT is made from its columns with calls, and these from nothing but its rows."""
    columns = [item for item in select.expressions if calls_in(item)]
    if any(not isinstance(item, exp.Alias) or item.find(*_STAYS) for item in columns):
        return False
    names = {item.alias.lower() for item in columns}
    places = {i for i, item in enumerate(select.expressions, 1) if calls_in(item)}
    for clause in ("where", "group", "having", "qualify", "order", "windows"):
        value = select.args.get(clause)
        for part in value if isinstance(value, list) else [value]:
            if part is None:
                continue
            if clause in ("order", "group") and (calls_in(part) or _mentions_place(part, places)):
                return False
            if any(column.name.lower() in names for column in part.find_all(exp.Column)):
                return False
    others = [item for item in select.expressions if not calls_in(item)]
    return not any(column.name.lower() in names for item in others for column in item.find_all(exp.Column))


def _mentions_place(part: exp.Expr, places: set[int]) -> bool:
    """Whether ORDER BY or GROUP BY names one of the columns by its number, or all of them."""
    if part.args.get("all"):
        return True
    for node in part.expressions:
        bare = node.this if isinstance(node, exp.Ordered) else node
        if isinstance(bare, exp.Literal) and bare.is_int and int(bare.this) in places:
            return True
        if isinstance(bare, exp.Column) and bare.name.lower() == "all":
            return True
    return False


def moved(statement: Statement, item: exp.Expr, start: int, inputs: dict[str, str]) -> str | None:
    """The column's expression over `inputs` (text of a column → name outside), which it adds to. start: where the
    column begins in the text. None where it cannot be told apart."""
    alias = item.args["alias"]
    if "start" not in alias.meta:
        return None
    before = [word for word in statement.words if start <= word.start < alias.meta["start"]]
    if before and before[-1].lower == "as":
        before.pop()
    if not before:
        return None
    changes = []
    for column in item.this.find_all(exp.Column):
        where = position(column)
        if where is None:
            return None
        name = inputs.setdefault(statement.text[where[0] : where[1]], f"_inlay_x{len(inputs)}")
        changes.append((where[0] - start, where[1] - start, name))
    return spliced(statement.text[start : before[-1].end], changes)


def position(column: exp.Column) -> tuple[int, int] | None:
    """Where a column stands in the text, with what qualifies it."""
    parts = [part.meta for part in column.parts]
    if any("start" not in meta for meta in parts):
        return None
    return min(meta["start"] for meta in parts), max(meta["end"] for meta in parts) + 1


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
