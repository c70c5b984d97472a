"""What an aggregate of ours hands to its function: one text for a group, as its macro makes it of the rows' values.

The macro of `ai_agg(texts, …)` calls a plain function with a list of the group's texts. The planner foresees that list,
so that groups are answered ahead as rows are; the user's call stays as it is written. Where a rule moves the call
away from its group, it becomes one of the macro `_inlay_ai_agg(list, …)`, which takes the list itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from inlay.functions.spec import FunctionSpec
from inlay.parsing.tokens import Word, closing, spliced, split, words
from inlay.parsing.twins import OF_LIST
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons

if TYPE_CHECKING:
    from inlay.parsing.statement import Call


def told(call: Call, arguments: Sequence[str], at: int) -> str:
    """SQL of what the function is told in the place of an argument. arguments: the call's own, as SQL."""
    if not call.gathers:
        return arguments[at]
    names = [argument.name.lower() for argument in call.spec.args]
    expression, found = _handed_over(call.spec)[at]
    pieces = [
        (word.start, word.end, f"({arguments[names.index(word.lower)]})") for word in found if word.lower in names
    ]
    return spliced(expression, pieces)


def list_of(spec: FunctionSpec, text: str, *, distinct: bool, order: str, where: str) -> str:
    """SQL of the list that the macro hands over, of the different texts alone, in another order, or of some rows.
    order: ORDER BY …; where: a condition."""
    expression, _ = _handed_over(spec)[0]
    name = spec.args[0].name
    made = expression.replace(f"list({name} ORDER BY coalesce({name}))", f"list({name} {order})")
    if distinct:
        made = made.replace("list(", "list(DISTINCT ", 1)
    if distinct and not order:
        made = made.replace("to_json(", "to_json(list_sort(", 1).replace("::VARCHAR", ")::VARCHAR", 1)
    made = re.sub(rf"\b{name}\b", lambda _: f"({text})", made)
    return made.replace("FILTER (WHERE ", f"FILTER (WHERE ({where}) AND ", 1) if where else made


def of_list(name: str) -> str:
    """The macro that takes what an aggregate hands over. name: with its schema."""
    schema, dot, bare = name.rpartition(".")
    return f"{schema}{dot}{OF_LIST}{bare.strip(chr(34))}"


def call_with_list(spec: FunctionSpec, call: str) -> str:
    """The macro's call of its function, over what it would hand over."""
    for argument, (expression, _) in zip(spec.args, _handed_over(spec), strict=True):
        call = call.replace(expression, argument.name, 1)
    return call


@cache
def _handed_over(spec: FunctionSpec) -> list[tuple[str, list[Word]]]:
    """What the macro hands to the function for each argument: SQL over the macro's parameters, and its words."""
    body = spec.macro.partition(" AS\n")[2]
    tokens = words(body)
    called = next(
        (i for i, word in enumerate(tokens[:-1]) if word.lower == spec.name and tokens[i + 1].text == "("), None
    )
    if called is None:
        raise Unplannable(reasons.without_function(spec.name))
    inside = tokens[called + 2 : closing(tokens, called + 1)]
    parts = [body[inside[first].start : inside[last - 1].end] for first, last in split(inside)]
    return [(part, words(part)) for part in parts[: len(spec.args)]]
