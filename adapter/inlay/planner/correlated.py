"""Inputs of a call in VALUES, and in a subquery or VALUES that read the rows of a SELECT around them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlglot import exp

from inlay.parsing.reading import calls_in, node_of, parsed, part_of, written
from inlay.parsing.statement import Statement
from inlay.planner.excerpt import excerpt
from inlay.planner.guards import guards_of
from inlay.planner.keyed import CORE, KEY, arguments_of, distinct, each_once, keyed
from inlay.planner.known import Known, values_of, with_ctes


def correlated(statement: Statement, number: int, staged: Collection[int]) -> Iterator[str]:
    """The same of a call in a subquery that reads the rows of the SELECT around it, or of one further out: of each of
    those rows."""
    part = excerpt(statement, number)
    select = part.select
    block = Known(select, statement, staged)
    block.conjunct_of(part.node if part.clause in ("where", "joins") else None)
    made = block.core(keyed(arguments_of(part.node, statement, number)), None, guards_of(part.node, block.is_known))
    yield from _from_around(select, made, statement, number, staged)


def of_values(statement: Statement, number: int, values: exp.Values) -> str:
    """Inputs of a call and of those in other rows of its VALUES that ask the same."""
    rows = _rows_of_values(statement, number, values)
    return with_ctes(values, each_once(rows, len(statement.calls[number].texts)))


def of_lateral_values(statement: Statement, number: int, staged: Collection[int]) -> Iterator[str]:
    """The same of VALUES that read the rows of the SELECT around them."""
    values = values_of(node_of(statement.tree.copy(), number))
    assert values is not None
    made = parsed(f"SELECT * FROM ({_rows_of_values(statement, number, values)}) AS {CORE}")
    assert isinstance(made, exp.Select)
    yield from _from_around(values, made, statement, number, staged)


def _rows_of_values(statement: Statement, number: int, values: exp.Values) -> str:
    call, rows, original = statement.calls[number], [], values_of(statement.node(number))
    for other in dict.fromkeys(calls_in(values)):
        its = statement.calls[other]
        if (its.spec, its.detail, its.settings) == (call.spec, call.detail, call.settings):
            node = statement.node(other)
            if other == number or (values_of(node) is original and not any(map(calls_in, node.expressions))):
                rows.append(written(exp.Select(expressions=keyed(arguments_of(node, statement, other)))))
    return " UNION ALL ".join(rows)


def _from_around(
    query: exp.Query | exp.Values, made: exp.Select, statement: Statement, number: int, staged: Collection[int]
) -> Iterator[str]:
    """Inputs that `made` selects, for each of the rows around a query of a copied tree."""
    keys = range(len(statement.calls[number].texts))
    select: exp.Expr = query
    while isinstance(outer := select.find_ancestor(exp.Select, exp.CTE, exp.SetOperation), exp.Select):
        place = part_of(outer, select)
        drops = ("pivots",) if place.arg_key in ("where", "joins") else ("having", "qualify", "pivots")
        if any(outer.args.get(name) for name in drops):
            return  # which drop rows before the subquery is asked of them
        joins = list(outer.args.get("joins") or [])
        if place.arg_key == "from_":
            return
        if place.arg_key == "joins":  # it reads the relations before it
            outer.set("joins", joins[: next(i for i, each in enumerate(joins) if each is place)])
        inner = exp.Lateral(this=exp.Subquery(this=made), alias=exp.TableAlias(this=exp.to_identifier(CORE)))
        block = Known(outer, statement, staged)
        made = block.core([exp.column(f"{KEY}{i}", table=CORE) for i in keys], None)
        made.append("joins", exp.Join(this=inner, kind="CROSS"))
        select = outer
        yield distinct(made, select, len(keys))
