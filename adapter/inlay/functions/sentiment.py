"""ai_sentiment: positive, negative or neutral, and with four levels mixed.

A sentiment classifier's own labels are mapped by name, an NLI model is asked STATEMENTS, an embedding model compares
a text with sentences of each feeling (feelings.py), a language model is asked: see judged.py. An embedding model does
not tell mixed from positive and negative, nor does a small language model, so these have three levels unless the call
says four; the others have four.
"""

from __future__ import annotations

import numpy as np

from inlay.arrays import Floats
from inlay.errors import CannotServeError
from inlay.functions.classify import LabelScorer, choose_best, chosen
from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.functions.examples import label_examples, refuse_examples
from inlay.functions.feelings import LEADS, SENTENCES, feeling_scores
from inlay.functions.judged import Judge
from inlay.functions.labels import Labels
from inlay.store.inputs import Inputs

SENTIMENTS = ("positive", "negative", "neutral", "mixed")

# The statements that an NLI model compares with a text.
STATEMENTS = (
    "The writer is happy with it.",
    "The writer is unhappy with it.",
    "The writer only states facts.",
    "The writer likes some of it and dislikes some of it.",
)


def bind(call: Call) -> Bound:
    return call.bound(
        {
            "own_labels": _from_classifier, "entailment": _from_entailment, "vectors": _from_sentences,
            "replies": _by_language_model,
        },
        "a sentiment classifier, an NLI model, an embedding model or a language model",
        "Name one with model := '…'.",
    )  # fmt: skip


def _levels(call: Call, default: int) -> tuple[str, ...]:
    """The feelings that an answer may be."""
    given = call.number("levels", lambda number: number in (3, 4), "3 (positive, negative, neutral) or 4 (and mixed)")
    return SENTIMENTS[: int(given or default)]


def _from_sentences(call: Call) -> Bound:
    names = _levels(call, 3)
    examples = label_examples(call, names)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        outcome = ask.vectors(inputs)
        scores = feeling_scores(outcome.rows, names, ask, examples)
        return choose_best(names, scores, outcome.errors, outcome.known, sharpen=True)

    compared = {name: SENTENCES[name] for name in names}
    return Bound(answer, {"version": 2, "compared": compared, "leads": LEADS, **examples.basis(names)})


def _by_language_model(call: Call) -> Bound:
    # Calibrated, a small model calls nearly every text mixed.
    names = _levels(call, 3 if call.model.can("likelihoods") else 4)
    examples = label_examples(call, names)
    in_words = call.prompt("remote" if "mixed" in names else "three", "ai_sentiment")
    words = [[name] for name in names]
    judge = Judge(call.prompt("", "ai_sentiment"), names, words, in_words=in_words, examples=examples)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        return chosen(names, judge(inputs, ask))

    return Bound(answer, {"version": 1, **judge.basis(call.model)})


def _from_entailment(call: Call) -> Bound:
    names = _levels(call, 4)
    statements = STATEMENTS[: len(names)]
    examples = label_examples(call, names)
    score = LabelScorer(call.model, Labels(names, statements, examples), None)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        return choose_best(names, *score(inputs, ask), sharpen=False)

    return Bound(answer, {"version": 1, "asked": statements, **examples.basis(names)})


def _from_classifier(call: Call) -> Bound:
    levels = _levels(call, 4)
    refuse_examples(call)
    own = call.model.labels
    mapped = [_sentiment(label) for label in own]
    if None in mapped:
        raise CannotServeError(
            f"{call.function}: model {call.model.name!r} has the labels {', '.join(own)}; a sentiment classifier has "
            f"{', '.join(SENTIMENTS)} among its labels and no others. Use ai_classify for its own labels."
        )
    names = [name for name in levels if name in mapped]
    score = LabelScorer(call.model, Labels(own, (None,) * len(own)), None)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        scores, errors, known = score(inputs, ask)
        summed = np.stack([_sum_of(scores, mapped, name) for name in names], axis=1)
        return choose_best(names, summed, errors, known, sharpen=False)

    return Bound(answer, {"version": 1} if len(levels) == 4 else {"version": 1, "levels": levels})


def _sum_of(scores: Floats, mapped: list[str | None], name: str) -> Floats:
    return np.asarray(scores[:, [i for i, m in enumerate(mapped) if m == name]].sum(axis=1), dtype=np.float32)


def _sentiment(label: str) -> str | None:
    """'POSITIVE', 'pos', 'very positive' → 'positive'."""
    words = label.lower().replace("_", " ").replace("-", " ").split()
    for name in SENTIMENTS:
        if any(word in (name, name[:3]) for word in words):
            return name
    return None
