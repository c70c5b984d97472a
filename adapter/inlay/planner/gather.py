"""Which inputs a call will be asked for: a query over the rows that reach it, written from sqlglot's reading.

These are queries of the planner's own and only foresee: where one asks for too little, the call itself still answers
what was not foreseen, and where one cannot be bound, the call runs on the plain path. So they may be generated.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Iterable, Iterator
from types import UnionType

from sqlglot import exp

from inlay.parsing.marks import numbers_in
from inlay.parsing.reading import calls_in, part_of
from inlay.parsing.statement import Statement
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.alone import joins_unknown, leave_alone, relation_alone
from inlay.planner.correlated import correlated, of_lateral_values, of_values
from inlay.planner.crowds import MOST_LOOKUPS
from inlay.planner.evaluation import all_of, conjuncts, is_of_a_group, is_volatile
from inlay.planner.excerpt import excerpt
from inlay.planner.guards import guards_of
from inlay.planner.keyed import KEY, arguments_of, distinct, keyed
from inlay.planner.known import ELEMENTS, Known, block_of, cuts_before_columns, values_of
from inlay.planner.reads import is_read, renamed
from inlay.planner.set_operations import side_of, under_other_names
from inlay.planner.unread import leave_out_unread

_PASSED = "_inlay_passed"


def gathers(statement: Statement, number: int, staged: Collection[int], made: Collection[int] = ()) -> Iterator[str]:
    """Marked SELECTs of the distinct inputs of a call, the narrowest first; a later one is for where DuckDB does not
    bind those before. `staged` are calls whose answers may be looked up meanwhile, and `made` others that may be made,
    where their condition comes first: without it more inputs would be asked for than DuckDB asks for by itself."""
    node = statement.node(number)
    if (values := values_of(node)) is not None:
        yield of_values(statement, number, values)
        if values.parent_select is not None:
            yield from of_lateral_values(statement, number, staged)
        return
    if not is_read(node, statement):
        raise Unplannable(reasons.UNREAD)
    of_groups = any(is_of_a_group(argument) for argument in arguments_of(node, statement, number))
    asked = {*staged, *made}
    wide: str | None = None
    if _may_be_narrow(node, of_groups):
        try:
            narrow = _narrow(statement, number, asked)
            n_lookups = len(numbers_in(narrow))
            # What stands around a SELECT may have so much looked up that to plan it takes longer than it spares.
            if not of_groups and n_lookups > MOST_LOOKUPS and block_of(node)[0].parent_select is not None:
                wide = rows_query(statement, number, asked)
            if wide is None or len(numbers_in(wide)) >= n_lookups:
                yield narrow
        except Unplannable:
            if of_groups:
                raise
    if not of_groups:  # whose values are of all rows, where nothing is left of the groups
        if (apart := _apart(statement, number, asked)) is not None:
            yield apart
        yield wide or rows_query(statement, number, asked)
        yield from correlated(statement, number, asked)


def _may_be_narrow(node: exp.Expr, of_groups: bool) -> bool:
    """Whether a call's rows may be asked for as they come out of their SELECT and of those that read it. Raises
    Unplannable where they cannot be asked for at all."""
    select, clause = block_of(node)
    clauses = ["having", "qualify", "order", "expressions", *["where"] * _is_plain(select)]
    if clause == ELEMENTS:
        # These leave fewer rows than there are elements, which cannot stand in their place.
        if select.args.get("having") or select.args.get("qualify") or cuts_before_columns(select):
            raise Unplannable(reasons.IN_LAMBDA)
        clause, clauses = str(part_of(select, node).arg_key), ["expressions", "where"] * _is_plain(select)
    inside = exp.AggFunc | exp.Filter if of_groups else exp.AggFunc | exp.Filter | exp.Window
    return clause in clauses and not _above(node, inside)


_CLAUSES = ("where", "group", "having", "windows", "qualify", "expressions", "order")
"""In the order in which rows go through them."""


def made_before(statement: Statement, number: int, plain: Collection[int]) -> set[int]:
    """Of calls that stay calls, those in the conditions of the same SELECT that DuckDB looks at before this call."""
    node = statement.node(number)
    found = set[int]()
    if values_of(node) is not None:
        return found
    select, clause = block_of(node)
    if clause not in _CLAUSES:
        return found
    for name in _CONDITIONS[: bisect([_CLAUSES.index(name) for name in _CONDITIONS], _CLAUSES.index(clause))]:
        for condition in conjuncts(select.args[name].this) if select.args.get(name) else ():
            inside = set(calls_in(condition))
            if number in inside:
                return found
            if not is_volatile(condition):
                found |= inside & set(plain)
    return found


def beside(statement: Statement, plain: Collection[int]) -> set[int]:
    """Of the other calls, those in conditions of one clause with calls that stay calls. DuckDB would look at the latter
    first, of rows that the others drop, were the others looked up."""
    found = set[int]()
    for node in filter(None, map(statement.index.call, plain)):
        select = node.find_ancestor(exp.Select)
        part = None if select is None else part_of(select, node)
        if part is not None and part.arg_key in _CONDITIONS:
            found |= set(calls_in(part))
    return found - set(plain)


_CONDITIONS = ("where", "having", "qualify")


def asks_every_row(statement: Statement, number: int, staged: Collection[int]) -> bool:
    """Whether gathers() takes the inputs of every row that gets to the clause of a call."""
    node = statement.node(number)
    if values_of(node) is not None:
        return False
    return next(guards_of(node, Known(block_of(node)[0], statement, staged).is_known), None) is None


def asked_by(statement: Statement, number: int, others: Iterable[int]) -> int | None:
    """Which of these calls, which are asked of every row, is given the same in the same SELECT, and before."""
    node = statement.node(number)
    if values_of(node) is not None:
        return None
    select, clause = block_of(node)
    for other in others:
        twin = statement.node(other)
        its_select, its_clause = block_of(twin)
        if its_select is select and {clause, its_clause} <= set(_CLAUSES) and twin.expressions == node.expressions:
            is_before = _CLAUSES.index(its_clause) <= _CLAUSES.index(clause)
            if is_before and (_above(twin, exp.AggFunc) or not _above(node, exp.AggFunc)):
                return other
    return None


def _above(node: exp.Expr, kind: type[exp.Expr] | UnionType) -> bool:
    parent = node.parent
    while parent is not None and not isinstance(parent, exp.Select):
        if isinstance(parent, kind):
            return True
        parent = parent.parent
    return False


def rows_query(statement: Statement, number: int, staged: Collection[int]) -> str:
    """Inputs of the rows that come out of FROM and WHERE."""
    part = excerpt(statement, number)
    node, select, clause = part.node, part.select, part.clause
    block = Known(select, statement, staged)
    block.conjunct_of(node if clause in ("where", "joins") else None)
    made = block.core(keyed(arguments_of(node, statement, number)), None, guards_of(node, block.is_known))
    return distinct(made, select, len(statement.calls[number].texts))


def _apart(statement: Statement, number: int, staged: Collection[int]) -> str | None:
    """The same of a condition in a subquery that reads the rows around it, where the condition itself reads none of
    them: DuckDB makes it before it joins both. None elsewhere."""
    node = statement.node(number)
    own = block_of(node)[0]
    if own.parent_select is None or part_of(own, node).arg_key != "where":
        return None
    part = excerpt(statement, number)
    select = part.select
    conditions = conjuncts(select.args["where"].this)
    names = {relation.alias_or_name.lower() for relation in select.find_all(exp.Table, exp.Subquery, exp.Lateral)}
    kept = [each for each in conditions if _tables(each) <= {*names, ""}]  # a name alone is one of its own first
    is_kept = any(number in calls_in(each) for each in kept)
    if not is_kept or len(kept) == len(conditions) or select.find_ancestor(exp.Select) is None:
        return None
    select.set("where", exp.Where(this=all_of(kept)))
    block = Known(select, statement, staged)
    block.conjunct_of(part.node)
    made = block.core(keyed(arguments_of(part.node, statement, number)), None, guards_of(part.node, block.is_known))
    return distinct(made, select, len(statement.calls[number].texts))


def _tables(condition: exp.Expr) -> set[str]:
    """By which names of tables a condition reads columns; '' for those without one."""
    return {column.table.lower() for column in condition.find_all(exp.Column)}


def first_rows_query(statement: Statement, number: int, first: int, answered: Collection[int] = ()) -> str:
    """Inputs of the first of the rows that pass the conditions without calls, in the order of the result: of those that
    pass the conditions whose calls are answered, too."""
    part = excerpt(statement, number)
    node, select = part.node, part.select
    block = Known(select, statement, _inside(node))
    block.conjunct_of(node)
    columns = keyed(arguments_of(node, statement, number))
    asked = [part for part in conjuncts(select.args["where"].this) if calls_in(part)]
    passed = [part.copy() for part in asked if set(calls_in(part)) <= set(answered) - {number}]
    if passed:
        columns.append(exp.alias_(all_of(passed, copy=True), _PASSED))
    made = block.core(columns, first)
    return distinct(made, select, len(statement.calls[number].texts), f" WHERE {_PASSED}" if passed else "")


def _inside(node: exp.Expr) -> list[int]:
    """The calls inside a call's arguments."""
    return [number for argument in node.expressions for number in calls_in(argument)]


