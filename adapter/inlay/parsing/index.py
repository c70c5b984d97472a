"""Where the calls, tables and CTEs of a tree are, kept up to date while the tree is changed in places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from inlay.parsing.edits import Change
from inlay.parsing.reading import call_at

_KINDS = (exp.Anonymous, exp.AnonymousAggFunc, exp.Table, exp.CTE)


@dataclass
class Index:
    """calls: by number, as often as each is written. tables, ctes: by lower-case name."""

    calls: dict[int, list[exp.Expr]] = field(default_factory=dict)
    tables: dict[str, list[exp.Table]] = field(default_factory=dict)
    ctes: dict[str, list[exp.CTE]] = field(default_factory=dict)

    @classmethod
    def of(cls, tree: exp.Expr) -> Index:
        made = cls()
        made._add([tree])
        return made

    def call(self, number: int) -> exp.Expr | None:
        """Of a call that is written twice the outermost."""
        return min(self.calls.get(number, ()), key=lambda node: node.depth, default=None)

    def changed(self, changes: Iterable[Change]) -> None:
        """To be told before the changes are made."""
        for change in changes:
            gone = {id(node) for tree in change.gone for node in tree.find_all(*_KINDS)}
            if gone:
                self._drop(gone)
            self._add(change.new)

    def _drop(self, gone: set[int]) -> None:
        groups: tuple[dict[Any, list[Any]], ...] = (self.calls, self.tables, self.ctes)
        for nodes in (nodes for group in groups for nodes in group.values()):
            nodes[:] = [node for node in nodes if id(node) not in gone]

    def _add(self, trees: Iterable[exp.Expr]) -> None:
        for node in (node for tree in trees for node in tree.find_all(*_KINDS)):
            if isinstance(node, exp.Table):
                self.tables.setdefault(node.name.lower(), []).append(node)
            elif isinstance(node, exp.CTE):
                self.ctes.setdefault(node.alias.lower(), []).append(node)
            elif (number := call_at(node)) is not None:
                self.calls.setdefault(number, []).append(node)
