"""Which inputs a call will be asked for: a query over the rows that reach it, written from sqlglot's reading.

These are queries of the planner's own and only foresee: where one asks for too little, the call itself still answers
what was not foreseen, and where one cannot be bound, the call runs on the plain path. So they may be generated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from sqlglot import exp

from inlay.planner.aggregates import told
from inlay.planner.statement import Statement, Unplannable, calls_in, node_of, parsed, written

KEY = "_inlay_k"
"""Columns of a gathered input: _inlay_k0, _inlay_k1, … in the order of the call's row values."""

ROWS = "_inlay_n"
"""How many rows have the input."""

_CORE = "_inlay_core"

# Not before and not after a call but anywhere: what differs from one evaluation to the next.
_VOLATILE = (exp.Rand, exp.Uuid)
_VOLATILE_NAMES = {
    "random", "setseed", "nextval", "currval", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "txid_current",
    "current_query", "clock_timestamp",
}  # fmt: skip
_RAISING_NAMES = {"error", "json_extract", "json_extract_string", "strptime", "read_text", "read_blob"}


def block_of(node: exp.Expr) -> tuple[exp.Select, str]:
    """The SELECT in which a call stands, and the clause: 'expressions', 'where', 'joins', …"""
    child, parent = node, node.parent
    while parent is not None and not isinstance(parent, exp.Select):
        if isinstance(parent, exp.Lambda):
            raise Unplannable("it stands inside a lambda")
        if isinstance(parent, exp.Pivot | exp.Update | exp.Delete | exp.Merge | exp.Values | exp.Limit | exp.Offset):
            raise Unplannable(f"it stands in {type(parent).__name__.upper()}")
        child, parent = parent, parent.parent
    if parent is None:
        raise Unplannable("it stands outside a SELECT")
    return parent, str(child.arg_key)


def is_volatile(tree: exp.Expr) -> bool:
    return any(
        isinstance(node, _VOLATILE) or (isinstance(node, exp.Func) and _name(node) in _VOLATILE_NAMES)
        for node in tree.walk()
    )


def may_raise(tree: exp.Expr) -> bool:
    """Whether evaluating it for more rows could fail a statement that would not have failed."""
    return any(
        (isinstance(node, exp.Cast) and not isinstance(node, exp.TryCast) and not isinstance(node.this, exp.Literal))
        or isinstance(node, exp.StrToTime)
        or (isinstance(node, exp.Subquery) and not isinstance(node.parent, exp.In))
        or (isinstance(node, exp.Func) and _name(node) in _RAISING_NAMES)
        for node in tree.walk()
    )


