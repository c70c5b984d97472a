"""ai_decide: several questions about a text, answered from one reading of it, as JSON with a field for each.

embedding model   the text's vector, once. Choices and levels by the nearest label, as ai_classify; a statement by its
                  cosine and a threshold; a question with `head` by a trained head, of the same vector
NLI model         each label's sentence and each statement is a pair with the text: one reading for each of them
language model    in this process: the text is read once, and after it each question; likelihoods as in judged.py
endpoint          replies once, with the values alone: there are no probabilities; where its server gives
                  log-probabilities, to each question by itself, as in judged.py

The value of levels is that on which half of the probability is reached. Equal scores: the first label by its text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inlay.arrays import Bools, Floats
from inlay.backends.base import MOST_OPTIONS, Choices
from inlay.backends.heads import load_head
from inlay.errors import ConfigError
from inlay.functions.classify import COSINE_SHARPNESS, NLI_TEMPLATE
from inlay.functions.contract import Answers, Ask, Bound, Call, sigmoid, softmax
from inlay.functions.decisions import HOLDS, Asked, card_of, in_words, read_questions
from inlay.functions.entailment import entailment_columns, logits_by_statement
from inlay.functions.judged import LETTERS, YES_NO, YES_NO_WORDS, Judge, object_schema, pooled, replies_of_schema
from inlay.functions.label_vectors import label_vectors
from inlay.functions.labels import spelled_out
from inlay.functions.predict import answers_of
from inlay.models.ref import ModelRef
from inlay.store.inputs import Inputs, each_with_each, text_inputs


@dataclass(frozen=True)
class Decided:
    """Of one question: the value of each text, its probability, and the shares of the labels. None: there are none."""

    values: Sequence[Any]
    probability: Floats | None
    labels: Sequence[str]
    shares: Floats | None

    def expected(self, steps: Any) -> list[float]:
        """Of levels, which are at these steps: the expected one, or that of the value where there are no shares."""
        if self.shares is not None:
            return (self.shares @ steps).clip(0, 1).tolist()  # type: ignore[no-any-return]
        return [0.0 if value is None else float(steps[list(self.labels).index(value)]) for value in self.values]


Decide = Callable[[Inputs, Ask], tuple[list[Decided], dict[int, str], Bools]]


def bind(call: Call) -> Bound:
    questions = read_questions(call.function, call.labels)
    decide, basis = decide_of(call, questions)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        decided, errors, known = decide(inputs, ask)
        rows = [_as_json(questions, decided, i) for i in range(len(inputs))]
        sure = [each.probability for each in decided if each.probability is not None]
        least = np.min(sure, axis=0) if len(sure) == len(questions) else None
        return Answers(
            [None if i in errors else row for i, row in enumerate(rows)],
            errors,
            known,
            confidence=None if least is None else [None if i in errors else float(p) for i, p in enumerate(least)],
        )

    asked = [each.basis(call.heads) for each in questions]
    return Bound(answer, {"version": 1, "decisions": asked, **basis})


def decide_of(call: Call, questions: tuple[Asked, ...]) -> tuple[Decide, dict[str, Any]]:
    """(what answers the questions about texts, what of it decides an answer, for the signature)."""
    ways: dict[Any, Callable[[Call, tuple[Asked, ...]], tuple[Decide, dict[str, Any]]]] = {
        "vectors": _by_vectors, "entailment": _by_entailment, "likelihoods": _by_likelihoods,
        "shares": _by_letters, "replies": _by_reply,
    }  # fmt: skip
    way = call.model.first(ways)
    if way is None:
        raise call.cannot("an embedding model, an NLI model or a language model", "Name one with model := '…'.")
    if way is not _by_vectors and any(asked.kind == "head" for asked in questions):
        raise ConfigError(f"{call.function}: a question with a head takes an embedding model, whose vectors it reads.")
    return way(call, questions)


def _as_json(questions: Sequence[Asked], decided: Sequence[Decided], i: int) -> str:
    fields = {}
    for asked, each in zip(questions, decided, strict=True):
        shares = None
        if each.shares is not None:
            shares = {name: round(float(p), 6) for name, p in zip(each.labels, each.shares[i], strict=True)}
        probability = None if each.probability is None else round(float(each.probability[i]), 6)
        fields[asked.name] = {"value": each.values[i], "probability": probability, "distribution": shares}
    return json.dumps(fields, ensure_ascii=False)


def _by_shares(asked: Asked, shares: Floats, least: float | None = None) -> Decided:
    """shares: [n, labels], that sum to 1; of a statement whether it holds, and not. least: share of what holds."""
    if asked.kind == "statement":
        best = (shares[:, 0] < np.float32(0.5 if least is None else least)).astype(np.int64)
    elif asked.kind == "levels":
        best = np.minimum((np.cumsum(shares, axis=1) < 0.5).sum(axis=1), shares.shape[1] - 1)
    else:
        best = shares.argmax(axis=1)
    probability = shares[np.arange(len(shares)), best]
    if asked.kind == "statement":
        return Decided((best == 0).tolist(), probability, HOLDS, shares)
    return Decided([asked.labels.names[k] for k in best], probability, asked.labels.names, shares)


def _holds(p: Floats) -> Floats:
    return np.stack([p, 1 - p], axis=1)


def _by_vectors(call: Call, questions: tuple[Asked, ...]) -> tuple[Decide, dict[str, Any]]:
    for asked in questions:
        if asked.kind == "statement" and asked.threshold is None:
            raise ConfigError(
                f"{call.function}: question {asked.name!r} is a statement, and {call.model.name!r} is an embedding "
                f"model, which needs a threshold: {{'statement': {asked.text!r}, 'threshold': 0.3}}. Better, train a "
                "head from labelled rows, {'head': '…'}, or name an NLI or a language model."
            )
        if asked.kind == "head":
            _check_head(call, asked.name, call.heads[asked.head])
    template = call.model.template

    def decided(asked: Asked, rows: Floats, ask: Ask) -> Decided:
        if asked.kind == "head":
            return _by_head(call.heads[asked.head], rows)
        if asked.kind == "statement":
            cosines = rows @ ask.fixed([asked.text])[0]
            sharp = np.float32(COSINE_SHARPNESS) * (cosines - np.float32(asked.threshold or 0))
            return _by_shares(asked, _holds(sigmoid(sharp)))
        named = f"{in_words(asked)}: {{label}}" if asked.text or asked.kind == "levels" else template
        anchors = label_vectors(asked.labels, named, ask)
        return _by_shares(asked, softmax(rows @ anchors.T * np.float32(COSINE_SHARPNESS)))

    def decide(inputs: Inputs, ask: Ask) -> tuple[list[Decided], dict[int, str], Bools]:
        outcome = ask.vectors(inputs)
        return [decided(asked, outcome.rows, ask) for asked in questions], outcome.errors, outcome.known

    return decide, {"template": template}


def _check_head(call: Call, question: str, head: ModelRef) -> None:
    card, base = card_of(head), head.base
    if base is None or base.fingerprint != call.model.fingerprint or not card.columns.is_plain_text:
        raise ConfigError(
            f"{call.function}: question {question!r} names head {card.name!r}, which reads "
            + ("several columns" if not card.columns.is_plain_text else f"the vectors of {card.base!r}")
            + f"; here it is given the vector that {call.model.name!r} makes of the text. Use ai_predict for it."
        )


def _by_head(head: ModelRef, rows: Floats) -> Decided:
    card = card_of(head)
    values, probability, shares = answers_of(card, load_head(head).numbers(rows))
    return Decided(values, probability, card.classes, shares)


def _by_entailment(call: Call, questions: tuple[Asked, ...]) -> tuple[Decide, dict[str, Any]]:
    yes, no = entailment_columns(call.model)
    sentences = [_sentences(asked, call.model.template) for asked in questions]
    ends = np.cumsum([len(each) for each in sentences])
    every = [sentence for each in sentences for sentence in each]

    def decide(inputs: Inputs, ask: Ask) -> tuple[list[Decided], dict[int, str], Bools]:
        logits, errors, known = logits_by_statement(inputs, every, ask)
        decided = []
        for asked, part in zip(questions, np.split(logits, ends[:-1], axis=1), strict=True):
            shares = softmax(part[:, 0][:, [yes, no]] if asked.kind == "statement" else part[:, :, yes])
            decided.append(_by_shares(asked, shares, asked.threshold))
        return decided, errors, known

    return decide, {"sentences": every}


def _sentences(asked: Asked, template: str | None) -> list[str]:
    if asked.kind == "statement":
        return [asked.text]
    if asked.text:
        return asked.labels.sentences(f"{asked.text} {{label}}.")
    named = f"The {spelled_out(asked.name).lower()} is {{label}}." if asked.kind == "levels" else NLI_TEMPLATE
    return asked.labels.sentences(template or named)


def _by_likelihoods(call: Call, questions: tuple[Asked, ...]) -> tuple[Decide, dict[str, Any]]:
    prompt = call.prompt("", "ai_decide")
    asked_in_words = [_prompt_line(asked) for asked in questions]
    words = [_words(asked) for asked in questions]
    # One question to the model, so that it reads each text once: any of all words, of which each has its own.
    options = tuple(dict.fromkeys(word for groups in words for group in groups for word in group))
    columns = [[[options.index(word) for word in group] for group in groups] for groups in words]
    choices, k = Choices(prompt.system, prompt.user, options), len(questions)

    def decide(inputs: Inputs, ask: Ask) -> tuple[list[Decided], dict[int, str], Bools]:
        pairs = each_with_each(inputs, text_inputs(asked_in_words))
        outcome = ask.likelihoods(choices, pairs)
        prior, failed = ask.prior(choices, pairs)
        rows, before = outcome.rows.reshape(len(inputs), k, -1), prior.reshape(len(prior), len(inputs), k, -1)
        decided = []
        for j, (asked, groups) in enumerate(zip(questions, columns, strict=True)):
            own = pooled(rows[:, j], groups) - pooled(before[:, :, j], groups).mean(axis=0)
            decided.append(_by_shares(asked, softmax(own), asked.threshold))
        errors: dict[int, str] = {}
        for place, reason in sorted({**failed, **outcome.errors}.items()):
            errors.setdefault(place // k, reason)
        return decided, errors, np.asarray(outcome.known.reshape(-1, k).all(axis=1), dtype=np.bool_)

    return decide, {"prompt": prompt.basis(), "asked": asked_in_words, "words": list(options)}


def _prompt_line(asked: Asked) -> str:
    if asked.kind == "statement":
        return f"{asked.text}\n\nYes or no?"
    listed = f"{asked.labels.listed()}\n\n" if any(asked.labels.descriptions) else ""
    return f"{listed}{in_words(asked)[:1].upper()}{in_words(asked)[1:]}, in a word or two:"


def _words(asked: Asked) -> Sequence[Sequence[str]]:
    if asked.kind == "statement":
        return YES_NO_WORDS
    words = [spelled_out(name).lower() for name in asked.labels.names]
    return [[word] for word in (words if len(set(words)) == len(words) else asked.labels.names)]


def _by_letters(call: Call, questions: tuple[Asked, ...]) -> tuple[Decide, dict[str, Any]]:
    """Question by question, so that each has the first token of a reply."""
    if any(len(asked.labels.names) > MOST_OPTIONS for asked in questions):
        return _by_reply(call, questions)
    judges = [_judge(call, asked) for asked in questions]

    def decide(inputs: Inputs, ask: Ask) -> tuple[list[Decided], dict[int, str], Bools]:
        decided, errors, known = [], dict[int, str](), np.ones(len(inputs), dtype=np.bool_)
        for asked, judge in zip(questions, judges, strict=True):
            texts = each_with_each(inputs, text_inputs([asked.text])) if asked.kind == "statement" else inputs
            judged = judge(texts, ask if asked is questions[-1] else ask.on_the_way())
            assert judged.scores is not None
            decided.append(_by_shares(asked, judged.scores, asked.threshold))
            errors, known = {**judged.errors, **errors}, known & judged.known
        return decided, errors, known

    return decide, {"letters": [judge.basis(call.model) for judge in judges]}


def _judge(call: Call, asked: Asked) -> Judge:
    if asked.kind == "statement":
        return Judge(call.prompt("remote", "ai_filter"), YES_NO)
    kind = "Which one of these is it, from the lowest to the highest?" if asked.kind == "levels" else "Which is it?"
    question = asked.text or f"{in_words(asked)}. {kind}"
    prompt = call.prompt("letters", "ai_decide").with_values(question=question, labels=asked.labels.listed(LETTERS))
    return Judge(prompt, asked.labels.names, by_letter=(prompt, asked.labels.names))


def _by_reply(call: Call, questions: tuple[Asked, ...]) -> tuple[Decide, dict[str, Any]]:
    options = [YES_NO if asked.kind == "statement" else asked.labels.names for asked in questions]
    lines = [_reply_line(asked) for asked in questions]
    prompt = call.prompt("remote", "ai_decide").with_values(questions="\n".join(lines))
    schema = object_schema(**{asked.name: {"enum": list(each)} for asked, each in zip(questions, options, strict=True)})

    def decide(inputs: Inputs, ask: Ask) -> tuple[list[Decided], dict[int, str], Bools]:
        replies, errors, known = replies_of_schema(prompt, schema, inputs, ask)
        decided = []
        for asked in questions:
            said = [None if reply is None else reply[asked.name] for reply in replies]
            is_statement = asked.kind == "statement"
            decided.append(
                Decided([each == "yes" if is_statement else each for each in said], None, asked.labels.names, None)
            )
        return decided, errors, known

    return decide, {"prompt": prompt.basis(), "options": [list(each) for each in options]}


def _reply_line(asked: Asked) -> str:
    if asked.kind == "statement":
        return f"- {asked.name}: whether this holds, yes or no: {' '.join(asked.text.split())}"
    listed = "".join(f"\n  {line}" for line in asked.labels.listed().split("\n"))
    kind = "one of these, from the lowest to the highest" if asked.kind == "levels" else "one of these"
    return f"- {asked.name}: {' '.join(in_words(asked).split())}; {kind}:{listed}"
