"""Puts calls of AI functions into the clauses of a statement that has none: WHERE, ON, SELECT, GROUP BY, HAVING, QUALIFY,
ORDER BY, FILTER, CASE, in whichever SELECT of it. Not every result binds; DuckDB says which do."""

from __future__ import annotations

from collections.abc import Callable, Collection
from random import Random
from typing import Any

from sqlglot import exp, parse_one

Clause = Callable[[exp.Select, list[exp.Column], Random], bool]


def with_calls(sql: str, texts: Collection[str], random: Random) -> str | None:
    """The statement with calls over columns of these names in one to three places; None where it reads none of them."""
    tree = parse_one(sql, dialect="duckdb")
    blocks = [(select, found) for select in tree.find_all(exp.Select) if (found := _columns(select, texts))]
    put = 0
    for _ in range(12):
        if not blocks or put == random.randint(1, 3):
            break
        select, columns = random.choice(blocks)
        put += random.choice(CLAUSES)(select, columns, random)
    return tree.sql(dialect="duckdb") if put else None


def _columns(select: exp.Select, names: Collection[str]) -> list[exp.Column]:
    """Columns of these names that a SELECT itself mentions."""
    found = {}
    for node in select.walk(prune=lambda node: node is not select and isinstance(node, exp.Query)):
        if isinstance(node, exp.Column) and node.name in names and node.find_ancestor(exp.Select) is select:
            found[node.sql()] = node.copy()
    return list(found.values())


def _call(name: str, *arguments: Any) -> exp.Anonymous:
    return exp.Anonymous(this=name, expressions=[a.copy() if isinstance(a, exp.Expr) else a for a in arguments])


def _option(name: str, value: Any) -> exp.Expr:
    return exp.PropertyEQ(this=exp.to_identifier(name), expression=exp.convert(value))


def _value(column: exp.Expr, random: Random) -> exp.Expr:
    """A call that gives a text."""
    wide = _call("ai_classify", column, exp.convert(["good", "bad", "ugly"]))
    joined = _call("ai_sentiment", exp.DPipe(this=column.copy(), expression=exp.convert(" ä😀")))
    inside = _call("ai_sentiment", wide)
    reply = _call("ai_complete", column, _option("max_tokens", 30))
    field = exp.Dot(this=_call("ai_extract", column, exp.convert(["what", "who"])), expression=exp.to_identifier("who"))
    judged = _call("ai_classify", column, exp.convert(["good", "bad"]), _option("model", "fake-generate"))
    bare = _call("ai_sentiment", column)
    return random.choice([bare, bare, wide, joined, inside, reply, field, judged])


def _condition(columns: list[exp.Column], random: Random) -> exp.Expr:
    column, other = random.choice(columns), random.choice(columns)
    mood = random.choice(["positive", "negative"])
    return random.choice(
        [
            exp.EQ(this=_value(column, random), expression=exp.convert(mood)),
            exp.NEQ(this=_call("ai_sentiment", column), expression=exp.convert(mood)),
            _call("ai_filter", column, exp.convert("is good"), _option("threshold", 0.0)),
            exp.Not(this=_call("ai_filter", column, exp.convert("is bad"), _option("threshold", 0.1))),
            exp.GT(this=_call("ai_similarity", column, other), expression=exp.convert(0.0)),
            exp.GT(this=_call("ai_similarity", column, exp.convert("plain")), expression=exp.convert(0.1)),
            exp.Not(this=exp.Is(this=_call("ai_sentiment", column), expression=exp.null())),
            _call("ai_filter", column, exp.convert("is good"), _option("model", "fake-generate")),
            exp.GT(this=_call("length", _call("ai_complete", column)), expression=exp.convert(20)),
        ]
    )


def _where(select: exp.Select, columns: list[exp.Column], random: Random) -> bool:
    where, condition = select.args.get("where"), _condition(columns, random)
    parts = [condition] if where is None else [where.this, condition]
    random.shuffle(parts)
    select.set("where", exp.Where(this=exp.and_(*parts, copy=False)))
    return True


def _or(select: exp.Select, columns: list[exp.Column], random: Random) -> bool:
    where = select.args.get("where")
    if where is None:
        return False
    joins = (exp.And, exp.Or)
    conjuncts = [
        node
        for node in where.this.find_all(exp.Predicate)
        if not isinstance(node, joins)
        and isinstance(node.parent, exp.And | exp.Where | exp.Paren)
        and node.find_ancestor(exp.Select) is select
        and not (isinstance(node, exp.EQ) and isinstance(node.left, exp.Column) and isinstance(node.right, exp.Column))
    ]  # not those that join: without them there are too many rows
    if not conjuncts:
        return False
    conjunct = random.choice(conjuncts)
    parts = [conjunct.copy(), _condition(columns, random)]
    random.shuffle(parts)
    conjunct.replace(exp.paren(exp.or_(*parts, copy=False)))
    return True


