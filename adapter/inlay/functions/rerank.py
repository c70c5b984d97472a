"""ai_rerank: a cross-encoder's relevance of a document to a query, as a probability."""

from __future__ import annotations

from inlay.functions.contract import Answers, Ask, Bound, Call, numbers, sigmoid
from inlay.store.inputs import Inputs


def bind(call: Call) -> Bound:
    if not call.model.can("relevance"):
        raise call.cannot("a cross-encoder", "Name one with model := '…'; ai_similarity compares texts by embeddings.")

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        outcome = ask.logits(inputs)
        return Answers(numbers(sigmoid(outcome.rows[:, 0]), outcome.errors), outcome.errors, outcome.known)

    return Bound(answer, {"version": 1})
