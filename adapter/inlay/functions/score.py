"""ai_score: how well a text meets a criterion, 0 to 1.

NLI model: the probability of entailment. Embedding model: (1 + cosine) / 2, which keeps the order of the cosines;
it says nearer or farther, not how probable. Language model: the probability of yes; one behind an endpoint that gives
no log-probabilities says a number of its own.
"""

from __future__ import annotations

import numpy as np

from inlay.arrays import Bools, Floats
from inlay.functions.contract import Answers, Ask, Bound, Call, Closeness, cosines, numbers
from inlay.functions.entailment import entailment_columns, statement_entailment
from inlay.functions.judged import YES_NO, YES_NO_WORDS, Judge, object_schema, replies_of_schema, yes_scores
from inlay.store.inputs import Inputs


def bind(call: Call) -> Bound:
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


def _by_entailment(call: Call) -> Bound:
    entailment_columns(call.model)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        scores, errors, known = statement_entailment(inputs, ask)
        return Answers(numbers(scores, errors), errors, known)

    return Bound(answer, {"version": 1})


def _by_cosine(call: Call) -> Bound:
    def answer(inputs: Inputs, ask: Ask) -> Answers:
        closeness, errors, known = statement_cosines(inputs, ask)
        return Answers(numbers(_from_cosines(closeness), errors), errors, known)

    near = Closeness(("document", "query"), score=_from_cosines, cosine=lambda score: 2 * score - 1)
    return Bound(answer, {"version": 1}, closeness=near)


def _by_likelihood(call: Call) -> Bound:
    judge = Judge(call.prompt("", "ai_score"), YES_NO, YES_NO_WORDS, in_words=call.prompt("yes_no", "ai_score"))

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        judged = judge(inputs, ask)
        return Answers(numbers(yes_scores(judged), judged.errors), judged.errors, judged.known)

    return Bound(answer, {"version": 1, **judge.basis(call.model)})


def _by_reply(call: Call) -> Bound:
    prompt = call.prompt("remote", "ai_score")
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
