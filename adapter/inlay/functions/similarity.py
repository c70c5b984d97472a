"""ai_similarity: the cosine of two texts' vectors."""

from __future__ import annotations

from inlay.functions.contract import Answers, Ask, Bound, Call, Closeness, cosines, numbers
from inlay.store.inputs import Inputs, below


def bind(call: Call) -> Bound:
    if not call.model.can("vectors"):
        raise call.cannot("an embedding model", "Name one with model := '…'; a cross-encoder serves ai_rerank.")

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        n = len(inputs)
        both = ask.vectors(below(inputs.column(0), inputs.column(1)))
        cosine = cosines(both.rows[:n], both.rows[n:])
        errors = {position % n: reason for position, reason in both.errors.items()}
        return Answers(numbers(cosine, errors), errors, both.known[:n] & both.known[n:])

    return Bound(answer, {"version": 1}, closeness=Closeness())
