"""Calls as lookups in their answers. The text around the calls is the user's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from inlay.parsing.blocks import block_at
from inlay.parsing.edits import Edit
from inlay.parsing.marks import replaced, unmarked
from inlay.parsing.quoting import quoted
from inlay.parsing.reading import call_at, calls_in, part_of
from inlay.parsing.statement import Call, Statement
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.aggregates import told
from inlay.planner.elements import is_of_elements
from inlay.planner.evaluation import conjuncts, is_given, is_null_with_calls
from inlay.planner.keyed import KEY

VALUE = "_inlay_v"
"""The column of answers: a struct with one field `v`, so that an answer of NULL is not taken for none."""


CHANGED = "inlay: rows changed while the statement was being answered; run it again"

Kept = Literal["", "call", "where", "on"]
"""Why a call is better left a call: not at all, for DuckDB's own sake, for that of a call in ON, or as one there."""


@dataclass(frozen=True)
class Answers:
    """Where a call's answers are: a table with columns _inlay_k0, … and _inlay_v. keys: the row values that are looked
    up by, as (number of the row value, place among the arguments); the others are the same for every row. complete:
    the statement looks only at rows whose answers are there. kept: it stays a call, which finds its answers known;
    where that is for the sake of a call in ON, queries of the planner's own look it up all the same. spent: it stays a
    call, for rows that come in between; the rules have put the answers to use. alone: no call stands behind the lookup,
    which DuckDB would refuse there; a row without an answer ends the statement. kinds: types of the row values, where
    they are known and matter."""

    table: str
    call: Call
    keys: tuple[tuple[int, int], ...]
    complete: bool = False
    kept: Kept = ""
    spent: bool = False
    alone: bool = False
    kinds: tuple[str, ...] = ()

    def where(self, arguments: Sequence[str], unsure: Collection[int] = ()) -> str:
        """That a row of the table answers these arguments of the call, as SQL; '' where there is one row for all.
        unsure: as of same_keys()."""
        values = [(i, told(self.call, arguments, at), at) for i, at in self.keys]
        return same_keys(self.table, self.call, values, self.kinds, unsure)


def same_keys(
    table: str,
    call: Call,
    values: Iterable[tuple[int, str, int]],
    kinds: Sequence[str] = (),
    unsure: Collection[int] = (),
) -> str:
    """That a row of a table of answers is that of these values, as SQL. values: (number of the row value, its SQL, its
    place among the arguments). kinds: as of Answers. unsure: places of values whose NULL says no more than that they
    are not known."""
    # NULL has a row like any value: put beside vectors by CASE, it would count as a number of theirs that is NULL.
    return " AND ".join(
        f"{table}.{KEY}{i} {'=' if at in unsure else 'IS NOT DISTINCT FROM'} {call.spec.args[at].exactly(sql, kind)}"
        for i, sql, at in values
        for kind in (kinds[i] if kinds else "",)
    )


def with_lookups(text: str, answers: Mapping[int, Answers], names: Mapping[int, str]) -> str:
    """Marked text as SQL: a call whose answers are at hand becomes a lookup that falls back to the call itself."""
    # Of a call in a call: the inner one's answer as it is written → the same with no call behind it. With the answer
    # itself in its place, each call around another would double the text.
    inner: dict[str, str] = {}

    def replace(number: int, arguments: list[str]) -> str:
        call = f"{names[number]}({', '.join(arguments)})"
        found = answers.get(number)
        if found is None or found.kept or found.spent:
            return call
        unsure = set[int]()
        if not (found.complete or found.alone or found.call.gathers):
            written = found.call.arguments
            unsure = {at for _, at in found.keys if VALUE in arguments[at] and is_null_with_calls(written[at])}
        # What is not found is NULL, and so is the key, which then finds nothing: the call behind it says what there is.
        keys = [_without_calls(key, inner) if at in unsure else key for at, key in enumerate(arguments)]
        where = found.where(keys, unsure)
        lookup = f"SELECT {VALUE} FROM {found.table}" + (f" WHERE {where}" if where else "")
        if found.complete:
            return f"({lookup}).v"
        if found.alone:
            # error() would be refused as well: it has side effects.
            # A constant of which no row was there to ask sorts and divides nothing.
            none = "" if found.keys else " WHEN 0 THEN 0"
            one = f"list({VALUE})[CASE count(*) WHEN 1 THEN 1{none} ELSE '{CHANGED}'::INTEGER END]"
            return f"({lookup.replace(VALUE, one, 1)}).v"
        answer = f"coalesce(({lookup}), {{'v': {call}}}).v"
        inner[answer] = f"({lookup}).v"
        return answer

    return unmarked(replaced(text, replace), names)


