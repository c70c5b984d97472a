"""A SELECT whose join is decided by a call that is not answered yet, for the rows of one of its relations."""

from __future__ import annotations

from sqlglot import exp

from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.evaluation import all_of, conjuncts
from inlay.planner.known import Known

_DROPPED = ("joins", "laterals", "group", "having", "qualify", "order", "limit", "offset")


def joins_unknown(above: exp.Select, known: Known) -> bool:
    """Whether a join has no condition that can be asked ahead."""
    conditions = [join.args["on"] for join in above.args.get("joins") or [] if join.args.get("on") is not None]
    return any(not any(map(known.is_known, conjuncts(condition))) for condition in conditions)


def leave_alone(above: exp.Select, query: exp.Select, known: Known) -> None:
    """Leaves the relation that a query is, and the conditions that are on it alone: more rows than the join has, and
    fewer than the query. Raises Unplannable where the join gives rows of another kind."""
    relation = relation_alone(above, query)
    if relation is None:
        raise Unplannable(reasons.JOINED_BY_ANOTHER)
    name = relation.alias_or_name.lower()
    conditions = [condition for condition in known.conditions("where") if _is_on(condition, name)]
    for part in _DROPPED:
        above.set(part, None)
    above.args["from_"].set("this", relation)
    above.set("where", exp.Where(this=all_of(conditions)) if conditions else None)
    above.set("expressions", [])


def relation_alone(above: exp.Select, query: exp.Select) -> exp.Expr | None:
    """What a query is in a FROM whose joins give no other rows of it than it has; None in others."""
    first, joins = above.args["from_"].this, above.args.get("joins") or []
    relation = next((each for each in (first, *(join.this for join in joins)) if _is(each, query)), None)
    kinds = {"", "INNER", "CROSS", *(_OF_THE_FIRST if relation is first else ())}
    return relation if all(not join.args.get("method") and _kind(join) in kinds for join in joins) else None


_OF_THE_FIRST = ("LEFT", "LEFT OUTER", "SEMI", "ANTI")
"""Joins that give no other rows of the relation before them."""


def _kind(join: exp.Join) -> str:
    return " ".join(str(join.args[name]).upper() for name in ("side", "kind") if join.args.get(name))


def _is(relation: exp.Expr, query: exp.Select) -> bool:
    place = query.parent
    if isinstance(place, exp.CTE):
        return isinstance(relation, exp.Table) and relation.name.lower() == place.alias.lower()
    return relation is place


def _is_on(condition: exp.Expr, name: str) -> bool:
    columns = list(condition.find_all(exp.Column))
    return bool(columns) and all(column.table.lower() == name for column in columns) and not condition.find(exp.Query)
