"""What is changed in a person's statement before it runs, in this order. Each rule moves pieces of its text and gives
the new text with a note for `explain`, or None where there is nothing to gain.

Three more rules need answers first, so the runner applies them between the queries for inputs. Each says what is to be
asked, as SQL, and what it makes of the answers, as a new statement: join_by_call (pairs of values), early_stop (rows in
order until enough pass) and order_calls (a sample of the rows)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inlay.parsing.statement import Statement
from inlay.planner.rules.calls_above_joins import calls_above_joins
from inlay.planner.rules.calls_above_limit import calls_above_limit
from inlay.planner.rules.calls_above_unions import calls_above_unions
from inlay.planner.rules.order_predicates import order_predicates


@dataclass(frozen=True)
class Applied:
    rule: str
    note: str


Rule = Callable[[Statement], "tuple[Statement, str] | None"]

RULES: tuple[Rule, ...] = (
    order_predicates,  # what costs nothing is asked before what costs a model
    calls_above_unions,  # the same call of every side is made once, around them all
    calls_above_joins,  # of a subquery that is joined, only the rows that the join leaves
    calls_above_limit,  # of a sorted and cut result, only what is left
)
