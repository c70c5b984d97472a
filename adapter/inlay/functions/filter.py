"""ai_filter: whether a statement holds for a text.

An NLI model judges it (entailment against contradiction); an embedding model only knows closeness, so it needs an
explicit threshold on the cosine. A language model answers yes or no: see judged.py. With a target for recall or
precision see cascade.py.
"""

from __future__ import annotations

import numpy as np

from inlay.errors import ConfigError
from inlay.functions.cascade.cascade import filter_cascade
from inlay.functions.contract import Answers, Ask, Bound, Call, Closeness
from inlay.functions.judged import YES_NO, Judge, gives_likelihoods, yes_scores
from inlay.functions.prompt_files import prompt_file
from inlay.functions.score import statement_scores

DEFAULT_THRESHOLD = 0.5


def bind(call: Call) -> Bound:
    if call.model.task == "generate":
        return _by_language_model(call)
    if call.model.task not in ("embed", "nli"):
        raise call.cannot(
            "an NLI model, a language model, or an embedding model with a threshold", "Name one with model := '…'."
        )
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


def _by_language_model(call: Call) -> Bound:
    if not gives_likelihoods(call.model) and call.options.get("threshold") is not None:
        raise ConfigError(
            f"{call.function}: threshold is given, but {call.model.name!r} only says yes or no and gives no scores. "
            "Leave threshold out."
        )
    threshold = call.threshold(DEFAULT_THRESHOLD)
    judge = Judge(prompt_file("ai_filter"), YES_NO)

    def answer(columns: list[list[str]], ask: Ask) -> Answers:
        judged = judge(columns[0], columns[1], ask)
        held = yes_scores(judged) >= np.float32(threshold)
        return Answers(
            [None if i in judged.errors else bool(h) for i, h in enumerate(held)],
            judged.errors,
            judged.known,
            confidence=None
            if judged.scores is None
            else [None if i in judged.errors else float(judged.scores[i, 0 if h else 1]) for i, h in enumerate(held)],
        )

    return Bound(answer, {"version": 1, "threshold": threshold, **judge.basis()}, cascade=filter_cascade(call))