def _narrow(statement: Statement, number: int, staged: Collection[int]) -> str:
    """Inputs of the rows that are left after everything that does not depend on the call: GROUP BY, HAVING, QUALIFY,
    LIMIT, and what the queries around this one filter by."""
    part = excerpt(statement, number, with_readers=True)
    node, select, clause = part.node, part.select, part.clause
    block = Known(select, statement, staged)
    keys = keyed(arguments_of(node, statement, number))
    guards = [] if _groups(select) else list(guards_of(node, block.is_known))
    in_window = _above(node, exp.Window)
    if in_window:  # it reads the rows that these drop after it
        for name in ("qualify", "distinct", "order", "limit", "offset"):
            select.set(name, None)
    side, passes, drops_by = side_of(select), _passes_distinct(select), None
    block.keep_what_is_known(keys, guards)
    hidden = block.gives_hidden
    is_condition = clause in ("where", "having")
    climb = is_condition or (clause == "expressions" and not in_window)
    of_all_rows = block_of(node)[1] != ELEMENTS
    chain = [select]
    for above in part.readers:
        # DuckDB makes groups and windows before it joins them.
        apart = _joins(above) and (drops_by is not None or _groups(part.select))
        if not climb or passes is False or above.args.get("sample") or (apart and not relation_alone(above, select)):
            break
        of_all_rows = of_all_rows and side is None and passes is None
        if side is None and (names := renamed(select)):
            side = under_other_names(select, names)
        if side is not None:
            select, hidden, chain = side.alone(select), side.renamed(hidden), []
            if alias := select.parent.args.get("alias") if select.parent is not None else None:
                alias.set("columns", None)
        side, passes = side_of(above), _passes_distinct(above)
        # What a call's own condition drops is not in groups, windows and the first n rows.
        climb = not (_groups(above) or (is_condition and not _is_plain(above)))
        block = Known(above, statement, staged, hidden, drops_by)
        drops_by = _still_drops_by(above, drops_by)
        _leave_out_what_is_after(above, of_all_rows, climb)
        if apart or joins_unknown(above, block):
            leave_alone(above, select, block)
            climb = False
        block.keep_what_is_known([exp.column(f"{KEY}{i}") for i in range(len(keys))], [])
        hidden = block.gives_hidden
        select = above
        chain.append(select)
    leave_out_unread(chain, [key.alias for key in keys])
    return distinct(select, select, len(keys))


