"""Row values that a call is given by name, ai_sentiment(text := body), given by place instead."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

from inlay.parsing.edits import Edit
from inlay.parsing.statement import Call, Statement


def by_place(statement: Statement) -> Statement:
    """The statement with no name before the values that are where they would be without."""
    edits: list[Edit] = []
    calls: dict[int, Call] = {}
    for number, call in statement.calls.items():
        names = [] if call.gathers or call.arguments else _named(call)
        if not names:
            continue
        first = statement.place(number) + 2
        for name in names:
            words = statement.words[first : first + 3]
            edits.append(Edit(words[0].start, words[2].start, ""))
            end = words[2].start + len(call.options[name])
            first = next(i for i in range(first, len(statement.words)) if statement.words[i].start >= end) + 1
        arguments = tuple(call.options[name] for name in names)
        options = {name: text for name, text in call.options.items() if name not in names}
        calls[number] = replace(call, arguments=arguments, options=options)
    return statement.edited(edits, calls) if edits else statement


def _named(call: Call) -> list[str]:
    """The first arguments that are given by name, as far as each is the one that is expected in its place."""
    both = zip((argument.name.lower() for argument in call.spec.args), call.options, strict=False)
    return [name for name, given in takewhile(lambda each: each[0] == each[1], both)]
