"""Calls inside a lambda, or a list comprehension: asked of the elements of the list, and made as calls, since DuckDB
takes no lookup there.

list_transform(l, lambda e: ai_x(e))     the inputs of ai_x are SELECT e FROM …, LATERAL (SELECT unnest(l) AS e)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from inlay.parsing.reading import calls_in
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons

_EACH_ELEMENT = {"list_apply", "array_apply", "list_transform", "array_transform", "list_filter", "array_filter"}

_BODIES = (exp.Lambda, exp.Comprehension)


@dataclass(frozen=True)
class _Elements:
    """body: what is evaluated for each element. of: the list. names: of an element, and perhaps of its place."""

    body: exp.Expr
    of: exp.Expr
    names: list[str]


def is_of_elements(node: exp.Expr) -> bool:
    """Whether a call is inside such a body. Raises Unplannable where its elements cannot be told."""
    return bool(_around(node))


def has_elements(tree: exp.Expr) -> bool:
    """Whether calls are inside such a body in it."""
    return any(calls_in(body) for body in tree.find_all(*_BODIES))


def _around(node: exp.Expr) -> list[_Elements]:
    """The bodies around a node, the outermost first."""
    found: list[_Elements] = []
    child, parent = node, node.parent
    while parent is not None and not isinstance(parent, exp.Query):
        if isinstance(parent, exp.Lambda):
            found.insert(0, _of_lambda(parent))
        elif isinstance(parent, exp.Comprehension) and child.arg_key != "iterator":
            found.insert(0, _Elements(parent, parent.args["iterator"], [parent.expression.name]))
        child, parent = parent, parent.parent
    return found


def _of_lambda(body: exp.Lambda) -> _Elements:
    function = body.parent
    names = [name.name for name in body.expressions]
    if isinstance(function, exp.Transform | exp.ArrayFilter) and len(names) <= 2:
        return _Elements(body, function.this, names)
    if isinstance(function, exp.Anonymous) and function.name.lower() in _EACH_ELEMENT and len(names) <= 2:
        return _Elements(body, function.expressions[0], names)
    raise Unplannable(reasons.IN_LAMBDA)


def read_elements(select: exp.Select, node: exp.Expr) -> None:
    """Has a SELECT of a copied tree read the elements as rows, and a call in a body columns of theirs."""
    for place in range(len(_around(node))):
        elements, relation = _around(node)[place], f"_inlay_e{place}"
        if elements.of.find(exp.AggFunc, exp.Window):
            raise Unplannable(reasons.IN_LAMBDA)
        for name in elements.names:
            for read in list(_reads(elements.body, name.lower())):
                column: exp.Expr = exp.column(exp.to_identifier(name, quoted=True), table=relation)
                if isinstance(read, exp.Column) and read.table:
                    column = exp.Dot(this=column, expression=read.this.copy())
                read.replace(column)
        items: list[exp.Expr] = [exp.Explode(this=elements.of.copy())]
        if len(elements.names) == 2:
            numbers = exp.Anonymous(this="generate_subscripts", expressions=[elements.of.copy(), exp.Literal.number(1)])
            items.append(numbers)
        named = [exp.alias_(item, name, quoted=True) for item, name in zip(items, elements.names, strict=True)]
        rows = exp.Subquery(this=exp.Select(expressions=named))
        if select.args.get("from_") is None:
            one = exp.Subquery(this=exp.Select(expressions=[exp.Literal.number(1)]), alias=_name("_inlay_one"))
            select.set("from_", exp.From(this=one))
        select.append("joins", exp.Join(this=exp.Lateral(this=rows, alias=_name(relation)), kind="CROSS"))


def _name(relation: str) -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(relation))


def _reads(body: exp.Expr, name: str) -> Iterator[exp.Expr]:
    """Where a body reads an element by its name; in a body inside that has the same name, it is another's."""

    def is_another(node: exp.Expr) -> bool:
        return node is not body and isinstance(node, _BODIES) and name in _names(node)

    for node in body.walk(prune=is_another):
        if is_another(node) or node is body:
            continue
        if isinstance(node, exp.Column):
            if name in (node.table.lower(), "" if node.table else node.name.lower()):
                yield node
        elif isinstance(node, exp.Identifier) and node.name.lower() == name and _is_value(node, body):
            yield node


def _names(body: exp.Expr) -> list[str]:
    names = body.expressions if isinstance(body, exp.Lambda) else [body.expression]
    return [each.name.lower() for each in names]


def _is_value(node: exp.Identifier, body: exp.Expr) -> bool:
    """Whether a word stands for a value, and does not name a field, a column or what a body inside gives names to."""
    parent = node.parent
    if isinstance(parent, exp.Dot | exp.PropertyEQ | exp.Kwarg):
        return node.arg_key == ("this" if isinstance(parent, exp.Dot) else "expression")
    if isinstance(parent, _BODIES):
        return node.arg_key == "this"
    return not isinstance(parent, exp.Column | exp.Alias | exp.DataType)
