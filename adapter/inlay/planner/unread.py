"""Columns of a query for inputs that nothing reads. DuckDB leaves such columns out, too, but only after it has bound
them and made a join of every lookup in them: with many calls in one SELECT that is most of the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from sqlglot import exp

from inlay.parsing.reading import calls_in
from inlay.planner.known import without_value
from inlay.planner.reads import parts_of


def leave_out_unread(chain: Sequence[exp.Select], names: Collection[str]) -> None:
    """Puts NULL in the place of columns with calls that nothing reads. chain: SELECTs, each read by the next one alone;
    of the last one these names are read."""
    read = set(names)
    for place in range(len(chain) - 1, -1, -1):
        select, inner = chain[place], chain[place - 1] if place else None
        group = select.args.get("group")
        if select.args.get("distinct") or (group is not None and group.args.get("all")):
            return
        if any(item.find(exp.Columns, exp.PositionalColumn) for item in select.expressions):
            return
        if not _has_numbers(select):
            _leave_out(select, read)
        read |= set(_names(select, inner))


def _leave_out(select: exp.Select, read: set[str]) -> None:
    items = [set(_names(item)) for item in select.expressions]
    mentions = Counter(name for names in items for name in names)
    read = read.union(*(_names(part) for part in parts_of(select)))
    kept = []
    for item, names in zip(select.expressions, items, strict=True):
        name = item.alias.lower()
        is_read = name in read or mentions[name] > (name in names)
        kept.append(without_value(item) if name and not is_read and calls_in(item) else item)
    select.set("expressions", kept)


def _names(tree: exp.Expr, inner: exp.Expr | None = None) -> Iterator[str]:
    """Names of the columns that are mentioned, outside of an inner query."""
    for node in tree.walk(prune=lambda node: node is inner or isinstance(node, exp.With)):
        if isinstance(node, exp.Column) and node is not inner:
            yield node.name.lower()


def _has_numbers(select: exp.Select) -> bool:
    """Whether columns are grouped or sorted by, by their places."""
    clauses = [select.args[name].expressions for name in ("group", "order") if select.args.get(name)]
    keys = [key.this if isinstance(key, exp.Ordered) else key for keys in clauses for key in keys]
    return any(isinstance(key, exp.Literal) for key in keys)
