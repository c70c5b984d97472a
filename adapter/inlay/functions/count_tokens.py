"""ai_count_tokens: how many tokens the model reads for a text; no device is used."""

from __future__ import annotations

import numpy as np

from inlay.functions.contract import Answers, Ask, Bound, Call


def bind(call: Call) -> Bound:
    # A model behind an endpoint whose tokenizer is not named is refused where it would be loaded, with what to type.
    if call.model.can("rules"):
        raise call.cannot("a model that reads tokens", "Name one with model := '…'.")

    def answer(columns: list[list[str]], ask: Ask) -> Answers:
        counts, errors = ask.inference.count_tokens(call.model, columns[0])
        values = [None if i in errors else int(count) for i, count in enumerate(counts)]
        return Answers(values, errors, np.zeros(len(values), dtype=np.bool_), tokens=0)

    return Bound(answer, {"version": 1})
