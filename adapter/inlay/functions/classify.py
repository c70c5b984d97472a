"""ai_classify: one of the given labels, by whichever kind of model is named.

embedding model   the label whose vector has the highest cosine to the text; scores are cosines
NLI model         the label whose sentence the text entails most; scores are softmax over labels, as in
                  transformers' zero-shot pipeline
classifier        its own labels, or some of them; scores are its probabilities
language model    asked for one of the labels: see judged.py; scores are probabilities, from an endpoint only where
                  it gives log-probabilities

With a target for agreement see cascade.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from inlay.arrays import Bools, Floats
from inlay.errors import CannotServeError, ConfigError
from inlay.functions.adapted import digest, moved
from inlay.functions.assurance import assurance_of, basis_of, surely
from inlay.functions.cascade.cascade import label_cascade
from inlay.functions.contract import Answers, Ask, Bound, Call, sigmoid, softmax
from inlay.functions.entailment import entailment_columns, label_entailment, logits_by_statement
from inlay.functions.example_fit import NEAREST, nearest_scores
from inlay.functions.examples import NO_EXAMPLES, label_examples, refuse_examples
from inlay.functions.judged import LETTERS, Judge, Judged
from inlay.functions.label_vectors import EMBED_TEMPLATES, label_vectors
from inlay.functions.labels import Labels, are_read_anew, check_template, read_labels, spelled_out
from inlay.functions.other import Other, call_other, or_other
from inlay.models.ref import ModelRef
from inlay.store.inputs import Inputs

# Around a label's name, where neither the call nor the model's settings give a template.
NLI_TEMPLATE = "This example is {label}."  # transformers' default, with its {} named

# Cosines of one text to several labels differ by some hundredths; this factor spreads them before the softmax that
# gives `confidence`. It orders answers by how clear they were; it is not a calibrated probability.
COSINE_SHARPNESS = 20.0

NEEDS = ("an embedding model, an NLI model, a classifier or a language model", "Name one with model := '…'.")
"""What a classifying call needs, and what to type, for its error about a model of another kind; see Call.cannot()."""


def bind(call: Call) -> Bound:
    return call.bound(
        {"vectors": _by_scores, "entailment": _by_scores, "own_labels": _by_scores, "replies": _by_language_model},
        *NEEDS,
    )


def _by_scores(call: Call) -> Bound:
    labels = call_labels(call)
    template = call_template(call)
    if call.flag("adapt"):
        return _adapting(call, labels, template)
    score = LabelScorer(call.model, labels, template)
    assurance = assurance_of(call)
    if assurance is not None and labels.names != call.model.labels:
        raise ConfigError(f"{call.function}: accuracy holds for all classes of a head together. Leave labels out.")
    other = call_other(call, labels.names)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        best = choose_best(labels.names, *score(inputs, ask), sharpen=call.model.can("vectors"))
        return or_other(surely(best, assurance), other)

    basis = {"version": 1, **label_basis(call.model, labels, template), **basis_of(assurance), **other_basis(other)}
    return Bound(answer, basis, cascade=label_cascade(call, labels), is_silent=assurance is not None)


def _adapting(call: Call, labels: Labels, template: str | None) -> Bound:
    if not call.model.can("vectors"):
        raise ConfigError(f"{call.function}: adapt is for embedding models; {call.model.name!r} is none. Leave it out.")
    other = call_other(call, labels.names)
    basis = {"version": 1, **label_basis(call.model, labels, template), "adapt": 1, **other_basis(other)}

    def adapted(inputs: Inputs, ask: Ask) -> Bound:
        vectors, texts = label_vectors(labels, template, ask), ask.vectors(inputs)
        vectors = moved(vectors, texts.rows[[place for place in range(len(inputs)) if place not in texts.errors]])
        places_by_key = {key.tobytes(): place for place, key in enumerate(inputs.keys)}

        def answer(inputs: Inputs, ask: Ask) -> Answers:
            places = [places_by_key[key.tobytes()] for key in inputs.keys]
            errors = {i: texts.errors[place] for i, place in enumerate(places) if place in texts.errors}
            scores = cosines_in_order(texts.rows[places], vectors, labels.names)
            return or_other(choose_best(labels.names, scores, errors, texts.known[places], sharpen=True), other)

        return Bound(answer, {**basis, "moved": digest(vectors)})

    def refuse(inputs: Inputs, ask: Ask) -> Answers:
        raise ConfigError(
            f"{call.function}: adapt needs all texts of the statement at once, and here they come in parts. It works "
            "in a planned statement (inlay.connect(), inlay.sql(con, …), a dbt table) that has the call in one place. "
            "Everywhere labels work that moved before: CALL inlay_labels('topics', 'tickets', text := 'body', …)."
        )

    return Bound(refuse, basis, adapted=adapted)


def _by_language_model(call: Call) -> Bound:
    labels = call_labels(call)
    if call.flag("adapt"):
        raise ConfigError(f"{call.function}: adapt is for embedding models; {call.model.name!r} is none. Leave it out.")
    if call.options.get("template") is not None:
        raise ConfigError(
            f"{call.function}: template is for embedding and NLI models; {call.model.name!r} is a language model. "
            "Leave template out; describe labels with {'label': 'bug', 'description': 'something does not work'}."
        )
    assurance_of(call)  # which is refused: no labelled rows say how often it is right
    judge = _judge(call, labels)
    other = call_other(call, labels.names, gives_scores=judge.gives_scores(call.model))

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        return or_other(chosen(labels.names, judge(inputs, ask)), other)

    basis = {"version": 1, **judge.basis(call.model), **other_basis(other)}
    return Bound(answer, basis, cascade=label_cascade(call, labels))


def other_basis(other: Other | None) -> dict[str, Any]:
    return {} if other is None else other.basis()


def _judge(call: Call, labels: Labels) -> Judge:
    listed = labels.listed()
    if not call.model.can("likelihoods"):
        by_letter = labels.sorted()
        lettered = call.prompt("letters", "ai_classify").with_values(labels=by_letter.listed(LETTERS))
        in_words = call.prompt("remote", "ai_classify").with_values(labels=listed)
        return Judge(in_words, labels.names, by_letter=(lettered, by_letter.names), examples=labels.examples)
    # A list of labels in the prompt makes some of them likely whatever the text is; descriptions have to be told.
    prompt = call.prompt("described" if any(labels.descriptions) else "", "ai_classify").with_values(labels=listed)
    words = tuple(spelled_out(name).lower() for name in labels.names)
    if len(set(words)) < len(words):
        words = labels.names
    return Judge(prompt, labels.names, [[word] for word in words], examples=labels.examples)


def chosen(names: Sequence[str], judged: Judged) -> Answers:
    """What a language model chose."""
    return Answers(
        [None if place < 0 else names[place] for place in judged.best],
        judged.errors,
        judged.known,
        confidence=judged.confidence(),
        labels=tuple(names),
        scores=judged.scores,
    )


def choose_best(
    names: Sequence[str], scores: Floats, errors: dict[int, str], known: Bools, *, sharpen: bool
) -> Answers:
    """The best-scored name of each row, of equal scores the first by its text; confidence is its share among the
    names."""
    by_text = np.array(sorted(range(len(names)), key=names.__getitem__))
    best = by_text[scores[:, by_text].argmax(axis=1)]
    shares = softmax(scores * np.float32(COSINE_SHARPNESS)) if sharpen else scores
    return Answers(
        [None if i in errors else names[b] for i, b in enumerate(best)],
        errors,
        known,
        confidence=[None if i in errors else float(shares[i, b]) for i, b in enumerate(best)],
        labels=tuple(names),
        scores=scores,
    )


def cosines_in_order(texts: Floats, labels: Floats, names: Sequence[str]) -> Floats:
    """[texts, labels]. Computed in the order of the names' text, so that the last bits too are those of any order."""
    by_text = sorted(range(len(names)), key=names.__getitem__)
    return np.asarray((texts @ labels[by_text].T)[:, np.argsort(by_text)])


