"""Calls in the columns of a subquery or CTE, after the join or LIMIT that reads it."""

from __future__ import annotations

import re
from bisect import bisect_left

from sqlglot import exp

from inlay.parsing.blocks import block_at
from inlay.parsing.edits import Edit
from inlay.parsing.quoting import quoted
from inlay.parsing.reading import call_at, calls_in, parsed, part_of
from inlay.parsing.statement import Statement
from inlay.parsing.unplannable import Unplannable
from inlay.planner.known import block_of
from inlay.planner.reads import reader_of
from inlay.planner.rules.moving import Inputs, Moved, movable, moved, position


def calls_above_joins(statement: Statement) -> tuple[Statement, str] | None:
    """DuckDB computes a subquery's columns for all its rows; a join or LIMIT around it may leave few. So the subquery
    gives what its calls are made from, and each mention of the column outside becomes the call."""
    done = 0
    while (changed := _one(statement)) is not None:
        statement = changed
        done += 1
    return (
        (statement, f"calls of {done} subquer{'ies' if done > 1 else 'y'} made after what drops rows") if done else None
    )


def _one(statement: Statement) -> Statement | None:
    if statement.tree.find(exp.Join, exp.Limit) is None:
        return None
    for number in statement.calls:
        try:
            select, clause = block_of(statement.node(number))
        except Unplannable:
            continue
        if clause != "expressions" or select.args.get("distinct") or not (moves := movable(select)):
            continue
        read = reader_of(select, statement)
        if read is not None and reduces(read[0]):
            changed = _moved(statement, number, select, moves, *read)
            if changed is not None:
                return changed
    return None


def reduces(reader: exp.Select) -> bool:
    """Whether it takes only the first rows, or joins by a condition that holds no call, so that rows may go."""
    joins = reader.args.get("joins") or []
    if any(join.args.get("method") for join in joins):
        return False  # NATURAL, ASOF and POSITIONAL read columns or rows in ways of their own
    if reader.args.get("limit") and reader.args.get("order"):
        return True
    if any(join.args.get("side") == "FULL" for join in joins):
        return False
    return any((join.args.get("on") and not calls_in(join.args["on"])) or join.args.get("using") for join in joins)


def _moved(
    statement: Statement, number: int, select: exp.Select, moves: list[exp.Expr], reader: exp.Select, name: str
) -> Statement | None:
    words = statement.words
    at = statement.place(number)
    block = block_at(statement.text, at)
    if block is None or len(block.columns) != len(select.expressions) or not name:
        return None
    edits: list[Edit] = []
    inputs, calls = Inputs(), Moved()
    outside: dict[str, str] = {}
    for span, item in zip(block.columns, select.expressions, strict=True):
        if item in moves:
            expression = moved(statement, select, item, words[span[0]].start, inputs, calls)
            if expression is None or item.alias.lower() in outside:
                return None
            outside[item.alias.lower()] = expression
            edits.append(Edit(words[span[0]].start, words[span[1] - 1].end, "", item, "columns"))
    if not inputs:
        return None
    if _may_be_absent(reader, name):
        for alias, expression in outside.items():
            if not _is_null_of_null(statement, expression, inputs):
                outside[alias] = f"CASE WHEN {inputs.name_of('TRUE')} THEN {expression} END"
    exported = ", ".join(f"{column} AS {inner}" for column, inner in inputs.items())
    edits[0] = edits[0]._replace(text=exported)
    # Each of the other columns leaves its comma behind it.
    edits[1:] = [edit._replace(start=words[bisect_left(words, (edit.start,)) - 1].start) for edit in edits[1:]]
    relation = name if name.isidentifier() else quoted(name)
    columns = re.compile(rf"\b(?:{'|'.join(inputs.values())})\b")
    outside = {
        alias: f"({columns.sub(lambda found: f'{relation}.{found[0]}', expression)})"
        for alias, expression in outside.items()
    }
    mentions = _mentions(statement, reader, select, name, set(outside))
    if mentions is None:
        return None
    for start, end, node, named in mentions:
        text = outside[node.name.lower()]
        if named:
            edits.append(Edit(start, end, f"{text} AS {quoted(named)}", node, "columns"))
        else:
            edits.append(Edit(start, end, text, node))
    return statement.edited(edits, calls.calls, calls.names)


def _may_be_absent(reader: exp.Select, name: str) -> bool:
    """Whether an outer join has rows without one of the relation of this name."""
    joins = reader.args.get("joins") or []
    relations = [reader.args["from_"].this, *(join.this for join in joins)]
    sides = ["", *(str(join.args.get("side") or "").upper() for join in joins)]
    at = next(i for i, relation in enumerate(relations) if relation.alias_or_name.lower() == name.lower())
    return sides[at] in ("LEFT", "FULL") or bool({"RIGHT", "FULL"} & set(sides[at + 1 :]))


def _is_null_of_null(statement: Statement, expression: str, inputs: Inputs) -> bool:
    """Whether an expression is NULL where all inputs are: a call that is given one of them as it is."""
    tree = parsed(expression).unnest()
    number = call_at(tree)
    if number is None or statement.calls[number].detail:
        return False
    return any(isinstance(part, exp.Column) and part.name in inputs.values() for part in tree.expressions)


_Mention = tuple[int, int, exp.Column, str | None]
"""(start, end, the mention, name that it needs)"""


def _mentions(
    statement: Statement, reader: exp.Select, select: exp.Select, name: str, columns: set[str]
) -> list[_Mention] | None:
    """Every mention outside; None where there may be others."""
    found = []
    for node in reader.walk(prune=lambda node: node is select):
        if _may_be_others(node, name, columns):
            return None
        if isinstance(node, exp.Column) and node.name.lower() in columns:
            mention = _mention(statement, reader, node, name)
            if mention is None:
                return None
            found.append(mention)
    # In CTEs of its own the reader may mean another column of the name.
    return found if not reader.args.get("with_") or _only_above(reader, select) else None


def _may_be_others(node: exp.Expr, name: str, columns: set[str]) -> bool:
    """Whether columns of a relation of this name may be mentioned in ways that are not seen."""
    if isinstance(node, exp.Star):
        return not isinstance(node.parent, exp.Count)  # its columns cannot be told one by one
    if isinstance(node, exp.Alias):
        return node.alias.lower() in columns
    if isinstance(node, exp.Join):
        return any(part.name.lower() in columns for part in node.args.get("using") or [])
    if isinstance(node, exp.Column):
        return not node.table and node.name.lower() == name.lower()  # a row as one value
    return isinstance(node, exp.Columns | exp.PositionalColumn)


def _mention(statement: Statement, reader: exp.Select, node: exp.Column, name: str) -> _Mention | None:
    """None where it is of another relation, in another SELECT, or names a column that has no other name."""
    if (node.table and node.table.lower() != name.lower()) or node.find_ancestor(exp.Select) is not reader:
        return None
    where, item = position(statement, node), part_of(reader, node)
    is_column = item.arg_key == "expressions"
    if where is None or (is_column and item is not node and not isinstance(item, exp.Alias)):
        return None
    return *where, node, node.name if is_column and item is node else None


def _only_above(reader: exp.Select, select: exp.Select) -> bool:
    """Whether the SELECT is a CTE of the reader's own WITH."""
    return any(cte.this is select for cte in reader.args["with_"].expressions)