def _name(node: exp.Expr) -> str:
    return (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()  # type: ignore[attr-defined]


def is_constant(tree: exp.Expr) -> bool:
    """Whether it is the same for every row, and every group."""
    varies = (exp.Column, exp.Star, exp.Query, exp.Subquery, exp.AggFunc, exp.Window)
    return not any(isinstance(node, varies) for node in tree.walk())


class _Unread(Unplannable):
    """Nothing reads the column that the call makes: DuckDB does not make it."""


def gathers(statement: Statement, number: int, staged: Collection[int]) -> Iterator[str]:
    """Marked SELECTs of the distinct inputs of a call, the narrowest first; a later one is for where DuckDB does not
    bind those before. `staged` are calls whose answers may be looked up meanwhile."""
    node = statement.node(number)
    select, clause = block_of(node)
    if not _is_read(node, statement.tree):
        raise _Unread("nothing reads the CTE in which it stands")
    of_groups = any(_aggregates(argument) for argument in arguments_of(node, statement, number))
    narrows = clause in ("expressions", "having", "qualify", "order") or (clause == "where" and _is_plain(select))
    if narrows and not _above(node, exp.AggFunc):
        try:
            yield _narrow(statement, number, staged)
        except _Unread:
            raise
        except Unplannable:
            if of_groups:
                raise
    if not of_groups:  # whose values are of all rows, where nothing is left of the groups
        yield rows_query(statement, number, staged)


def _is_read(node: exp.Expr, tree: exp.Expr) -> bool:
    """Whether every CTE around a call is named somewhere."""
    cte = node.find_ancestor(exp.CTE)
    while isinstance(cte, exp.CTE):
        name = cte.alias.lower()
        if not any(table.name.lower() == name for table in tree.find_all(exp.Table)):
            return False
        cte = cte.find_ancestor(exp.CTE)
    return True


def _above(node: exp.Expr, kind: type[exp.Expr]) -> bool:
    parent = node.parent
    while parent is not None and not isinstance(parent, exp.Select):
        if isinstance(parent, kind):
            return True
        parent = parent.parent
    return False


def arguments_of(node: exp.Expr, statement: Statement, number: int) -> list[exp.Expr]:
    """The call's row values, as they stand in the tree; of an aggregate what it makes of those of a group."""
    call = statement.calls[number]
    found = [argument for argument in node.expressions if not isinstance(argument, exp.PropertyEQ | exp.Kwarg)]
    rows = [at for at, _ in enumerate(found) if at < len(call.spec.args) and not call.spec.args[at].is_setting]
    if len(rows) != len(call.texts):
        raise Unplannable("sqlglot reads its arguments otherwise")
    if call.gathers:
        texts = [written(argument) for argument in found]
        return [parsed(told(call, texts, at)) for at in rows]
    return [found[at] for at in rows]


def _keys(arguments: list[exp.Expr]) -> list[exp.Expr]:
    return [exp.alias_(argument.copy(), f"{KEY}{i}") for i, argument in enumerate(arguments)]


def rows_query(statement: Statement, number: int, staged: Collection[int], first: int | None = None) -> str:
    """Inputs of the rows that come out of FROM and WHERE; of the first of them alone, in the order of the result."""
    tree = statement.tree.copy()
    node = node_of(tree, number)
    select, clause = block_of(node)
    if first is not None:
        staged = [other for other in staged if other in _inside(node)]
    block = Known(select, statement, staged)
    block.conjunct_of(node if clause in ("where", "joins") else None)
    guards = _guards(node, block.is_known) if first is None else []
    made = block.core(_keys(arguments_of(node, statement, number)), first, guards)
    return _distinct(made, select, len(statement.calls[number].texts))


def _inside(node: exp.Expr) -> list[int]:
    """The calls inside a call's arguments."""
    return [number for argument in node.expressions for number in calls_in(argument)]


def _narrow(statement: Statement, number: int, staged: Collection[int]) -> str:
    """Inputs of the rows that are left after everything that does not depend on the call: GROUP BY, HAVING, QUALIFY,
    LIMIT, and what the queries around this one filter by."""
    tree = statement.tree.copy()
    node = node_of(tree, number)
    select, clause = block_of(node)
    block = Known(select, statement, staged)
    keys = _keys(arguments_of(node, statement, number))
    guards = [] if _groups(select) else _guards(node, block.is_known)
    block.keep_what_is_known(keys, guards)
    hidden = block.gives_hidden
    climb = clause == "where" or (clause == "expressions" and not select.args.get("distinct"))
    names = _names(select, node) if clause == "expressions" else set()
    while climb:
        above = _reader(select, tree)
        if above is None or above.args.get("distinct"):
            break
        names = _passed_on(above, select, names)
        # What a call's own condition drops is not in groups, windows and the first n rows.
        if _groups(above) or (clause == "where" and not _is_plain(above)):
            for part in ("group", "having", "qualify", "order", "limit", "offset"):
                above.set(part, None)
            above.set("expressions", [])
            climb = False
        block = Known(above, statement, staged, hidden)
        block.keep_what_is_known([exp.column(f"{KEY}{i}") for i in range(len(keys))], [])
        hidden = block.gives_hidden
        select = above
    _limited_by_union(select)
    return _distinct(select, select, len(keys))


def _names(select: exp.Select, node: exp.Expr) -> set[str]:
    """The name of the column that a call stands in."""
    while node.parent is not None and node.parent is not select:
        node = node.parent
    return {node.alias.lower()} if node.alias else set()


def _passed_on(above: exp.Select, select: exp.Select, names: set[str]) -> set[str]:
    """The names under which a SELECT gives on what it reads by these names. Raises where it reads none of them."""
    passed: set[str] = set()
    is_read = False
    for node in above.walk(prune=lambda node: node is select):
        if node is select:
            continue
        star = isinstance(node, exp.Star | exp.Columns) and not isinstance(node.parent, exp.Count)
        if not star and not (isinstance(node, exp.Column) and node.name.lower() in names):
            continue
        is_read = True
        item = node
        while item.parent is not None and item.parent is not above:
            item = item.parent
        if item.arg_key == "expressions":
            passed |= names if star else {item.alias_or_name.lower()}
    if names and not is_read:
        raise _Unread("nothing reads the column that it makes")
    return passed


def _limited_by_union(select: exp.Select) -> None:
    """UNION ALL … LIMIT n takes at most n rows of each side."""
    at: exp.Expr | None = select.parent
    while isinstance(at, exp.Union) and not at.args.get("distinct") and not at.args.get("order"):
        limit, offset = at.args.get("limit"), at.args.get("offset")
        if limit is not None and not select.args.get("limit"):
            bounds = [part.expression for part in (limit, offset) if part is not None]
            if all(isinstance(bound, exp.Literal) and bound.is_int for bound in bounds):
                total = sum(int(bound.this) for bound in bounds)
                select.set("limit", exp.Limit(expression=exp.Literal.number(total)))
        at = at.parent


def _is_plain(select: exp.Select) -> bool:
    """Whether each row of a SELECT is there for itself alone."""
    parts = ("group", "having", "qualify", "distinct", "limit", "offset")
    return not any(select.args.get(part) for part in parts) and not any(
        item.find(exp.AggFunc, exp.Window) for item in select.expressions
    )


def _groups(select: exp.Select) -> bool:
    """Whether a row of a SELECT stands for several."""
    return select.args.get("group") is not None or any(_aggregates(item) for item in select.expressions)


def _aggregates(item: exp.Expr) -> bool:
    return item.find(exp.AggFunc) is not None and item.find(exp.Window) is None


def _reader(select: exp.Select, tree: exp.Expr) -> exp.Select | None:
    """The one SELECT that reads this one, in its FROM or a JOIN, by the names of its columns."""
    parent = select.parent
    alias = parent.args.get("alias") if parent is not None else None
    if isinstance(alias, exp.TableAlias) and alias.args.get("columns"):
        return None
    if isinstance(parent, exp.Subquery) and isinstance(parent.parent, exp.From | exp.Join):
        return parent.find_ancestor(exp.Select)
    if isinstance(parent, exp.CTE):
        name = parent.alias.lower()
        readers = [table for table in tree.find_all(exp.Table) if table.name.lower() == name]
        if len(readers) == 1 and isinstance(readers[0].parent, exp.From | exp.Join):
            return readers[0].find_ancestor(exp.Select)
    return None


class Known:
    """One SELECT of a copied tree, which may be changed. A part is known where it holds no call that is not staged,
    and no column made from one (`hidden`)."""

    def __init__(
        self, select: exp.Select, statement: Statement, staged: Collection[int], hidden: Collection[str] = ()
    ) -> None:
        self.select = select
        self.asking: exp.Expr | None = None
        self.staged = set(staged)
        self.hidden = {name.lower() for name in hidden}
        made = [item for item in select.expressions if item.alias and not self._calls_known(item)]
        # WHERE and GROUP BY take a name for a column first; there is one of this name where the item itself reads it.
        self.hidden |= {item.alias.lower() for item in made if not _reads(item, item.alias)}
        # ORDER BY, and the queries around this one, take it for what is made here.
        self.gives_hidden = self.hidden | {item.alias.lower() for item in made}

    def _calls_known(self, tree: exp.Expr) -> bool:
        return set(calls_in(tree)) <= self.staged

    def is_known(self, tree: exp.Expr) -> bool:
        return self._is_known(tree, self.hidden)

    def _is_known(self, tree: exp.Expr, hidden: Collection[str]) -> bool:
        return self._calls_known(tree) and not any(
            column.name.lower() in hidden for column in tree.find_all(exp.Column)
        )

    def conjunct_of(self, node: exp.Expr | None) -> None:
        """The condition that holds this call is not known, whatever else it holds."""
        self.asking = node

    def core(self, columns: list[exp.Expr], first: int | None, guards: Collection[exp.Expr] = ()) -> exp.Select:
        """These columns of the rows that pass the known conditions."""
        select = self.select
        items = [item for item in self.usable_items() if not item.find(exp.AggFunc, exp.Window)]
        made = exp.Select(
            expressions=[*(item.copy() for item in items), *columns],
            from_=select.args.get("from_"),
            joins=[self.join(join) for join in select.args.get("joins") or []],
            laterals=select.args.get("laterals"),
        )
        conditions = [*self.conditions("where"), *(guard for guard in guards if not guard.find(exp.Window))]
        if conditions:
            made.set("where", exp.Where(this=exp.and_(*conditions, copy=False, wrap=True)))
        if first is not None:
            made.set("order", select.args.get("order"))
            made.set("limit", exp.Limit(expression=exp.Literal.number(first)))
        return made

    def with_ctes(self, text: str) -> str:
        """A query with the CTEs that this SELECT sees."""
        return _with_ctes(self.select, text)

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
            if asking or not self.is_known(conjunct):
                unknown_before = True
            elif not (unknown_before and may_raise(conjunct)):
                kept.append(conjunct)
        return kept

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
            if not known:
                raise Unplannable("another call is the only condition of a join")
            join.set("on", exp.and_(*known))
        return join

    def keep_what_is_known(self, keys: list[exp.Expr], guards: list[exp.Expr]) -> None:
        select = self.select
        of_groups = any(_aggregates(key) for key in keys)
        cuts = all(self.is_known(join.args["on"]) for join in select.args.get("joins") or [] if join.args.get("on"))
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
            select.set(clause, kind(this=exp.and_(*conditions)) if conditions else None)
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
                value: exp.Expr = exp.null()
                if _aggregates(item):
                    value = exp.AnyValue(this=value)  # without it the rows may stand for themselves
                elif group is not None and group.args.get("all"):
                    by_all = True
                items.append(exp.alias_(value, item.alias, quoted=True) if item.alias else value)
        if group is not None and (by_all or not self._are_known(group.expressions, unknown, self.hidden)):
            raise Unplannable("it groups by a call")
        order = select.args.get("order")
        by = [ordered.this for ordered in order.expressions] if order is not None else []
        if not cuts or not self._are_known(by, unknown, self.gives_hidden):
            select.set("order", None)
            select.set("limit", None)
            select.set("offset", None)
        distinct = select.args.get("distinct")
        if distinct is not None and not select.args.get("limit"):
            select.set("distinct", None)
        select.set("expressions", [*items, *keys])

    def _made_for_groups(self, condition: exp.Expr) -> list[exp.Expr]:
        """The conditions of a WHERE, calls that are not answered yet among them: they are made, since other rows would
        give their groups other values."""
        if any(column.name.lower() in self.hidden for column in condition.find_all(exp.Column)):
            raise Unplannable("the rows of its groups hang on the name of another call")
        return conjuncts(condition)

    def _are_known(self, parts: list[exp.Expr], unknown: set[int], hidden: Collection[str]) -> bool:
        """Parts of GROUP BY or ORDER BY. unknown: places in the SELECT list; hidden: names."""
        for part in parts:
            if isinstance(part, exp.Literal) and part.is_int and int(part.this) in unknown:
                return False
            if not self._is_known(part, hidden):
                return False
        return True


def _reads(item: exp.Expr, name: str) -> bool:
    return any(column.name.lower() == name.lower() for column in item.find_all(exp.Column))


def conjuncts(condition: exp.Expr) -> list[exp.Expr]:
    """What AND joins, in order."""
    bare = condition.unnest()
    if isinstance(bare, exp.And):
        return [*conjuncts(bare.left), *conjuncts(bare.right)]
    return [condition]


def _contains(tree: exp.Expr, node: exp.Expr) -> bool:
    return any(part is node for part in tree.walk())


def _operands(tree: exp.Expr, kind: type[exp.Expr]) -> list[exp.Expr]:
    bare = tree.unnest()
    if isinstance(bare, kind):
        return [*_operands(bare.left, kind), *_operands(bare.right, kind)]  # type: ignore[attr-defined]
    return [tree]


def _guards(node: exp.Expr, is_known: Callable[[exp.Expr], bool]) -> list[exp.Expr]:
    """Conditions around a call inside AND, OR and CASE without which its answer decides nothing."""
    found: list[exp.Expr] = []

    def but_for(condition: exp.Expr, deciding: exp.Expr) -> None:
        """Where a condition that is known decides by being TRUE, or FALSE, the call is not asked."""
        if is_known(condition) and not may_raise(condition):
            found.append(exp.Not(this=exp.Is(this=exp.paren(condition.copy()), expression=deciding)))

    child: exp.Expr = node
    parent = node.parent
    while parent is not None and not isinstance(parent, exp.Query | exp.AggFunc | exp.Window):
        if isinstance(parent, exp.Or | exp.And):
            # What AND joins in a WHERE is a condition of its own.
            if isinstance(parent, exp.Or) or not isinstance(parent.parent, exp.Where):
                other = parent.right if child is parent.left else parent.left
                for operand in _operands(other, type(parent)):
                    but_for(operand, exp.true() if isinstance(parent, exp.Or) else exp.false())
        elif isinstance(parent, exp.Case) and parent.this is None:
            branches = parent.args["ifs"]
            at = next((i for i, branch in enumerate(branches) if branch is child), len(branches))
            for branch in branches[:at]:
                but_for(branch.this, exp.true())
        elif isinstance(parent, exp.If) and child is parent.args.get("true") and is_known(parent.this):
            case = parent.parent
            if isinstance(case, exp.Case) and case.this is None:
                found.append(exp.paren(parent.this.copy()))
        child, parent = parent, parent.parent
    return found


def _distinct(made: exp.Select, place: exp.Select, n_keys: int) -> str:
    """The query around `made`, with the CTEs that can be seen at `place`."""
    body = made.copy()
    body.set("with_", None)
    if not body.expressions:
        raise Unplannable("nothing is left to gather")
    keys = ", ".join(f"{KEY}{i}" for i in range(n_keys))
    text = f"SELECT {keys}, count(*) AS {ROWS} FROM ({written(body)}) AS {_CORE} GROUP BY ALL"
    return _with_ctes(place, text)


def _with_ctes(place: exp.Select, text: str) -> str:
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
    if ctes:
        word = "WITH RECURSIVE" if recursive else "WITH"
        text = f"{word} {', '.join(written(cte) for cte in ctes)} {text}"
    return text
