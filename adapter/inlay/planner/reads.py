"""Who reads the columns of a query: its own clauses, and the SELECT around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from weakref import WeakKeyDictionary

from sqlglot import exp

from inlay.parsing.reading import calls_in, part_of
from inlay.parsing.statement import Statement
from inlay.planner.evaluation import is_of_a_group
from inlay.planner.known import block_of
from inlay.planner.set_operations import side_of


def reader_of(query: exp.Query, statement: Statement, *, by_other_names: bool = False) -> tuple[exp.Select, str] | None:
    """The one SELECT that reads a query, in its FROM or a JOIN, by the names of its columns; and its name for it.
    by_other_names: by those that the query's alias gives them, q(a, b), too, where it is told which is which."""
    found = readers_of(query, statement)
    is_lateral = query.parent is not None and isinstance(query.parent.parent, exp.Lateral)
    if found is None or len(found) > 1 or is_lateral or (renamed(query) and not (by_other_names and _is_listed(query))):
        return None
    return found[0]


def readers_of(query: exp.Query, statement: Statement) -> list[tuple[exp.Select, str]] | None:
    """All of them; None where it is read in other ways."""
    parent = query.parent
    places: list[exp.Expr] = []
    if isinstance(parent, exp.Subquery):
        places = [parent]
    elif isinstance(parent, exp.CTE):
        name = parent.alias.lower()
        if len(statement.index.ctes[name]) > 1:
            return None
        places = [table for table in statement.index.tables.get(name, []) if not table.db]
    found = []
    for inside in places:
        place = inside.parent if isinstance(inside.parent, exp.Lateral) else inside
        reader = place.parent.parent if isinstance(place.parent, exp.From | exp.Join) else None
        named = place is not parent and isinstance(place.args.get("alias"), exp.TableAlias)
        if not isinstance(reader, exp.Select) or place.args.get("pivots"):
            return None
        if named and place.args["alias"].args.get("columns"):
            return None
        found.append((reader, place.alias_or_name))
    return found or None


def _is_listed(query: exp.Query) -> bool:
    """Whether the columns of a query can be told one by one."""
    return isinstance(query, exp.Select) and not any(item.find(exp.Star, exp.Columns) for item in query.expressions)


def renamed(query: exp.Query) -> list[str]:
    """Names for the first columns of a query, of its alias: q(a, b)."""
    alias = query.parent.args.get("alias") if query.parent is not None else None
    columns = alias.args.get("columns") if isinstance(alias, exp.TableAlias) else None
    return [column.name for column in columns or []]


def is_read_by(part: exp.Expr, columns: Mapping[int, str], has_star: bool = False) -> bool:
    """Whether a clause, or another column, names one of these columns (place → name) of its own SELECT. has_star:
    another is a star, so that a number may stand for any."""
    names = {name.lower() for name in columns.values()}
    if any(column.name.lower() in names and not column.table for column in part.find_all(exp.Column)):
        return True
    if not isinstance(part, exp.Group | exp.Order):
        return False
    keys = [key.this if isinstance(key, exp.Ordered) else key for key in part.expressions]
    if any(isinstance(key, exp.PositionalColumn) for key in keys):
        return True
    if any(isinstance(key, exp.Column | exp.Var) and key.name.lower() == "all" for key in keys):
        return True
    numbers = [int(key.this) - 1 for key in keys if isinstance(key, exp.Literal) and key.is_int]
    return any(has_star or number in columns for number in numbers)


def parts_of(select: exp.Select) -> list[exp.Expr]:
    """What a SELECT says besides its columns and FROM."""
    names = ("distinct", "where", "group", "having", "qualify", "order", "windows")
    clauses = [select.args.get(name) for name in names]
    return [part for clause in clauses for part in (clause if isinstance(clause, list) else [clause]) if part]


def unread_items(select: exp.Select) -> list[exp.Expr]:
    """The columns with calls, and with names, that nothing else in their SELECT reads."""
    return _unmentioned(select, [item for item in select.expressions if calls_in(item)])


def _unmentioned(select: exp.Select, columns: Collection[exp.Expr]) -> list[exp.Expr]:
    """Of these columns those with names that nothing else in their SELECT reads."""
    asked = {id(item) for item in columns if isinstance(item, exp.Alias)}
    if not asked:
        return []
    items, parts = select.expressions, parts_of(select)
    names = [{column.name.lower() for column in item.find_all(exp.Column) if not column.table} for item in items]
    mentions = Counter(name for each in names for name in each)
    return [
        item
        for place, item in enumerate(items)
        if id(item) in asked
        and mentions[item.alias.lower()] == (item.alias.lower() in names[place])
        and not any(
            is_read_by(part, {place: item.alias})
            for part in parts
            if not (item.alias.lower() in names[place] and _takes_columns(part))
        )
    ]


def _takes_columns(part: exp.Expr) -> bool:
    """Whether a clause takes each name for that of a column of FROM, where there is one."""
    has_places = part.args.get("all") or any(isinstance(key, exp.Literal) for key in part.expressions)
    return isinstance(part, exp.Where) or (isinstance(part, exp.Group) and not has_places)


