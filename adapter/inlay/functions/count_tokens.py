"""ai_count_tokens: how many tokens the model reads for a text; no device is used."""

from __future__ import annotations

import numpy as np

from inlay.engine.token_counts import count_tokens
from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.store.inputs import Inputs


def bind(call: Call) -> Bound:
    # A model behind an endpoint whose tokenizer is not named is refused where it would be loaded, with what to type.
    if call.model.can("rules"):
        raise call.cannot("a model that reads tokens", "Name one with model := '…'.")

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        counts, errors = count_tokens(call.model, inputs.values())
        values = [None if i in errors else int(count) for i, count in enumerate(counts)]
        return Answers(values, errors, np.zeros(len(values), dtype=np.bool_))

    return Bound(answer, {"version": 1})
