"""The calls in a statement, as text."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from inlay.functions.spec import FunctionSpec
from inlay.parsing.tokens import closing, spliced, split, words


@dataclass(frozen=True)
class CallText:
    """One call in a statement. start and end are positions in the text; text includes the arguments."""

    function: str
    start: int
    end: int
    text: str


def find_calls(sql: str, functions: Collection[str]) -> list[CallText]:
    """Outermost calls, in order. functions: lower-case names; a schema before the name belongs to the call."""
    tokens = words(sql)
    found: list[CallText] = []
    i = 0
    while i < len(tokens) - 1:
        name = tokens[i].text.strip('"').lower()
        if name not in functions or tokens[i + 1].text != "(":
            i += 1
            continue
        begin = i
        while begin >= 2 and tokens[begin - 1].text == ".":
            begin -= 2
        close = closing(tokens, i + 1)
        left = tokens[begin].start
        right = tokens[close].end if close < len(tokens) else len(sql)
        found.append(CallText(name, left, right, sql[left:right]))
        i = close + 1
    return found


def guarded(sql: str, condition: str, functions: Collection[str]) -> str:
    """The statement with each call made only where `condition` holds, and NULL elsewhere."""
    # In brackets, so that what follows a call (.value, ::FLOAT[8], [1]) follows the answer.
    return spliced(
        sql,
        [
            (call.start, call.end, f"(case when {condition} then {call.text} end)")
            for call in find_calls(sql, functions)
        ],
    )


def without_texts(call: CallText, spec: FunctionSpec) -> str:
    """The call with NULL for each text, and its labels and options as they are: it asks nothing, and says what would
    be asked."""
    tokens = words(call.text)
    bracket = next(i for i, word in enumerate(tokens) if word.text == "(")
    inside = tokens[bracket + 1 : closing(tokens, bracket)]
    arguments = [call.text[inside[first].start : inside[last - 1].end] for first, last in split(inside)]
    for i, argument in enumerate(spec.args[: len(arguments)]):
        if not argument.is_setting:
            arguments[i] = "NULL"
    return f"{call.text[: tokens[bracket].start]}({', '.join(arguments)})"