def _without_calls(value: str, inner: dict[str, str]) -> str:
    """A value with lookups alone in the place of answers. inner: of each answer, the inner ones first."""
    for answer, lookup in reversed(inner.items()):
        value = value.replace(answer, lookup)
    return value


def key_places(call: Call) -> tuple[tuple[int, int], ...]:
    """The row values that a call's answers are looked up by. Nothing else tells one row from another, so only what is
    given in the statement's text, or as a parameter, is left out."""
    takes = zip(range(len(call.arguments)), call.spec.args, strict=False)
    places = [at for at, argument in takes if not argument.is_setting]
    return tuple(
        (i, at) for i, at in enumerate(places) if at in call.varies or not is_given(told(call, call.arguments, at))
    )


def answers_of(
    statement: Statement, number: int, table: str, stays: bool = False, kinds: tuple[str, ...] = ()
) -> Answers:
    """The answers in a table as a call looks them up. stays: it stays a call in any case. kinds: as of Answers."""
    node, call = statement.node(number), statement.calls[number]
    alone = any(map(_stands_alone, statement.index.calls[number]))
    kept: Kept = "" if alone else "call" if stays else _stays_a_call(node)
    return Answers(table, call, key_places(call), kept=kept, alone=alone, kinds=kinds)


def _stands_alone(node: exp.Expr) -> bool:
    """Whether a call is in PARTITION BY or ORDER BY of a window, where DuckDB takes nothing with side effects."""
    child, parent = node, node.parent
    while parent is not None and not isinstance(parent, exp.Query):
        if isinstance(parent, exp.Window) and child is not parent.this:
            return True
        child, parent = parent, parent.parent
    return False


def _stays_a_call(node: exp.Expr) -> Kept:
    """Whether a call is better left a call, whose answers are known by then, than made a lookup."""
    select = node.find_ancestor(exp.Select)
    if select is None:
        return ""
    if is_of_elements(node):
        return "call"
    if node.find(exp.PositionalColumn):  # inside a subquery #1 is the first column of its own FROM
        return "call"
    if _is_in_join(node):
        return "on"
    if isinstance(node.find_ancestor(exp.Where, exp.Select), exp.Where) and joins_by_calls(select):
        return "where"
    # DuckDB joins everything with everything before it flattens a lookup by another lookup's answer.
    if select.args.get("joins") and any(calls_in(argument) for argument in node.expressions):
        return "call"
    # In a grouped SELECT it takes a bare name inside a subquery for the column of that name that the SELECT makes, and
    # not for the one it groups by: it would not bind.
    names = {column.name.lower() for column in node.find_all(exp.Column) if not column.table}
    item = part_of(select, node)
    grouped = select.args.get("group") is not None
    return "call" if grouped and isinstance(item, exp.Alias) and item.alias.lower() in names else ""


