"""Calls that stay calls: queries for the inputs of others make them too, and no answered call overtakes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from inlay.execution.context import Context
from inlay.parsing.statement import Statement
from inlay.planner import reasons
from inlay.planner.elements import is_of_elements
from inlay.planner.gather import beside
from inlay.planner.lookups import Answers


def made_by_queries(why: Mapping[int, str], context: Context) -> list[int]:
    """Of calls that stay calls, those that queries for inputs may make: where their answers are kept, since the
    statement will make them again, and where that has no model run in a dry run. why: they stay."""
    others = (reasons.RANDOM_ROWS, reasons.UNREAD)
    return [number for number, reason in why.items() if reason not in others] if _are_known_again(context) else []


def made_in_joins(answers: Mapping[int, Answers], context: Context) -> set[int]:
    """Of the answered calls those that stay calls in ON, without which an anti join leaves more rows."""
    return {number for number, found in answers.items() if found.kept == "on"} if _are_known_again(context) else set()


def _are_known_again(context: Context) -> bool:
    """Whether what a query for inputs has a model answer is known when the statement asks for it."""
    return not context.is_dry and (context.store is not None or context.cache.budget_bytes > 0)


def not_overtaking(statement: Statement, answers: Mapping[int, Answers], plain: list[int]) -> dict[int, Answers]:
    """The answers, of which those in a condition with calls that stay calls are not looked up."""
    of_elements = (number for number in answers if is_of_elements(statement.node(number)))
    made = beside(statement, [*plain, *of_elements])
    return {
        number: replace(found, kept="call") if number in made and not found.call.detail else found
        for number, found in answers.items()
    }
