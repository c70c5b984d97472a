"""All optimisations of a statement, in the order in which they are tried.

A rule of the text moves pieces of it before anything is asked. A rule that needs answers is applied while the calls are
answered; its estimate is what a dry run does instead, where some answers are guesses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inlay.parsing.statement import Statement
from inlay.planner.rules import early_stop, join_by_call, order_calls
from inlay.planner.rules.calls_above_joins import calls_above_joins
from inlay.planner.rules.calls_above_limit import calls_above_limit
from inlay.planner.rules.calls_above_unions import calls_above_unions
from inlay.planner.rules.order_predicates import order_predicates
from inlay.planner.rules.run import Run


@dataclass(frozen=True)
class Applied:
    rule: str
    note: str


@dataclass(frozen=True)
class TextRule:
    """apply: a statement → (the changed one, a note for people), or None where there is nothing to gain."""

    apply: Callable[[Statement], tuple[Statement, str] | None]

    @property
    def name(self) -> str:
        return self.apply.__name__


@dataclass(frozen=True)
class AnswerRule:
    """apply, estimate: ask what they need, and change the statement of the run."""

    name: str
    apply: Callable[[Run], None]
    estimate: Callable[[Run], None]


RULES: tuple[TextRule | AnswerRule, ...] = (
    TextRule(order_predicates),  # what costs nothing is asked before what costs a model
    TextRule(calls_above_unions),  # the same call of every side is made once, around them all
    TextRule(calls_above_joins),  # of a subquery that is joined, only the rows that the join leaves
    TextRule(calls_above_limit),  # of a sorted and cut result, only what is left
    AnswerRule("join_by_call", join_by_call.apply, join_by_call.apply),  # the values of two sides, not their pairs
    AnswerRule("stop_early", early_stop.apply, early_stop.estimate),  # rows in order, until enough pass
    AnswerRule("order_calls", order_calls.apply, order_calls.estimate),  # by a sample: what drops most for its cost
)
