"""ai_classify_multi: every label that fits, best first.

Each label is judged for itself: by cosine (embedding model), by entailment against contradiction (NLI model), or
by the classifier's own probability. A language model in this process is asked about each label, and its share of yes is
the score; one behind an endpoint replies with the labels, and gives no scores.
"""

from __future__ import annotations

import numpy as np

from inlay.arrays import Bools, Floats
from inlay.errors import ConfigError
from inlay.functions.classify import NEEDS, LabelScorer, call_labels, call_template, label_basis
from inlay.functions.contract import Answers, Ask, Bound, Call, by_left_row
from inlay.functions.judged import YES_NO, YES_NO_WORDS, Judge, object_schema, replies_of_schema, yes_scores
from inlay.functions.labels import Labels
from inlay.store.inputs import Inputs, each_with_each, text_inputs

DEFAULT_THRESHOLD = 0.5


def bind(call: Call) -> Bound:
    return call.bound(
        {
            "likelihoods": _label_by_label, "replies": _in_one_reply, "vectors": _by_scores, "entailment": _by_scores,
            "own_labels": _by_scores,
        },
        *NEEDS,
    )  # fmt: skip


def _by_scores(call: Call) -> Bound:
    labels = call_labels(call)
    threshold = call.threshold(None if call.model.can("vectors") else DEFAULT_THRESHOLD)
    template = call_template(call)
    score = LabelScorer(call.model, labels, template, each_for_itself=True)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        return _above(labels, threshold, *score(inputs, ask))

    return Bound(answer, {"version": 1, "threshold": threshold, **label_basis(call.model, labels, template)})


def _above(labels: Labels, threshold: float, scores: Floats, errors: dict[int, str], known: Bools) -> Answers:
    """The labels whose score reaches the threshold, best first."""
    order = np.argsort(-scores, axis=1, kind="stable")
    values = [
        None if i in errors else [labels.names[k] for k in order[i] if scores[i, k] >= threshold]
        for i in range(len(scores))
    ]
    return Answers(values, errors, known, labels=labels.names, scores=scores)


def _label_by_label(call: Call) -> Bound:
    labels = call_labels(call)
    threshold = call.threshold(DEFAULT_THRESHOLD)
    judge = Judge(call.prompt("", "ai_classify_multi"), YES_NO, YES_NO_WORDS)
    described = [line.removeprefix("- ") for line in labels.listed().split("\n")]

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        n, k = len(inputs), len(described)
        judged = judge(each_with_each(inputs, text_inputs(described)), ask)
        scores = yes_scores(judged).reshape(n, k)
        return _above(labels, threshold, scores, *by_left_row(judged.errors, judged.known, k))

    return Bound(answer, {"version": 1, "threshold": threshold, "labels": described, **judge.basis(call.model)})


def _in_one_reply(call: Call) -> Bound:
    labels = call_labels(call)
    if call.options.get("threshold") is not None:
        raise ConfigError(
            f"{call.function}: threshold is given, but {call.model.name!r} replies with labels and gives no scores. "
            "Leave threshold out."
        )
    prompt = call.prompt("remote", "ai_classify_multi").with_values(labels=labels.listed())
    choice = {"type": "array", "items": {"enum": list(labels.names)}, "maxItems": len(labels.names)}
    schema = object_schema(labels=choice)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        values, errors, known = replies_of_schema(prompt, schema, inputs, ask)
        return Answers(
            [None if value is None else list(dict.fromkeys(value["labels"])) for value in values], errors, known
        )

    return Bound(answer, {"version": 1, "prompt": prompt.basis(), "labels": list(labels.names)})
