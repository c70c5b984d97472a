"""ai_filter: whether a statement holds for a text.

An NLI model judges it (entailment against contradiction); an embedding model only knows closeness, so it needs an
explicit threshold on the cosine. A language model answers yes or no: see judged.py. With a target for recall or
precision see cascade.py.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inlay.arrays import Bools, Floats
from inlay.errors import ConfigError
from inlay.functions.cascade.cascade import call_targets, filter_cascade
from inlay.functions.contract import Answers, Ask, Bound, Call, Closeness, numbers
from inlay.functions.entailment import statement_entailment
from inlay.functions.examples import Examples, statement_examples
from inlay.functions.judged import YES_NO, YES_NO_WORDS, Judge, yes_scores
from inlay.functions.score import statement_cosines, statement_probabilities
from inlay.store.inputs import Inputs

DEFAULT_THRESHOLD = 0.5


def bind(call: Call) -> Bound:
    return call.bound(
        {"replies": _by_language_model, "entailment": _by_entailment, "vectors": _by_cosine},
        "an NLI model, a language model, or an embedding model with a threshold",
        "Name one with model := '…'.",
    )


def _by_entailment(call: Call) -> Bound:
    cascade = filter_cascade(call)
    threshold, examples = call.threshold(DEFAULT_THRESHOLD), statement_examples(call)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        return _above(threshold, *statement_entailment(inputs, ask, examples))

    return Bound(answer, {"version": 1, "threshold": threshold, **examples.basis()}, cascade=cascade)


def _above(threshold: float, scores: Floats, errors: dict[int, str], known: Bools) -> Answers:
    """scores: probabilities."""
    held = scores >= np.float32(threshold)
    sure = np.where(held, scores, 1 - scores)
    return Answers(_booleans(held, errors), errors, known, numbers(sure, errors), scores=_odds(scores))


def _odds(probabilities: Floats) -> Floats:
    """What a calibration reads, [n, 1]: see calibrated.py."""
    p = np.clip(probabilities.astype(np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)), dtype=np.float32)[:, None]


def _by_cosine(call: Call) -> Bound:
    call_targets(call)  # which are refused: no proxy costs less than an embedding model
    if examples := statement_examples(call):
        return _by_examples(call, examples)
    threshold = call.threshold(0.0 if call.is_calibrated else None)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        scores, errors, known = statement_cosines(inputs, ask)
        return Answers(_booleans(scores >= np.float32(threshold), errors), errors, known, scores=scores[:, None])

    near = Closeness(("document", "query"), least=float(np.float32(threshold)))
    return Bound(answer, {"version": 1, "threshold": threshold}, closeness=near)


def _by_examples(call: Call, examples: Examples) -> Bound:
    threshold = call.threshold(DEFAULT_THRESHOLD)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        return _above(threshold, *statement_probabilities(inputs, ask, examples))

    return Bound(answer, {"version": 1, "threshold": threshold, **examples.basis()})


def _by_language_model(call: Call) -> Bound:
    prompt, in_words = call.prompt("", "ai_filter"), call.prompt("remote", "ai_filter")
    judge = Judge(prompt, YES_NO, YES_NO_WORDS, in_words=in_words, examples=statement_examples(call))
    if not judge.gives_scores(call.model) and call.options.get("threshold") is not None:
        raise ConfigError(
            f"{call.function}: threshold is given, but {call.model.name!r} only says yes or no and gives no scores. "
            "Leave threshold out, or, where its server gives log-probabilities, set logprobs = true under "
            f"[models.{call.model.name}]."
        )
    threshold = call.threshold(DEFAULT_THRESHOLD)

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        judged = judge(inputs, ask)
        held = yes_scores(judged) >= np.float32(threshold)
        return Answers(
            _booleans(held, judged.errors),
            judged.errors,
            judged.known,
            confidence=None
            if judged.scores is None
            else numbers(np.where(held, judged.scores[:, 0], judged.scores[:, 1]), judged.errors),
            scores=None if judged.scores is None else _odds(judged.scores[:, 0]),
        )

    basis = {"version": 1, "threshold": threshold, **judge.basis(call.model)}
    return Bound(answer, basis, cascade=filter_cascade(call))


def _booleans(held: Bools, errors: Mapping[int, str]) -> list[bool | None]:
    """Python values, None where the row failed."""
    return [None if i in errors else bool(holds) for i, holds in enumerate(held)]
