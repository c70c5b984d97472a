"""ai_score: how well a text meets a criterion, 0 to 1.

NLI model: the probability of entailment. Embedding model: (1 + cosine) / 2, which keeps the order of the cosines;
it says nearer or farther, not how probable. Language model: the probability of yes; one behind an endpoint that gives
no log-probabilities says a number of its own.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from inlay.arrays import Bools, Floats
from inlay.errors import ConfigError
from inlay.functions.contract import Answers, Ask, Bound, Call, Closeness, cosines, numbers
from inlay.functions.decide import decide_of
from inlay.functions.decisions import Asked, read_questions
from inlay.functions.entailment import entailment_columns, statement_entailment
from inlay.functions.example_fit import StatementFit
from inlay.functions.examples import Examples, shown, statement_examples
from inlay.functions.judged import YES_NO, YES_NO_WORDS, Judge, object_schema, replies_of_schema, yes_scores
from inlay.store.inputs import Inputs


def bind(call: Call) -> Bound:
    if call.options.get("levels") is not None:
        return _by_levels(call)
    return call.bound(
        {
            "likelihoods": _by_likelihood,
            "shares": _by_likelihood,
            "replies": _by_reply,
            "entailment": _by_entailment,
            "vectors": _by_cosine,
        },
        "an NLI model, a language model or an embedding model",
        "Name one with model := '…'; a cross-encoder serves ai_rerank.",
    )


def _by_levels(call: Call) -> Bound:
    if call.options.get("examples") is not None:
        raise ConfigError(
            f"{call.function}: examples are numbers from 0 to 1 and say nothing of levels. Leave one out."
        )
    named = asked_of(call, "criteria")
    steps = np.linspace(0, 1, len(named.labels.names))

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        criteria, which = inputs.column(1).each_once()
        scores: list[float | None] = [None] * len(inputs)
        errors: dict[int, str] = {}
        known = np.zeros(len(inputs), dtype=np.bool_)
        for place, criterion in enumerate(criteria.values()):
            rows = np.flatnonzero(which == place) if which is not None else np.array([place])
            decide, _ = decide_of(call, (replace(named, text=criterion),))
            (decided,), failed, known[rows] = decide(inputs.column(0).take(rows), ask)
            expected = decided.expected(steps)
            for i, row in enumerate(rows.tolist()):
                scores[row] = None if i in failed else expected[i]
            errors |= {int(rows[i]): reason for i, reason in failed.items()}
        return Answers(scores, errors, known)

    return Bound(answer, {"version": 1, "levels": list(named.labels.names), **decide_of(call, (named,))[1]})


def asked_of(call: Call, criterion: str) -> Asked:
    levels = read_questions(call.function, {"levels": {"levels": call.options["levels"], "question": criterion}})
    return levels[0]


def _by_entailment(call: Call) -> Bound:
    entailment_columns(call.model)
    examples = statement_examples(call)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        scores, errors, known = statement_entailment(inputs, ask, examples)
        return Answers(numbers(scores, errors), errors, known)

    return Bound(answer, {"version": 1, **examples.basis()})


def _by_cosine(call: Call) -> Bound:
    if examples := statement_examples(call):
        return _by_examples(examples)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        closeness, errors, known = statement_cosines(inputs, ask)
        return Answers(numbers(_from_cosines(closeness), errors), errors, known)

    near = Closeness(("document", "query"), score=_from_cosines, cosine=lambda score: 2 * score - 1)
    return Bound(answer, {"version": 1}, closeness=near)


def _by_examples(examples: Examples) -> Bound:
    def answer(inputs: Inputs, ask: Ask) -> Answers:
        scores, errors, known = statement_probabilities(inputs, ask, examples)
        return Answers(numbers(scores, errors), errors, known)

    return Bound(answer, {"version": 1, **examples.basis()})


def _by_likelihood(call: Call) -> Bound:
    prompt, in_words = call.prompt("", "ai_score"), call.prompt("yes_no", "ai_score")
    judge = Judge(prompt, YES_NO, YES_NO_WORDS, in_words=in_words, examples=statement_examples(call))

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        judged = judge(inputs, ask)
        return Answers(numbers(yes_scores(judged), judged.errors), judged.errors, judged.known)

    return Bound(answer, {"version": 1, **judge.basis(call.model)})


def _by_reply(call: Call) -> Bound:
    prompt = call.prompt("remote", "ai_score")
    prompt = shown(prompt, statement_examples(call), lambda share: json.dumps({"score": round(share, 3)}))
    schema = object_schema(score={"type": "number", "minimum": 0, "maximum": 1})

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        values, errors, known = replies_of_schema(prompt, schema, inputs, ask)
        return Answers([None if value is None else float(value["score"]) for value in values], errors, known)

    return Bound(answer, {"version": 1, "prompt": prompt.basis()})


def _from_cosines(cosine: Floats) -> Floats:
    return np.asarray((1 + cosine) / 2, dtype=np.float32)


def statement_cosines(pairs: Inputs, ask: Ask) -> tuple[Floats, dict[int, str], Bools]:
    """The cosine of each text and its own statement, errors by text, and what was known."""
    statements = ask.vectors(pairs.column(1), "query")
    texts = ask.vectors(pairs.column(0))
    known = texts.known & statements.known
    return cosines(texts.rows, statements.rows), {**statements.errors, **texts.errors}, known


def statement_probabilities(pairs: Inputs, ask: Ask, examples: Examples) -> tuple[Floats, dict[int, str], Bools]:
    """By the examples, how probable it is that each text's own statement holds; errors by text, and what was known."""
    once, which = pairs.column(1).each_once()
    places = np.arange(len(once)) if which is None else which
    statements, texts, vectors = ask.vectors(once, "query"), ask.vectors(pairs.column(0)), examples.vectors(ask)
    scores = np.zeros(len(pairs), dtype=np.float32)
    for place, statement in enumerate(statements.rows):
        mine = places == place
        scores[mine] = StatementFit(statement, vectors, examples.shares)(texts.rows[mine])
    failed = {i: statements.errors[place] for i, place in enumerate(places.tolist()) if place in statements.errors}
    return scores, {**failed, **texts.errors}, texts.known & statements.known[places]
