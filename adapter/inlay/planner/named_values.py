"""Row values that a call is given by name, ai_sentiment(text := body), given by place instead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlglot import exp

from inlay.parsing.edits import Edit
from inlay.parsing.statement import Call, Statement


def by_place(statement: Statement) -> Statement:
    """The statement with no name before the values that are where they would be without."""
    edits: list[Edit] = []
    calls: dict[int, Call] = {}
    for number, call in statement.calls.items():
        named = [] if call.gathers or call.arguments else list(_named(call, statement.node(number)))
        if not named:
            continue
        first = statement.place(number) + 2
        for node in named:
            words = statement.words[first : first + 3]
            edits.append(Edit(words[0].start, words[2].start, "", node, "value"))
            end = words[2].start + len(call.options[words[0].lower.strip('"')])
            first = next(i for i in range(first, len(statement.words)) if statement.words[i].start >= end) + 1
        names = [argument.name for argument in call.spec.args[: len(named)]]
        arguments = tuple(call.options[name] for name in names)
        options = {name: text for name, text in call.options.items() if name not in names}
        calls[number] = replace(call, arguments=arguments, options=options)
    return statement.edited(edits, calls) if edits else statement


def _named(call: Call, node: exp.Expr) -> Iterator[exp.Expr]:
    """The arguments that have the name of the one that is expected in their place."""
    for argument, given in zip(call.spec.args, node.expressions, strict=False):
        is_named = isinstance(given, exp.PropertyEQ | exp.Kwarg)
        if not is_named or given.name.lower() != argument.name.lower() or argument.name.lower() not in call.options:
            return
        yield given
