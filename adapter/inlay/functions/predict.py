"""ai_predict: what a trained head answers, as JSON of the type that its card says.

One of several classes: the likeliest, and its probability as confidence. Several levels in order: the one on which half
of the probability is reached. Any number of classes: those of at least one half. A number: the head's own.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from inlay.arrays import Floats
from inlay.functions.assurance import assurance_of, basis_of, surely
from inlay.functions.contract import Answers, Ask, Bound, Call, sigmoid, softmax
from inlay.models.head_card import HeadCard
from inlay.store.inputs import Inputs


def bind(call: Call) -> Bound:
    card = call.model.card
    if card is None:
        raise call.cannot("a trained head", f"Name one: {call.function}(body, 'intents').")

    assurance = assurance_of(call)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        outcome = ask.logits(inputs)
        values, confidence, scores = answers_of(card, outcome.rows)
        answers = Answers(
            [None if i in outcome.errors else json.dumps(value, ensure_ascii=False) for i, value in enumerate(values)],
            outcome.errors,
            outcome.known,
            confidence=None
            if confidence is None
            else [None if i in outcome.errors else float(sure) for i, sure in enumerate(confidence)],
            labels=card.classes if scores is not None else (),
            scores=scores,
        )
        return surely(answers, assurance)

    return Bound(answer, {"version": 1, **basis_of(assurance)}, is_silent=assurance is not None)


def answers_of(card: HeadCard, numbers: Floats) -> tuple[list[Any], Floats | None, Floats | None]:
    """(values, confidence, probabilities of the classes) for the numbers of a head."""
    if card.kind == "regression":
        return numbers[:, 0].astype(np.float64).tolist(), None, None
    classes = [class_value(name, card.answer) for name in card.classes]
    if card.kind == "multi":
        scores = sigmoid(numbers)
        chosen = scores >= 0.5
        sure = np.where(chosen, scores, 1 - scores).min(axis=1)
        return [[classes[k] for k in np.flatnonzero(row)] for row in chosen], sure, scores
    scores = softmax(numbers)
    if card.kind == "ordinal":
        best = np.minimum((np.cumsum(scores, axis=1) < 0.5).sum(axis=1), len(classes) - 1)
    else:
        best = scores.argmax(axis=1)
    return [classes[k] for k in best], scores[np.arange(len(scores)), best], scores


def class_value(name: str, answer: str) -> Any:
    """A class as a value of the head's answer."""
    if answer == "BOOLEAN":
        return name == "true"
    return int(name) if answer == "BIGINT" else name
