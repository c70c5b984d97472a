"""What evaluating an expression may do: raise, differ from one time to the next, stand for several rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from sqlglot import exp

from inlay.parsing.reading import call_at, parsed

# What differs from one evaluation to the next, wherever it stands.
_VOLATILE = (exp.Rand, exp.Uuid)
_VOLATILE_NAMES = {
    "random", "setseed", "nextval", "currval", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "txid_current",
    "current_query", "clock_timestamp",
}  # fmt: skip
_CLOCKS = {"now", "get_current_timestamp", "transaction_timestamp", "get_current_time"}
_TEXTS = (exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR)
_RAISING_NAMES = {"error", "json_extract", "json_extract_string", "strptime", "read_text", "read_blob"}


def is_volatile(tree: exp.Expr) -> bool:
    return any(
        isinstance(node, _VOLATILE) or (isinstance(node, exp.Func) and _name(node) in _VOLATILE_NAMES)
        for node in tree.walk()
    )


def reads_clock(tree: exp.Expr) -> bool:
    """Whether it is another time in each statement."""
    clocks = (exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime, exp.Localtime, exp.Localtimestamp)
    return any(isinstance(node, clocks) or _name(node) in _CLOCKS for node in tree.find_all(exp.Func))


def may_raise(tree: exp.Expr) -> bool:
    """Whether evaluating it for more rows could fail a statement that would not have failed. What is inside a subquery
    is evaluated for no other rows then."""
    return any(
        (type(node) is exp.Cast and not isinstance(node.this, exp.Literal) and not node.to.is_type(*_TEXTS))
        or isinstance(node, exp.StrToTime)
        or (isinstance(node, exp.Subquery) and not isinstance(node.parent, exp.In) and not _is_one_row(node.this))
        or (isinstance(node, exp.Func) and _name(node) in _RAISING_NAMES)
        for node in tree.walk(prune=lambda node: isinstance(node, exp.Query))
    )


def _is_one_row(query: exp.Expr) -> bool:
    """Whether a query has one row at the most: that of an aggregate without GROUP BY."""
    return (
        isinstance(query, exp.Select)
        and not query.args.get("group")
        and any(is_of_a_group(item) for item in query.expressions)
    )


def _name(node: exp.Expr) -> str:
    return (node.name if isinstance(node, exp.Anonymous) else node.sql_name()).lower()  # type: ignore[attr-defined]


def is_constant(tree: exp.Expr) -> bool:
    """Whether it is the same for every row, and every group."""
    varies = (exp.Column, exp.PositionalColumn, exp.Star, exp.Query, exp.Subquery, exp.AggFunc, exp.Window)
    return not any(isinstance(node, varies) for node in tree.walk())


@lru_cache(4096)
def is_given(text: str) -> bool:
    """Whether an expression is written as a literal or a parameter, cast or not: one value for the whole statement."""
    tree = parsed(text).unnest()
    while isinstance(tree, exp.Cast | exp.Neg):
        tree = tree.this.unnest()
    return isinstance(tree, exp.Literal | exp.Null | exp.Boolean | exp.Placeholder)


@lru_cache(4096)
def is_literal(text: str) -> bool:
    """Whether an expression is written as a literal, or a list or struct of literals."""
    literals = (
        exp.Literal, exp.Null, exp.Boolean, exp.Neg, exp.Array, exp.Struct, exp.PropertyEQ, exp.Identifier, exp.Paren,
    )  # fmt: skip
    return all(isinstance(node, literals) for node in parsed(text).walk())


@lru_cache(4096)
def is_constant_text(text: str) -> bool:
    """The same of an expression as it is written."""
    return is_constant(parsed(text))


# NULL of NULL, whatever else they are given.
_STRICT = (
    exp.Paren, exp.Cast, exp.DPipe, exp.Bracket, exp.Upper, exp.Lower, exp.Trim, exp.Substring, exp.Left, exp.Right,
)  # fmt: skip


@lru_cache(4096)
def is_null_with_calls(text: str) -> bool:
    """Whether an expression is NULL where the answer of a call in it is."""
    nodes = [node for node in parsed(text).find_all(exp.Anonymous) if call_at(node) is not None]
    return all(map(_is_strict, {id(above): above for node in nodes for above in _above(node)}.values()))


def _is_strict(node: exp.Expr) -> bool:
    is_field = isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier)
    return is_field or isinstance(node, _STRICT) or call_at(node) is not None


def _above(node: exp.Expr) -> Iterator[exp.Expr]:
    while node.parent is not None:
        node = node.parent
        yield node


def is_of_a_group(item: exp.Expr) -> bool:
    """Whether its value is that of a group."""
    return item.find(exp.AggFunc) is not None and item.find(exp.Window) is None


def all_of(conditions: Iterable[exp.Expr], copy: bool = False) -> exp.Expr:
    """What AND makes of conditions; sqlglot takes no subquery for one."""
    return exp.and_(*(exp.Paren(this=c) if isinstance(c, exp.Subquery) else c for c in conditions), copy=copy)


def conjuncts(condition: exp.Expr) -> list[exp.Expr]:
    """What AND joins, in order."""
    return operands(condition, exp.And)


def operands(condition: exp.Expr, kind: type[exp.Connector]) -> list[exp.Expr]:
    """What AND, or OR, joins, in order."""
    found, left = list[exp.Expr](), [condition]
    while left:
        bare = left[-1].unnest()
        if isinstance(bare, kind):
            left[-1:] = bare.right, bare.left
        else:
            found.append(left.pop())
    return found
