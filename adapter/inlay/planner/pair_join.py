"""A join whose condition is a call, as a join by pairs of values that are found ahead: what it is made of, and its SQL.

The right side becomes a subquery with a column more: for each of its rows, the values of the left side that it belongs
to. The condition becomes an equality with that column, which DuckDB joins by hash, in any kind of join that keeps or
drops rows of the left side. Values that were not there when the pairs were found are met by the call itself, in the
same subquery.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from inlay.functions.spec import as_text
from inlay.parsing.blocks import Span
from inlay.parsing.edits import Edit
from inlay.parsing.marks import replaced
from inlay.parsing.statement import Statement
from inlay.planner.excerpt import excerpt
from inlay.planner.from_clause import characters
from inlay.planner.keyed import KEY
from inlay.planner.known import with_ctes

VALUE = "_inlay_k"
"""The one column of the tables of distinct values."""


@dataclass(frozen=True)
class JoinByCall:
    """left: FROM up to the relation, or the one relation there that the value comes from. relation, alias: what it is
    joined to. kind: inner, left, semi or anti. values: the left side's and the right side's row value. swapped: the
    right side's stands first in the call. compared: (operator, text of the bound); None where the call is the whole
    condition. crossing: other conditions over both sides, None where some of them cannot be written (USING); equal: one
    of them is an equality. condition, place: spans of the condition and of the relation, whose trees are nodes. stars:
    those of the SELECT list that show the relation."""

    statement: Statement
    number: int
    left: str
    relation: str
    alias: str
    kind: str
    values: tuple[str, str]
    swapped: bool
    compared: tuple[str, str] | None
    left_conditions: tuple[str, ...]
    right_conditions: tuple[str, ...]
    crossing: tuple[str, ...] | None
    equal: bool
    condition: Span
    place: Span
    stars: tuple[tuple[Span, exp.Expr], ...]
    alone: tuple[str, tuple[str, ...]] | None
    nodes: tuple[exp.Expr, exp.Expr]

    def from_one_relation(self) -> JoinByCall:
        """The same with the left side's values out of the one relation that they belong to, where that can be told:
        more values, but no cross product of what the other conditions would join."""
        if self.alone is None:
            return self
        return replace(self, left=self.alone[0], left_conditions=self.alone[1])

    def values_of(self, side: int) -> str:
        """Marked SELECT of the distinct values of a side, NULL left out, without its CTEs."""
        value = self.values[side]
        source = self.left if side == 0 else self.relation
        conditions = self.left_conditions if side == 0 else self.right_conditions
        where = " AND ".join([f"({value}) IS NOT NULL", *(f"({condition})" for condition in conditions)])
        return f"SELECT DISTINCT {as_text(value)} AS {VALUE} FROM {source} WHERE {where}"

    def rows(self) -> str:
        """Marked SELECT of how many pairs of rows the other conditions leave; without its CTEs."""
        conditions = [*self.left_conditions, *self.right_conditions, *(self.crossing or ())]
        where = " AND ".join(f"({condition})" for condition in conditions) or "TRUE"
        return f"SELECT count(*) FROM {self.left}, {self.relation} WHERE {where}"

    def with_ctes(self, text: str) -> str:
        return with_ctes(excerpt(self.statement, self.number).select, text)

    def joined(self, pairs: str, lefts: str, rights: str) -> Statement:
        """The statement over tables of pairs (columns _inlay_k0 and _inlay_k1, in the order of the call) and of the
        values of each side."""
        statement, words = self.statement, self.statement.words
        hidden = f"_inlay_j{self.number}"
        left, right = self.values
        of_left, of_right = (f"{pairs}.{KEY}{int(self.swapped)}", f"{pairs}.{KEY}{int(not self.swapped)}")
        known = (
            f"SELECT {self.alias}.*, {of_left} AS {hidden} FROM {self.relation} "
            f"JOIN {pairs} ON {of_right} = {as_text(right)}"
        )
        # What is not in the tables: nothing, unless rows changed meanwhile.
        new_left = (
            f"SELECT {self.alias}.*, _inlay_u.{VALUE} FROM {self.relation}, (SELECT {VALUE} FROM ({self.values_of(0)}) "
            f"AS _inlay_q WHERE NOT EXISTS (SELECT 1 FROM {lefts} WHERE {lefts}.{VALUE} = _inlay_q.{VALUE})) "
            f"AS _inlay_u WHERE {self._condition(f'_inlay_u.{VALUE}', right)}"
        )
        there = "".join(f" AND ({condition})" for condition in self.right_conditions)
        new_right = (
            f"SELECT {self.alias}.* EXCLUDE (_inlay_y), _inlay_u.{VALUE} FROM (SELECT {self.alias}.*, "
            f"{as_text(right)} AS _inlay_y FROM {self.relation} WHERE ({right}) IS NOT NULL{there} AND NOT EXISTS "
            f"(SELECT 1 FROM {rights} WHERE {rights}.{VALUE} = {as_text(right)})) AS {self.alias}, "
            f"{lefts} AS _inlay_u WHERE {self._condition(f'_inlay_u.{VALUE}', f'{self.alias}._inlay_y')}"
        )
        relation = f"({known} UNION ALL {new_left} UNION ALL {new_right}) AS {self.alias}"
        condition = f"{as_text(left)} = {self.alias}.{hidden}"
        edits = [
            Edit(*characters(words, self.place), relation, self.nodes[0], "relation"),
            Edit(*characters(words, self.condition), condition, self.nodes[1]),
        ]
        if self.kind in ("inner", "left"):
            for span, item in self.stars:
                start, end = characters(words, span)
                edits.append(Edit(start, end, f"{statement.text[start:end]} EXCLUDE ({hidden})", item, "columns"))
        return statement.edited(edits)

    def _condition(self, left: str, right: str) -> str:
        """The condition of the join over other texts for its two values."""
        first, last = self.condition
        words = self.statement.words
        call = self.statement.calls[self.number]
        given = [*((right, left) if self.swapped else (left, right)), *call.arguments[2:]]

        def write(number: int, arguments: list[str]) -> str:
            if number != self.number:
                return f"{self.statement.mark(number)}({', '.join(arguments)})"
            return f"{self.statement.mark(number)}({', '.join([*given, *arguments[len(given) :]])})"

        return f"({replaced(self.statement.text[words[first].start : words[last - 1].end], write)})"
