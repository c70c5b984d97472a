"""What an aggregate of ours hands to its function: one text for a group, as its macro makes it of the rows' values.

The macro of `ai_agg(texts, …)` calls a plain function with a list of the group's texts. The planner foresees that list,
so that groups are answered ahead as rows are; the user's call stays as it is written. Where a rule moves the call
away from its group, it becomes one of the macro `_inlay_ai_agg(list, …)`, which takes the list itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from inlay.functions.spec import FunctionSpec
from inlay.parsing.tokens import Text, Word, closing, spliced, split, words
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons

if TYPE_CHECKING:
    from inlay.parsing.statement import Call, Statement


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


def with_filters_inside(statement: Statement) -> Text | None:
    """The statement's SQL with `ai_agg(x, …) FILTER (WHERE c)`, which DuckDB refuses of a macro, as `ai_agg(CASE WHEN c
    THEN x END, …)`: NULL texts are left out. None where there is none."""
    gathering = [number for number, call in statement.calls.items() if call.gathers]
    if not gathering:
        return None
    text, found, pieces = statement.plain, statement.words, []
    for number in gathering:
        first = statement.place(number) + 1
        last = closing(found, first)
        after = [word.lower for word in found[last + 1 : last + 4]]
        if after != ["filter", "(", "where"]:
            continue
        left, right = next(iter(split(found[first + 1 : last])))
        start, end = found[first + 1 + left].start, found[first + right].end
        close = closing(found, last + 2)
        condition = text[found[last + 3].end : found[close].start].strip()
        pieces.append((start, end, f"CASE WHEN {condition} THEN {text[start:end]} END"))
        pieces.append((found[last].end, found[close].end, ""))
    return text.spliced(sorted(pieces)) if pieces else None


def of_list(name: str) -> str:
    """The macro that takes what an aggregate hands over. name: with its schema."""
    schema, dot, bare = name.rpartition(".")
    return f"{schema}{dot}_inlay_{bare.strip(chr(34))}"


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
