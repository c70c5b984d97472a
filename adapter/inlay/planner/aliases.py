"""A column's alias used again in its own SELECT: `ai_classify(body, …) AS topic … WHERE topic = 'a'`.

DuckDB refuses that of what has side effects. With the column's expression in the place of each mention it is taken, and
the same call in several places is asked once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator

from sqlglot import exp

from inlay.parsing.blocks import Block, block_at
from inlay.parsing.edits import Edit
from inlay.parsing.marks import unmarked
from inlay.parsing.quoting import quoted
from inlay.parsing.reading import calls_in, part_of, written
from inlay.parsing.statement import Statement
from inlay.planner.evaluation import is_of_a_group
from inlay.planner.known import with_ctes
from inlay.planner.rules.moving import own_end, position


def uses_an_alias_again(statement: Statement) -> bool:
    """Whether a SELECT may read a column with a call by its alias."""
    return any(_mentions(select, item) for select, item in _named_calls(statement))


def written_out(
    statement: Statement, refusal: Callable[[str], str | None], column_name: Callable[[str], str]
) -> Statement | None:
    """The statement with the expression of one column in the place of its alias, wherever DuckDB takes the name for
    it; None where there is none. refusal: why DuckDB does not bind a query. column_name: how it names a column of that
    text."""
    for select, item in _named_calls(statement):
        mentions = _mentions(select, item)
        if mentions and _is_column(select, item.alias, statement, refusal):
            mentions = [] if _groups_by(select, item.alias) else [m for m in mentions if _is_in_having(select, m)]
        if mentions:
            edits = _edits(statement, select, item, mentions, column_name)
            if edits:
                return statement.edited(edits)
    return None


def _named_calls(statement: Statement) -> Iterator[tuple[exp.Select, exp.Alias]]:
    for select in statement.tree.find_all(exp.Select):
        for item in select.expressions:
            if isinstance(item, exp.Alias) and calls_in(item):
                yield select, item


def _mentions(select: exp.Select, item: exp.Alias) -> list[exp.Column]:
    """Where a SELECT names one of its columns, and DuckDB does not take it for the column itself: as a key of GROUP BY
    and ORDER BY, and in ORDER BY of what is grouped by it, it does. Columns that come before it may not name it."""
    name, found = item.alias.lower(), []
    order = [id(each) for each in select.expressions]
    groups = _groups_by(select, name)
    for column in filter(_is_named(name), select.find_all(exp.Column)):
        if column.find_ancestor(exp.Select) is not select:
            continue
        part = part_of(select, column)
        if part is item or part.arg_key in ("group", "distinct") or (groups and part.arg_key == "order"):
            continue
        if part.arg_key == "expressions" and order.index(id(part)) < order.index(id(item)):
            continue
        is_key = isinstance(column.parent, exp.Ordered) and column.parent.parent is part
        if not (part.arg_key == "order" and is_key):
            found.append(column)
    return found


def _is_named(name: str) -> Callable[[exp.Column], bool]:
    return lambda column: not column.table and column.name.lower() == name


def _groups_by(select: exp.Select, name: str) -> bool:
    """Whether GROUP BY has a key of this name."""
    group = select.args.get("group")
    return group is not None and any(map(_is_named(name.lower()), group.find_all(exp.Column)))


def _is_in_having(select: exp.Select, column: exp.Column) -> bool:
    """Where a column's alias comes before the names of FROM that are no keys of GROUP BY."""
    return part_of(select, column).arg_key == "having"


def _is_column(select: exp.Select, name: str, statement: Statement, refusal: Callable[[str], str | None]) -> bool:
    """Whether a name is that of a column of the FROM, which comes first; so it is taken where that cannot be told."""
    if select.args.get("from_") is None:
        return False
    made = exp.Select(expressions=[exp.column(exp.to_identifier(name, quoted=True))])
    for part in ("from_", "joins", "laterals"):
        made.set(part, select.copy().args.get(part))
    message = refusal(unmarked(with_ctes(select, written(made)), statement.names))
    return message is None or not message.startswith(("Referenced column", f'Referenced column "{name}"'))


def _edits(
    statement: Statement,
    select: exp.Select,
    item: exp.Alias,
    mentions: list[exp.Column],
    column_name: Callable[[str], str],
) -> list[Edit] | None:
    """None where something of it is not found in the text."""
    block = block_at(statement.text, statement.place(calls_in(item)[0]))
    if block is None or len(block.columns) != len(select.expressions):
        return None
    starts = [statement.words[first].start for first, _ in block.columns]
    start = starts[next(i for i, each in enumerate(select.expressions) if each is item)]
    end = own_end(statement, item, start)
    places = [(position(statement, column), column) for column in mentions]
    if end is None or any(where is None for where, _ in places):
        return None
    text = f"({statement.text[start:end]})"
    group = select.args.get("group")
    if group is not None and any(group.args.get(name) for name in ("grouping_sets", "rollup", "cube")):
        return None  # in whose groups it may be NULL
    is_key = group is not None and not is_of_a_group(item)
    edits: dict[int, Edit] = {}
    for where, column in places:
        assert where is not None
        part = part_of(select, column)
        if is_key and part.arg_key in ("having", "order"):  # what is the same for each row of a group
            edits[where[0]] = Edit(*where, f"first{text}", column)
        elif part.arg_key != "expressions" or isinstance(part, exp.Alias):
            edits[where[0]] = Edit(*where, text, column)
        else:  # which keeps its name
            place = bisect_right(starts, where[0]) - 1
            edits[starts[place]] = _named(statement, block, place, (where, text), part, column_name)
    return list(edits.values())


def _named(
    statement: Statement,
    block: Block,
    place: int,
    new: tuple[tuple[int, int], str],
    part: exp.Expr,
    column_name: Callable[[str], str],
) -> Edit:
    """A column that has no name, with a mention replaced, under the name that it has."""
    words, (where, text) = statement.words, new
    first, last = words[block.columns[place][0]].start, words[block.columns[place][1] - 1].end
    name = column_name(unmarked(statement.text[first:last], statement.names))
    named = f"{statement.text[first : where[0]]}{text}{statement.text[where[1] : last]} AS {quoted(name)}"
    return Edit(first, last, named, part, "columns")
