"""ai_sentiment_by_aspect: for each aspect what the writer feels about it, or 'unknown' where the text does not say.

An NLI or embedding model cannot tell one aspect's feeling from another's; it takes a language model, which is asked
about each aspect by itself.
"""

from __future__ import annotations

from typing import Any

from inlay.errors import ConfigError
from inlay.functions.contract import Answers, Ask, Bound, Call, by_left_row
from inlay.functions.instruction import language_model
from inlay.functions.judged import Judge
from inlay.functions.sentiment import SENTIMENTS
from inlay.store.inputs import Inputs, each_with_each, text_inputs

ANSWERS = (*SENTIMENTS, "unknown")


def bind(call: Call) -> Bound:
    language_model(call)
    aspects = read_aspects(call.function, call.labels)
    judge = Judge(call.prompt("", "ai_sentiment_by_aspect"), ANSWERS)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        n, k = len(inputs), len(aspects)
        judged = judge(each_with_each(inputs, text_inputs(aspects)), ask)
        errors, known = by_left_row(judged.errors, judged.known, k)
        values: list[Any] = [
            None if i in errors else [(aspect, ANSWERS[judged.best[i * k + j]]) for j, aspect in enumerate(aspects)]
            for i in range(n)
        ]
        return Answers(values, errors, known)

    return Bound(answer, {"version": 1, "aspects": list(aspects), **judge.basis(call.model)})


def read_aspects(function: str, given: Any) -> tuple[str, ...]:
    """Raises ConfigError for anything but a list of distinct, non-empty texts."""
    example = f"{function}(body, ['battery', 'price'])"
    if not isinstance(given, list | tuple) or not given:
        raise ConfigError(f"{function}: aspects is {given!r}; it must be a list of at least one text: {example}.")
    for aspect in given:
        if not isinstance(aspect, str) or not aspect.strip():
            raise ConfigError(f"{function}: aspects holds {aspect!r}; each must be a non-empty text: {example}.")
        if given.count(aspect) > 1:
            raise ConfigError(f"{function}: aspects holds {aspect!r} twice. Name each once.")
    return tuple(given)