def _on(select: exp.Select, columns: list[exp.Column], random: Random) -> bool:
    joins = [join for join in select.args.get("joins") or [] if join.args.get("on") is not None]
    if not joins:
        return False
    join = random.choice(joins)
    parts = [join.args["on"], _condition(columns, random)]
    random.shuffle(parts)
    join.set("on", exp.and_(*parts, copy=False))
    return True


def _aggregates(select: exp.Select) -> bool:
    return bool(select.args.get("group")) or any(item.find(exp.AggFunc) for item in select.expressions)


def _item(select: exp.Select, columns: list[exp.Column], random: Random) -> bool:
    """A column of the SELECT list becomes a call over it."""
    names = {column.sql() for column in columns}
    items = [item for item in select.expressions if item.unalias().sql() in names]
    if not items:
        return False
    item = random.choice(items)
    item.replace(exp.alias_(_value(item.unalias(), random), item.alias_or_name, quoted=True))
    return True


def _more(select: exp.Select, columns: list[exp.Column], random: Random) -> bool:
    """One column more."""
    if isinstance(select.parent, exp.SetOperation | exp.In | exp.Exists):
        return False
    column: exp.Expr = random.choice(columns)
    if _aggregates(select):
        column = exp.Max(this=column.copy())
    select.append("expressions", exp.alias_(_value(column, random), f"mood_{random.randint(1, 99)}"))
    return True


def _gathered(select: exp.Select, columns: list[exp.Column], random: Random) -> bool:
    """One column more, of what the texts of a group say together."""
    if not _aggregates(select) or isinstance(select.parent, exp.SetOperation | exp.In | exp.Exists):
        return False
    value = random.choice([random.choice(columns), _value(random.choice(columns), random)])
    call = random.choice(
        [
            _call("ai_agg", value, exp.convert("what is it?"), _option("max_tokens", 40)),
            _call("ai_summarize_agg", value),
            _call("ai_complete", _call("ai_agg", value, exp.convert("what?"))),
        ]
    )
    select.append("expressions", exp.alias_(call, f"said_{random.randint(1, 99)}"))
    return True


def _case(select: exp.Select, columns: list[exp.Column], random: Random) -> bool:
    if _aggregates(select):
        return False
    names = {column.sql() for column in columns}
    items = [item for item in select.expressions if item.unalias().sql() in names]
    if not items:
        return False
    item = random.choice(items)
    case = exp.Case(
        ifs=[exp.If(this=_condition(columns, random), true=item.unalias().copy())],
        default=_call("ai_sentiment", random.choice(columns)),
    )
    item.replace(exp.alias_(case, item.alias_or_name, quoted=True))
    return True


def _group(select: exp.Select, columns: list[exp.Column], random: Random) -> bool:
    """GROUP BY a call, and the same call in the SELECT list."""
    group = select.args.get("group")
    names = {column.sql(): column for column in columns}
    parts = [part for part in (group.expressions if group else []) if part.sql() in names]
    if not parts:
        return False
    part = random.choice(parts)
    value = _value(part, random)
    for item in select.expressions:
        if item.unalias().sql() == part.sql():
            item.replace(exp.alias_(value.copy(), item.alias_or_name, quoted=True))
    part.replace(value)
    return True


def _having(select: exp.Select, columns: list[exp.Column], random: Random) -> bool:
    if not select.args.get("group"):
        return False
    value = _value(exp.Max(this=random.choice(columns).copy()), random)
    condition = exp.NEQ(this=value, expression=exp.convert("negative"))
    having = select.args.get("having")
    select.set("having", exp.Having(this=exp.and_(*([having.this] if having else []), condition, copy=False)))
    return True


def _qualify(select: exp.Select, columns: list[exp.Column], random: Random) -> bool:
    if _aggregates(select) or isinstance(select.parent, exp.Exists):
        return False
    column = random.choice(columns)
    over = exp.Window(this=exp.Count(this=exp.Star()), partition_by=[column.copy()])
    found = exp.EQ(this=_value(column, random), expression=exp.convert("positive"))
    select.set("qualify", exp.Qualify(this=exp.or_(exp.GT(this=over, expression=exp.convert(1)), found, copy=False)))
    return True


def _order(select: exp.Select, columns: list[exp.Column], random: Random) -> bool:
    order = select.args.get("order")
    if order is None or select.args.get("distinct"):
        return False
    column: exp.Expr = random.choice(columns)
    if _aggregates(select):
        column = exp.Max(this=column.copy())
    order.set("expressions", [exp.Ordered(this=_value(column, random), nulls_first=False), *order.expressions])
    return True


def _filter(select: exp.Select, columns: list[exp.Column], random: Random) -> bool:
    found = [node for item in select.expressions for node in item.find_all(exp.Sum, exp.Count, exp.Min, exp.Max)]
    found = [node for node in found if not isinstance(node.parent, exp.Filter | exp.Window)]
    if not found:
        return False
    node = random.choice(found)
    node.replace(exp.Filter(this=node.copy(), expression=exp.Where(this=_condition(columns, random))))
    return True


CLAUSES: tuple[Clause, ...] = (
    _where, _where, _or, _on, _item, _item, _more, _gathered, _case, _group, _group, _having, _qualify, _order, _filter,
)  # fmt: skip
