"""ai_classify_multi: every label that fits, best first.

Each label is judged for itself: by cosine (embedding model), by entailment against contradiction (NLI model), or
by the classifier's own probability.
"""

from __future__ import annotations

import numpy as np

from inlay.functions.classify import LabelScorer, call_labels, call_template, label_basis
from inlay.functions.contract import Answers, Ask, Bound, Call

DEFAULT_THRESHOLD = 0.5


def bind(call: Call) -> Bound:
    labels = call_labels(call)
    threshold = call.threshold(None if call.model.task == "embed" else DEFAULT_THRESHOLD)
    template = call_template(call)
    score = LabelScorer(call.model, labels, template, each_for_itself=True)

    def answer(columns: list[list[str]], ask: Ask) -> Answers:
        scores, errors, known = score(columns[0], ask)
        order = np.argsort(-scores, axis=1, kind="stable")
        values = [
            None if i in errors else [labels.names[k] for k in order[i] if scores[i, k] >= threshold]
            for i in range(len(scores))
        ]
        return Answers(values, errors, known, labels=labels.names, scores=scores)

    return Bound(answer, {"version": 1, "threshold": threshold, **label_basis(call.model, labels, template)})
