"""One SELECT of a statement, and what of it may be asked before a call is answered."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlglot import exp

from inlay.parsing.reading import calls_in, written
from inlay.parsing.statement import Statement
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.elements import is_of_elements
from inlay.planner.evaluation import all_of, conjuncts, is_of_a_group, is_volatile, may_raise

TEXT = "text"
"""Where a CTE that is not copied (excerpt.py) says what its text is."""


ELEMENTS = "elements"
"""Of a call that is asked of the elements of a list, in the place of its clause."""


def block_of(node: exp.Expr) -> tuple[exp.Select, str]:
    """The SELECT in which a call stands, and the clause: 'expressions', 'where', 'joins', …, or ELEMENTS."""
    child, parent = node, node.parent
    while parent is not None and not isinstance(parent, exp.Select):
        if isinstance(parent, exp.Pivot | exp.Update | exp.Delete | exp.Merge | exp.Values | exp.Limit | exp.Offset):
            raise Unplannable(reasons.inside(type(parent).__name__.upper()))
        child, parent = parent, parent.parent
    if parent is None:
        raise Unplannable(reasons.OUTSIDE_SELECT)
    return parent, ELEMENTS if is_of_elements(node) else str(child.arg_key)


def values_of(node: exp.Expr) -> exp.Values | None:
    """The VALUES that a call is a value of; None where it is in a SELECT, inside of it or not."""
    found = node.find_ancestor(exp.Values, exp.Select, exp.Lambda, exp.Comprehension)
    return found if isinstance(found, exp.Values) else None


class Known:
    """One SELECT of a copied tree, which may be changed. A part is known where it holds no call that is not staged,
    and no column made from one (`hidden`). drops_by: the columns by which its conditions drop rows before the calls are
    made; None: all."""

    def __init__(
        self,
        select: exp.Select,
        statement: Statement,
        staged: Collection[int],
        hidden: Collection[str] = (),
        drops_by: Collection[str] | None = None,
    ) -> None:
        self.select = select
        self.drops_by = drops_by
        self.asking: exp.Expr | None = None
        self.staged = set(staged)
        self.hidden = {name.lower() for name in hidden}
        made = [item for item in select.expressions if item.alias and not self._calls_known(item)]
        # WHERE and GROUP BY take a name for a column first; there is one of this name where the item itself reads it.
        self.hidden |= {item.alias.lower() for item in made if not _reads(item, item.alias)}
        # ORDER BY, and the queries around this one, take it for what is made here.
        self.gives_hidden = self.hidden | {
            item.alias.lower() for item in select.expressions if item.alias and not self.is_known(item)
        }

    def _calls_known(self, tree: exp.Expr) -> bool:
        return set(calls_in(tree)) <= self.staged

    def is_known(self, tree: exp.Expr) -> bool:
        # In a.b a column a may be a struct.
        return self._calls_known(tree) and not any(
            part.name.lower() in self.hidden for column in tree.find_all(exp.Column) for part in column.parts
        )

    def conjunct_of(self, node: exp.Expr | None) -> None:
        """The condition that holds this call is not known, whatever else it holds."""
        self.asking = node

    def core(self, columns: list[exp.Expr], first: int | None, guards: Iterable[exp.Expr] = ()) -> exp.Select:
        """These columns of the rows that pass the known conditions."""
        select, order = self.select, self.select.args.get("order")
        joins = [self.join(join) for join in select.args.get("joins") or []]
        conditions = [*self.conditions("where"), *(guard for guard in guards if not guard.find(exp.Window))]
        readers = [*conditions, *columns, *joins, *([order] if first is not None and order is not None else [])]
        made = exp.Select(
            expressions=[*self._read_by(readers), *columns],
            from_=select.args.get("from_"),
            joins=joins,
            laterals=select.args.get("laterals"),
        )
        if conditions:
            made.set("where", exp.Where(this=all_of(conditions)))
        if first is not None:
            made.set("order", order)
            made.set("limit", exp.Limit(expression=exp.Literal.number(first)))
        return made

    def _read_by(self, parts: Collection[exp.Expr]) -> list[exp.Expr]:
        """The columns that are mentioned by their names, by each other as well."""
        names = {column.name.lower() for part in parts for column in part.find_all(exp.Column)}
        items = [item for item in self.usable_items() if not item.find(exp.AggFunc, exp.Window)]
        kept: list[exp.Expr] = []
        while more := [item for item in items if item.alias.lower() in names]:
            kept += more
            items = [item for item in items if item.alias.lower() not in names]
            names |= {column.name.lower() for item in more for column in item.find_all(exp.Column)}
        return [item.copy() for item in kept]

    def with_ctes(self, text: str) -> str:
        """A query with the CTEs that this SELECT sees."""
        return with_ctes(self.select, text)

    def conditions(self, clause: str) -> list[exp.Expr]:
        """Known conjuncts of WHERE, HAVING or QUALIFY. A condition that may raise holds only after the conditions
        before it, so it is left out where a call that is not answered yet comes first."""
        part = self.select.args.get(clause)
        if part is None:
            return []
        kept = []
        unknown_before = False
        for conjunct in conjuncts(part.this):
            asking = self.asking is not None and _contains(conjunct, self.asking)
            if not self._drops_before(conjunct):
                continue
            if asking or not self.is_known(conjunct) or is_volatile(conjunct):
                unknown_before = True
            elif not (unknown_before and may_raise(conjunct)):
                kept.append(conjunct)
        return kept

    def _drops_before(self, condition: exp.Expr) -> bool:
        columns = condition.find_all(exp.Column)
        return self.drops_by is None or all(column.name.lower() in self.drops_by for column in columns)

    def usable_items(self) -> list[exp.Expr]:
        """Named columns that conditions may mention by their name."""
        return [item for item in self.select.expressions if isinstance(item, exp.Alias) and self.is_known(item)]

    def join(self, join: exp.Join) -> exp.Join:
        condition = join.args.get("on")
        if condition is not None and not self.is_known(condition):
            known = [part for part in conjuncts(condition) if self.is_known(part)]
            if self.asking is not None and _contains(condition, self.asking):
                # Whatever the join makes of its condition, it is asked of these pairs of rows.
                join.set("side", None)
                join.set("kind", None)
                known = known or [exp.true()]
            elif "ANTI" in (str(join.args.get(name)).upper() for name in ("side", "kind")):
                known = [exp.false()]  # of which rows it leaves more than the known conditions would
            if not known:
                raise Unplannable(reasons.JOINED_BY_ANOTHER)
            join.set("on", all_of(known))
        return join

    def keep_what_is_known(self, keys: list[exp.Expr], guards: list[exp.Expr]) -> None:
        select = self.select
        of_groups = any(is_of_a_group(key) for key in keys)
        # Otherwise it is made for every row; the rules have moved what need not be.
        joined = [join.args["on"] for join in select.args.get("joins") or [] if join.args.get("on")]
        cuts = cuts_before_columns(select) and all(self.is_known(condition) for condition in joined)
        for clause in ("where", "having", "qualify"):
            conditions = self.conditions(clause)
            part = select.args.get(clause)
            if part is not None and len(conditions) < len(conjuncts(part.this)):
                cuts = False  # rows that a condition would drop are not among the first n
                if clause == "where" and of_groups:
                    conditions = self._made_for_groups(part.this)
            if clause != "having":
                conditions += [g for g in guards if (clause == "qualify") == (g.find(exp.Window) is not None)]
            kind = {"where": exp.Where, "having": exp.Having, "qualify": exp.Qualify}[clause]
            select.set(clause, kind(this=all_of(conditions)) if conditions else None)
        if not of_groups:
            select.set("joins", [self.join(join) for join in select.args.get("joins") or []])
        unknown = set()
        items = []
        group = select.args.get("group")
        by_all = False
        for place, item in enumerate(select.expressions, 1):
            if self.is_known(item):
                items.append(item)
            else:
                unknown.add(place)
                by_all = by_all or (group is not None and bool(group.args.get("all")) and not is_of_a_group(item))
                items.append(without_value(item))
        if group is not None and (by_all or not self._are_known(group.expressions, unknown)):
            raise Unplannable(reasons.GROUPED_BY_CALL)
        select.set("order", None)
        if not cuts:
            for name in ("distinct", "limit", "offset"):
                select.set(name, None)
        select.set("expressions", [*items, *keys])

    def _made_for_groups(self, condition: exp.Expr) -> list[exp.Expr]:
        """The conditions of a WHERE, calls that are not answered yet among them: they are made, since other rows would
        give their groups other values."""
        if any(column.name.lower() in self.hidden for column in condition.find_all(exp.Column)):
            raise Unplannable(reasons.GROUPS_READ_A_CALL)
        return conjuncts(condition)

    def _are_known(self, parts: list[exp.Expr], unknown: set[int]) -> bool:
        """Parts of GROUP BY. unknown: places in the SELECT list."""
        numbers = {int(part.this) for part in parts if isinstance(part, exp.Literal) and part.is_int}
        return not numbers & unknown and all(map(self.is_known, parts))


def cuts_before_columns(select: exp.Select) -> bool:
    """Whether DuckDB cuts the rows of a SELECT by LIMIT before it makes the columns: not where it sorts them or takes
    them apart, leaves out the first, or counts them to know how many."""
    limit = select.args.get("limit")
    if limit is None or limit.args.get("limit_options"):  # LIMIT 10%
        return False
    number = limit.expression
    return (
        isinstance(number, exp.Literal)
        and number.is_int
        and not any(select.args.get(name) for name in ("order", "offset", "distinct"))
    )


def without_value(item: exp.Expr) -> exp.Expr:
    """NULL in the place of a column, under its name."""
    value: exp.Expr = exp.null()
    if is_of_a_group(item):
        value = exp.AnyValue(this=value)  # without it the rows may stand for themselves
    return exp.alias_(value, item.alias, quoted=True) if item.alias else value


def _reads(item: exp.Expr, name: str) -> bool:
    return any(column.name.lower() == name.lower() for column in item.find_all(exp.Column))


def _contains(tree: exp.Expr, node: exp.Expr) -> bool:
    return any(part is node for part in tree.walk())


def with_ctes(place: exp.Expr, text: str) -> str:
    """A query with the CTEs that can be seen at a place."""
    ctes: list[exp.Expr] = []
    recursive = False
    child: exp.Expr = place
    at: exp.Expr | None = place
    while at is not None:
        known = at.args.get("with_") if isinstance(at, exp.Query) else None
        if known is not None:
            before = list(known.expressions)
            if any(cte is child for cte in before):
                before = before[: next(i for i, cte in enumerate(before) if cte is child)]
            recursive = recursive or bool(known.args.get("recursive"))
            ctes = [*before, *ctes]
        if not isinstance(at, exp.With):
            child = at
        at = at.parent
    read, needed = text.lower(), list[str]()
    for cte in reversed(ctes):
        if cte.alias.lower() in read:
            needed.insert(0, cte.meta.get(TEXT) or written(cte))
            read += needed[0].lower()
    word = "WITH RECURSIVE" if recursive else "WITH"
    return f"{word} {', '.join(needed)} {text}" if needed else text
