"""ai_classify: one of the given labels, by whichever kind of model is named.

embedding model   the label whose sentence has the highest cosine to the text; scores are cosines
NLI model         the label whose sentence the text entails most; scores are softmax over labels, as in
                  transformers' zero-shot pipeline
classifier        its own labels, or some of them; scores are its probabilities
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inlay.backends.base import Bools, Floats
from inlay.errors import CannotServeError
from inlay.functions.contract import Answer, Answers, Ask, Call, sigmoid, softmax
from inlay.functions.entailment import entailment_columns, logits_by_statement
from inlay.functions.labels import Labels, check_template, read_labels
from inlay.types import ModelRef

# Around a bare label's name, where neither the call nor the model's settings give a template.
EMBED_TEMPLATE = "{label}"
NLI_TEMPLATE = "This example is {label}."  # transformers' default, with its {} named

# Cosines of one text to several labels differ by some hundredths; this factor spreads them before the softmax that
# gives `confidence`. It orders answers by how clear they were; it is not a calibrated probability.
COSINE_SHARPNESS = 20.0


def bind(call: Call) -> Answer:
    labels = call_labels(call)
    template = call_template(call)
    score = label_scorer(call.model, labels, template)

    def answer(columns: list[list[str]], ask: Ask) -> Answers:
        return choose_best(labels.names, *score(columns[0], ask), sharpen=call.model.task == "embed")

    return answer


def choose_best(
    names: Sequence[str], scores: Floats, errors: dict[int, str], known: Bools, *, sharpen: bool
) -> Answers:
    """The best-scored name of each row; confidence is its share among the names."""
    best = scores.argmax(axis=1)
    shares = softmax(scores * np.float32(COSINE_SHARPNESS)) if sharpen else scores
    return Answers(
        [None if i in errors else names[b] for i, b in enumerate(best)],
        errors,
        known,
        confidence=[None if i in errors else float(shares[i, b]) for i, b in enumerate(best)],
        labels=tuple(names),
        scores=scores,
    )


def call_labels(call: Call) -> Labels:
    """The labels given, or a classifier's own."""
    if call.model.task == "classify":
        own = call.model.labels
        if call.labels is None:
            return Labels(own, (None,) * len(own))
        labels = read_labels(call.function, call.labels)
        foreign = [name for name in labels.names if name not in own]
        if foreign:
            raise CannotServeError(
                f"{call.function}: model {call.model.name!r} knows the labels {', '.join(own)}, not {foreign[0]!r}. "
                "Leave labels out to use all of its own, or name an embedding or NLI model, which takes any labels."
            )
        return labels
    if call.model.task == "rerank":
        raise call.cannot("an embedding model, an NLI model or a classifier", "Name one with model := '…'.")
    return read_labels(call.function, call.labels)


def call_template(call: Call) -> str:
    default = EMBED_TEMPLATE if call.model.task == "embed" else NLI_TEMPLATE
    return check_template(call.function, call.options.get("template")) or call.model.template or default


class label_scorer:
    """Scores of texts against labels: ([n, labels], errors, known), by the model's kind."""

    def __init__(self, model: ModelRef, labels: Labels, template: str, *, each_for_itself: bool = False) -> None:
        self._model = model
        self._labels = labels
        self._sentences = labels.sentences(template)
        self._each_for_itself = each_for_itself
        if model.task == "nli":
            entailment_columns(model)

    def __call__(self, texts: list[str], ask: Ask) -> tuple[Floats, dict[int, str], Bools]:
        if self._model.task == "embed":
            anchors = ask.fixed(self._sentences)
            outcome = ask.vectors(texts)
            return outcome.rows @ anchors.T, outcome.errors, outcome.known
        if self._model.task == "nli":
            logits, errors, known = logits_by_statement(texts, self._sentences, ask)
            yes, no = entailment_columns(self._model)
            if self._each_for_itself:
                pairs = logits[:, :, [no, yes]].reshape(-1, 2)
                return softmax(pairs)[:, 1].reshape(len(texts), -1), errors, known
            return softmax(logits[:, :, yes]), errors, known
        outcome = ask.logits(texts)
        scores = sigmoid(outcome.rows) if self._model.multi_label else softmax(outcome.rows)
        mine = [self._model.labels.index(name) for name in self._labels.names]
        return scores[:, mine], outcome.errors, outcome.known