_UNREAD: WeakKeyDictionary[Statement, dict[int, set[int]]] = WeakKeyDictionary()
"""By statement and SELECT. A statement whose SELECT has many calls asks this for each of them."""


def is_unread_item(item: exp.Expr, select: exp.Select, statement: Statement) -> bool:
    """Whether a column holds a call, and nothing else in its SELECT reads it."""
    known = _UNREAD.setdefault(statement, {})
    if id(select) not in known:
        known[id(select)] = {id(each) for each in unread_items(select)}
    return id(item) in known[id(select)]


def is_read(node: exp.Expr, statement: Statement) -> bool:
    """Whether DuckDB makes a call at all: not where nothing reads the CTE, or the column, in which it stands, nor below
    DESCRIBE."""
    if node.find_ancestor(exp.Describe):
        return False
    cte = node.find_ancestor(exp.CTE)
    while isinstance(cte, exp.CTE):
        name = cte.alias.lower()
        if not statement.index.tables.get(name):
            return False
        cte = cte.find_ancestor(exp.CTE)
    select = block_of(node)[0]
    if _has_no_rows(select):
        return False
    clause, distinct = part_of(select, node).arg_key, select.args.get("distinct")
    if distinct is not None and not distinct.args.get("on"):
        return True
    if clause == "windows":
        return _are_windows_read(select, statement)
    if clause != "expressions":
        return True
    item, group = part_of(select, node), select.args.get("group")
    if group is not None and group.args.get("all") and not is_of_a_group(item):
        return True
    if not is_unread_item(item, select, statement):
        return True
    return _is_read_outside(select, {item.alias.lower()}, statement)


def _has_no_rows(select: exp.Select) -> bool:
    limit = select.args.get("limit")
    return limit is not None and isinstance(limit.expression, exp.Literal) and limit.expression.name == "0"


def _are_windows_read(select: exp.Select, statement: Statement) -> bool:
    """Whether one of the columns that are made over a WINDOW clause is read."""
    made = [item for item in select.expressions if item.find(exp.Window)]
    others = [select.args[name] for name in ("qualify", "order") if select.args.get(name)]
    if any(part.find(exp.Window) for part in others) or len(_unmentioned(select, made)) < len(made):
        return True
    return _is_read_outside(select, {item.alias.lower() for item in made}, statement)


def _is_read_outside(
    select: exp.Select, names: set[str], statement: Statement, inside: tuple[exp.Expr, ...] = ()
) -> bool:
    """Whether the result holds columns of these names, or something else is made from them. inside: the SELECTs below,
    where this one was asked for."""
    side = side_of(select)
    readers = readers_of(select if side is None else side.top, statement)
    if readers is None or (side is not None and not side.keeps_all) or any(each is select for each in inside):
        return True
    names = names if side is None else side.renamed(names)
    if given := renamed(select if side is None else side.top):
        own = [item.alias_or_name.lower() for item in select.expressions]
        if side is not None or any(item.find(exp.Star, exp.Columns) for item in select.expressions[: len(given)]):
            return True
        outside = {**dict(zip(own, own, strict=True)), **dict(zip(own, given, strict=False))}
        names = {outside[name].lower() for name in names}
    for reader, alias in readers:
        passed = _passed_on(reader, select if side is None else side.top, alias.lower(), names)
        if passed is None or (passed and reader.args.get("distinct")):
            return True
        if passed and _is_read_outside(reader, passed, statement, (*inside, select)):
            return True
    return False


def _passed_on(reader: exp.Select, query: exp.Query, alias: str, names: set[str]) -> set[str] | None:
    """The names under which a SELECT gives on what it reads of a query by these names, where it does nothing else with
    it; None where it does."""
    places = {id(item): place for place, item in enumerate(reader.expressions)}
    passed: dict[int, str] = {}
    has_star = False
    for node in reader.walk(prune=lambda node: node is query or isinstance(node, exp.With)):
        if isinstance(node, exp.PositionalColumn):
            return None
        if isinstance(node, exp.Star | exp.Columns) and _is_star_of(node, reader, alias):
            if isinstance(node, exp.Columns) or any(node.args.values()):
                return None
            has_star = True
        elif isinstance(node, exp.Column) and node.name.lower() in (*names, alias):
            if node.table and node.table.lower() != alias:
                continue
            item = node.parent if isinstance(node.parent, exp.Alias) else node
            if id(item) not in places or node.name.lower() not in names:
                return None
            passed[places[id(item)]] = item.alias_or_name
    if has_star:
        passed |= {-1 - i: name for i, name in enumerate(sorted(names))}
    group = reader.args.get("group")
    grouped = group is not None and group.args.get("all")
    if passed and (grouped or any(is_read_by(part, passed, has_star) for part in parts_of(reader))):
        return None
    return {name.lower() for name in passed.values()}


def _is_star_of(star: exp.Expr, reader: exp.Select, alias: str) -> bool:
    """Whether a star of this SELECT stands for the columns of the relation of this name, or of all."""
    table = star.parent.args.get("table") if isinstance(star.parent, exp.Column) else None
    if isinstance(star.parent, exp.Count) or (table is not None and table.name.lower() != alias):
        return False
    return star.find_ancestor(exp.Select) is reader