def call_labels(call: Call) -> Labels:
    """The labels given, or those of the examples, or a classifier's own."""
    if call.model.can("own_labels"):
        refuse_examples(call)
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
    examples, given = call.options.get("examples"), call.labels
    if given is None and isinstance(examples, list):
        given = sorted({str(row["label"]) for row in examples if isinstance(row, dict) and row.get("label")})
    labels = read_labels(call.function, given)
    return replace(labels, examples=label_examples(call, labels.names))


def call_template(call: Call) -> str | None:
    """The template of the call, or of the model's settings; None where neither gives one."""
    return check_template(call.function, call.options.get("template")) or call.model.template


def label_basis(model: ModelRef, labels: Labels, template: str | None) -> dict[str, Any]:
    """What of the labels decides an answer, for the signature."""
    around = model.first({"vectors": template or list(EMBED_TEMPLATES), "entailment": template or NLI_TEMPLATE})
    pairs = [list(pair) for pair in zip(labels.names, labels.descriptions, strict=True)]
    basis: dict[str, Any] = {"labels": pairs, "template": around}
    basis |= labels.examples.basis(labels.names)
    if model.can("vectors") and len(labels.examples.texts) > NEAREST:
        basis["nearest"] = NEAREST
    return basis | {"spelled": 2} if around and are_read_anew(labels.names) else basis


class LabelScorer:
    """Scores of texts against labels: ([n, labels], errors, known), by what the model can do."""

    def __init__(self, model: ModelRef, labels: Labels, template: str | None, *, each_for_itself: bool = False) -> None:
        self._model = model
        self._labels = labels
        self._template = template
        self._each_for_itself = each_for_itself
        if model.can("entailment"):
            entailment_columns(model)

    def __call__(self, texts: Inputs, ask: Ask) -> tuple[Floats, dict[int, str], Bools]:
        if self._model.can("vectors"):
            return self._cosines(texts, ask)
        if self._model.can("entailment"):
            sentences = self._labels.sentences(self._template or NLI_TEMPLATE)
            if not self._each_for_itself:
                return label_entailment(texts, sentences, ask, self._labels.examples)
            logits, errors, known = logits_by_statement(texts, sentences, ask)
            yes, no = entailment_columns(self._model)
            pairs = logits[:, :, [no, yes]].reshape(-1, 2)
            return softmax(pairs)[:, 1].reshape(len(texts), -1), errors, known
        outcome = ask.logits(texts)
        scores = sigmoid(outcome.rows) if self._model.multi_label else softmax(outcome.rows)
        mine = [self._model.labels.index(name) for name in self._labels.names]
        return scores[:, mine], outcome.errors, outcome.known

    def _cosines(self, texts: Inputs, ask: Ask) -> tuple[Floats, dict[int, str], Bools]:
        labels, outcome = self._labels, ask.vectors(texts)
        if len(labels.examples.texts) <= NEAREST:
            anchors = label_vectors(labels, self._template, ask)
            return cosines_in_order(outcome.rows, anchors, labels.names), outcome.errors, outcome.known
        anchors = label_vectors(replace(labels, examples=NO_EXAMPLES), self._template, ask)
        own, examples = cosines_in_order(outcome.rows, anchors, labels.names), labels.examples
        scores = nearest_scores(outcome.rows, anchors, examples.vectors(ask), examples.places, own)
        return scores, outcome.errors, outcome.known