def _joins(select: exp.Select) -> bool:
    return bool(select.args.get("joins") or select.args.get("laterals"))


def _leave_out_what_is_after(above: exp.Select, of_all_rows: bool, climb: bool) -> None:
    """Of a SELECT that reads a call's rows, leaves out what drops some after DuckDB has made the call for them.
    of_all_rows: they are all the rows that it reads. climb: whether its rows are those of what it reads."""
    after = ["qualify"]
    # Lookups are joins, below which DuckDB moves no LIMIT.
    if (
        not of_all_rows
        or _joins(above)
        or calls_in(above.args.get("where") or exp.null())
        or above.args.get("distinct")
    ):
        after += ["distinct", "order", "limit", "offset"]
    elif any(calls_in(item) for item in above.expressions):
        after += ["limit", "offset"]
    if not climb:
        after += ["group", "having", "order", "limit", "offset"]
        above.set("expressions", [])
    for name in after:
        above.set(name, None)


def _still_drops_by(above: exp.Select, before: Collection[str] | None) -> Collection[str] | None:
    """The columns by which a condition around a SELECT drops rows before it makes windows over them: those that all of
    them are cut by. None: all columns. before: of the SELECTs that it reads."""
    windows = [
        window
        for part in (*above.expressions, above.args.get("qualify"))
        if part
        for window in part.find_all(exp.Window)
    ]
    if not windows:
        return before
    cut = [
        {key.name.lower() for key in window.args.get("partition_by") or [] if isinstance(key, exp.Column)}
        for window in windows
    ]
    return set.intersection(*cut, *([] if before is None else [set(before)]))


def _passes_distinct(select: exp.Select) -> bool | None:
    """Whether a condition around a SELECT's DISTINCT drops the same rows before it; None where it has none."""
    distinct = select.args.get("distinct")
    return None if distinct is None else not (distinct.args.get("on") or select.args.get("limit"))


def _is_plain(select: exp.Select) -> bool:
    """Whether each row of a SELECT is there for itself alone."""
    parts = ("group", "having", "qualify", "distinct", "limit", "offset")
    return not any(select.args.get(part) for part in parts) and not any(
        item.find(exp.AggFunc, exp.Window) for item in select.expressions
    )


def _groups(select: exp.Select) -> bool:
    """Whether a row of a SELECT stands for several."""
    return select.args.get("group") is not None or any(is_of_a_group(item) for item in select.expressions)
