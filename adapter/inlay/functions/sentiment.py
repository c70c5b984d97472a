"""ai_sentiment: positive, negative, neutral or mixed.

A sentiment classifier's own labels are mapped by name; other models choose zero-shot among the sentences below.
"""

from __future__ import annotations

import numpy as np

from inlay.backends.base import Floats
from inlay.errors import CannotServeError
from inlay.functions.classify import choose_best, label_scorer
from inlay.functions.contract import Answer, Answers, Ask, Call
from inlay.functions.labels import Labels

SENTIMENTS = ("positive", "negative", "neutral", "mixed")

# What zero-shot models read for each; chosen on the labelled reviews of the example project.
DESCRIPTIONS = (
    "I love it, it is great and I am very happy with it.",
    "I am disappointed, it is bad and I am unhappy with it.",
    "A plain statement of facts without any opinion.",
    "Some of it is good, but some of it is bad.",
)


def bind(call: Call) -> Answer:
    if call.model.task == "rerank":
        raise call.cannot("a sentiment classifier, an NLI model or an embedding model", "Name one with model := '…'.")
    if call.model.task == "classify":
        return _from_classifier(call)
    score = label_scorer(call.model, Labels(SENTIMENTS, DESCRIPTIONS), "{label}")

    def answer(columns: list[list[str]], ask: Ask) -> Answers:
        return choose_best(SENTIMENTS, *score(columns[0], ask), sharpen=call.model.task == "embed")

    return answer


def _from_classifier(call: Call) -> Answer:
    own = call.model.labels
    mapped = [_sentiment(label) for label in own]
    if None in mapped:
        raise CannotServeError(
            f"{call.function}: model {call.model.name!r} has the labels {', '.join(own)}; a sentiment classifier has "
            f"{', '.join(SENTIMENTS)} among its labels and no others. Use ai_classify for its own labels."
        )
    names = [name for name in SENTIMENTS if name in mapped]
    score = label_scorer(call.model, Labels(own, (None,) * len(own)), "{label}")

    def answer(columns: list[list[str]], ask: Ask) -> Answers:
        scores, errors, known = score(columns[0], ask)
        summed = np.stack([_sum_of(scores, mapped, name) for name in names], axis=1)
        return choose_best(names, summed, errors, known, sharpen=False)

    return answer


def _sum_of(scores: Floats, mapped: list[str | None], name: str) -> Floats:
    return np.asarray(scores[:, [i for i, m in enumerate(mapped) if m == name]].sum(axis=1), dtype=np.float32)


def _sentiment(label: str) -> str | None:
    """'POSITIVE', 'pos', 'very positive' → 'positive'."""
    words = label.lower().replace("_", " ").replace("-", " ").split()
    for name in SENTIMENTS:
        if any(word in (name, name[:3]) for word in words):
            return name
    return None
