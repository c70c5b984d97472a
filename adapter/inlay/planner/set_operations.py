"""A side of UNION, EXCEPT or INTERSECT in the place of the whole: what a condition around them drops, it drops of each
side before it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True)
class Side:
    """A SELECT that a set operation reads, or that is read by other names. top: the outermost set operation, or the
    SELECT itself. own, columns: the SELECT's names for its columns and
    the whole's, '' where DuckDB makes one; columns is None where they are the same. keeps_all: UNION ALL all the way
    up, which reads no column that nothing reads."""

    top: exp.Query
    own: list[str]
    columns: list[str] | None
    keeps_all: bool

    def renamed(self, names: Collection[str]) -> set[str]:
        """What these names of columns, in lower case, are outside."""
        if self.columns is None:
            return set(names)
        both = zip(self.own, self.columns, strict=True)
        return {outer.lower() for inner, outer in both if inner.lower() in names and outer}

    def alone(self, select: exp.Select) -> exp.Select:
        """Puts the SELECT in the place of the whole, under the whole's names."""
        names = [exp.to_identifier(name or f"_inlay_c{i}", quoted=True) for i, name in enumerate(self.columns or [])]
        alias = exp.TableAlias(this=exp.to_identifier("_inlay_side"), columns=names)
        made = exp.Select(expressions=[exp.Star()])
        with_ = self.top.args.pop("with_", None)
        self.top.replace(made)
        made.set("from_", exp.From(this=exp.Subquery(this=select, alias=alias)))
        made.set("with_", with_)
        return made


def side_of(select: exp.Select) -> Side | None:
    """None where it is no side, or cannot stand alone: LIMIT counts the rows of all sides."""
    above = list(_above(select))
    if not above or any(e.args.get("limit") or e.args.get("offset") or e.args.get("alias") for e in above):
        return None
    operations = [each for each in above if isinstance(each, exp.SetOperation)]
    top = operations[-1]
    first: exp.Expr = top
    while isinstance(first, exp.SetOperation | exp.Subquery):
        first = first.this
    by_name = {bool(each.args.get("by_name")) for each in operations}
    keeps_all = all(isinstance(each, exp.Union) and not each.args.get("distinct") for each in operations)
    own = [_name(item) for item in select.expressions]
    if by_name == {True} or (by_name == {False} and first is select):
        return Side(top, own, None, keeps_all)
    if len(by_name) > 1 or not isinstance(first, exp.Select) or len(first.expressions) != len(own):
        return None
    if _has_stars(select) or _has_stars(first):
        return None  # their columns cannot be told one by one
    return Side(top, own, [_name(item) for item in first.expressions], keeps_all)


def _above(select: exp.Select) -> Iterator[exp.Expr]:
    """The set operations, and brackets in them, around a side, up to the whole."""
    node = select.parent
    while isinstance(node, exp.SetOperation) or (
        isinstance(node, exp.Subquery) and isinstance(node.parent, exp.SetOperation)
    ):
        yield node
        node = node.parent


def _has_stars(query: exp.Select) -> bool:
    stars = (star for item in query.expressions for star in item.find_all(exp.Star, exp.Columns))
    return any(not isinstance(star.parent, exp.Count) for star in stars)


def under_other_names(select: exp.Select, names: list[str]) -> Side:
    """A SELECT whose first columns have these names outside."""
    own = [_name(item) for item in select.expressions]
    return Side(select, own, [*names, *own[len(names) :]], keeps_all=True)


def _name(item: exp.Expr) -> str:
    """'' where DuckDB makes the name."""
    return item.alias_or_name if isinstance(item, exp.Alias | exp.Column) else ""
