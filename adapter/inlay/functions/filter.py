"""ai_filter: whether a statement holds for a text.

An NLI model judges it (entailment against contradiction); an embedding model only knows closeness, so it needs an
explicit threshold on the cosine. With a target for recall or precision see cascade.py.
"""

from __future__ import annotations

import numpy as np

from inlay.functions.cascade import filter_cascade
from inlay.functions.contract import Answers, Ask, Bound, Call, Closeness
from inlay.functions.score import statement_scores

DEFAULT_THRESHOLD = 0.5


def bind(call: Call) -> Bound:
    if call.model.task not in ("embed", "nli"):
        raise call.cannot("an NLI model, or an embedding model with a threshold", "Name one with model := '…'.")
    cascade = filter_cascade(call)
    threshold = call.threshold(None if call.model.task == "embed" else DEFAULT_THRESHOLD)

    def answer(columns: list[list[str]], ask: Ask) -> Answers:
        scores, errors, known = statement_scores(columns[0], columns[1], ask)
        held = scores >= np.float32(threshold)
        sure = np.where(held, scores, 1 - scores) if call.model.task == "nli" else None
        return Answers(
            [None if i in errors else bool(h) for i, h in enumerate(held)],
            errors,
            known,
            confidence=None if sure is None else [None if i in errors else float(s) for i, s in enumerate(sure)],
        )

    near = Closeness(("document", "query"), least=float(np.float32(threshold)))
    return Bound(
        answer,
        {"version": 1, "threshold": threshold},
        cascade=cascade,
        closeness=near if call.model.task == "embed" and cascade is None else None,
    )