def _is_in_join(node: exp.Expr) -> bool:
    """Whether a call stands in ON, beside an equality that DuckDB joins by, and is not asked of one side's rows, as one
    in WHERE is. With a lookup there DuckDB compares every row of one side with every row of the other."""
    join = node.find_ancestor(exp.Join, exp.Select)
    if not isinstance(join, exp.Join):
        return False
    on = join.args.get("on")
    if on is None or not any(isinstance(part.unnest(), exp.EQ) and not calls_in(part) for part in conjuncts(on)):
        return False
    kinds = {str(join.args.get(name)).upper() for name in ("side", "kind", "method") if join.args.get(name)}
    columns = {(column.table, column.name) for column in node.find_all(exp.Column)}
    tables = {table for table, _ in columns}
    return not (kinds <= {"INNER"} and (len(columns) == 1 or (len(tables) == 1 and "" not in tables)))


def joins_by_calls(select: exp.Select) -> bool:
    """Whether calls are left in ON. DuckDB makes these before it looks up what stands in WHERE; with calls in both
    places, those in WHERE come first."""
    conditions = [join.args["on"] for join in select.args.get("joins") or [] if join.args.get("on")]
    nodes = [node for on in conditions for node in on.find_all(exp.Anonymous) if call_at(node) is not None]
    return any(_is_in_join(node) for node in nodes)


def named_columns(statement: Statement, column_name: Callable[[str], str]) -> Statement:
    """The statement with a name for every column that takes its name from a call: the name that it has."""
    edits: dict[int, Edit] = dict(_of_windows(statement, column_name))
    for number in statement.calls:
        node: exp.Expr | None = statement.node(number)
        if not any(map(_has_no_name, _with_ancestors(node))):
            continue
        at = statement.place(number)
        outside = at
        while node is not None:  # a column of each SELECT around the call
            while node.parent is not None and not isinstance(node.parent, exp.Select):
                node = node.parent
            if _has_no_name(node):
                if node.find(exp.Columns):
                    raise Unplannable(reasons.OF_COLUMNS)
                block = block_at(statement.text, outside)
                column = None if block is None else next((c for c in block.columns if c[0] <= at < c[1]), None)
                if block is None or column is None:
                    raise Unplannable(reasons.COLUMN_NOT_FOUND)
                end = statement.words[column[1] - 1].end
                name = quoted(column_name(unmarked(block.text(column), statement.names)))
                edits[end] = Edit(end, end, f" AS {name}", node, "name")
            block = block_at(statement.text, outside)
            node = node.parent
            if block is None:
                break
            outside = block.span[0] - 1
            if outside < 0:
                break
    return statement.edited(list(edits.values())) if edits else statement


def _of_windows(statement: Statement, column_name: Callable[[str], str]) -> Iterator[tuple[int, Edit]]:
    """Names for the columns that take theirs from a WINDOW clause with calls."""
    for select in statement.tree.find_all(exp.Select):
        numbers = [number for window in select.args.get("windows") or [] for number in calls_in(window)]
        block = block_at(statement.text, statement.place(numbers[0])) if numbers else None
        if block is None or len(block.columns) != len(select.expressions):
            continue
        first, last = block.clauses["window"]
        clause = statement.text[statement.words[first].start : statement.words[last - 1].end]
        clause = clause[
            : statement.words[block.clauses["window"][1] - 1].end - statement.words[block.clauses["window"][0]].start
        ]
        for column, item in zip(block.columns, select.expressions, strict=True):
            if _has_no_name(item) and item.find(exp.Window):
                text = f"{block.text(column)} WINDOW {clause}"
                end = statement.words[column[1] - 1].end
                name = quoted(column_name(unmarked(text, statement.names)))
                yield end, Edit(end, end, f" AS {name}", item, "name")


def _has_no_name(node: exp.Expr) -> bool:
    """Whether it is a column of a SELECT that DuckDB names."""
    is_column = isinstance(node.parent, exp.Select) and node.arg_key == "expressions"
    return is_column and not isinstance(node, exp.Alias) and not node.is_star


def _with_ancestors(node: exp.Expr | None) -> Iterator[exp.Expr]:
    while node is not None:
        yield node
        node = node.parent
