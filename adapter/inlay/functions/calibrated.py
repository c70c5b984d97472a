"""A judging call under a calibration: probabilities that are as often right as they say, from labelled rows.

The function answers as it does without; what a calibration reads are its scores, one of two kinds:

labels      [n, labels]: cosines, which are sharpened as for its confidence, or shares, of which the logarithm is read.
            They are divided by a temperature; where that is not enough, `steps` make of the highest share how often
            such answers are right. The answer stays
statement   [n, 1]: a cosine, or log-odds. A line, or steps, make of it how probable it is that the statement holds,
            and from a half on it does

temperature   [1]           line   [2] slope and offset           steps   [2, m] x in order, and y, which rises with it

Between the steps lies a line. A calibration is kept as a head is, in a folder with a card; it holds for the question
that it was made for alone: the same model, labels, template and examples, and for a statement, that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from inlay.arrays import Floats, Ints
from inlay.backends.heads import Arrays, read_head
from inlay.errors import ConfigError
from inlay.functions.assurance import Assurance, accuracy_of, basis_of, promised, surely
from inlay.functions.classify import COSINE_SHARPNESS
from inlay.functions.contract import Answers, Ask, Bound, Call, sigmoid, softmax
from inlay.functions.decisions import HOLDS
from inlay.models.head_card import HeadCard, arrays_file
from inlay.models.ref import ModelRef
from inlay.store.inputs import Inputs

OPTIONS = ("accuracy", "probability", "calibration")
"""Options of a call that say nothing of its question, but of which answers to it are given."""

_LEAST_SHARE = 1e-6

_TARGETS = "it lets a proxy answer. Leave one of them out"
_THRESHOLD = "where yes begins, and what is sure, the labelled rows say. Leave one of them out"


@dataclass(frozen=True)
class Calibration:
    """held_out: as of a head, see backends/heads.py."""

    card: HeadCard
    arrays: Arrays
    held_out: Floats

    @classmethod
    def read(cls, heads: Path, card: HeadCard) -> Calibration:
        """Raises DigestError and ModelError as read_head()."""
        head = read_head(card, arrays_file(heads, card))
        return cls(card, head.arrays, head.held_out)


def raw_numbers(answers: Answers, model: ModelRef) -> Floats | None:
    """What is calibrated: logits of labels, or the number of a statement. None where the model gives no scores."""
    scores = answers.scores
    if scores is None or not answers.labels:
        return scores
    if model.can("vectors"):
        return np.asarray(scores * np.float32(COSINE_SHARPNESS), dtype=np.float32)
    return np.asarray(np.log(np.maximum(scores, np.float32(_LEAST_SHARE))), dtype=np.float32)


def shares_of(arrays: Arrays, raw: Floats) -> tuple[Floats, Floats]:
    """([n, labels] or, of a statement, [n, 2] shares that it holds and not; the confidence of each row)."""
    if "temperature" in arrays:
        shares = softmax(raw / arrays["temperature"])
        confidence = shares.max(axis=1)
        return shares, _along(arrays["steps"], confidence) if "steps" in arrays else confidence
    if "steps" in arrays:
        holds = _along(arrays["steps"], raw[:, 0])
    else:
        slope, offset = arrays["line"]
        holds = sigmoid(raw[:, 0] * slope + offset)
    shares = np.stack([holds, 1 - holds], axis=1)
    return shares, shares.max(axis=1)


def _along(steps: Floats, numbers: Floats) -> Floats:
    return np.asarray(np.interp(numbers, steps[0], steps[1]), dtype=np.float32)


def check_can_be_calibrated(call: Call) -> None:
    """Raises ConfigError for options that a calibration does not go with."""
    reasons = {
        "agreement": _TARGETS, "recall": _TARGETS, "precision": _TARGETS,
        "adapt": (
            "its labels move with each statement. Freeze them: CALL inlay_labels('topics', …), and calibrate the call "
            "with model := 'head:topics'"
        ),
        "threshold": _THRESHOLD, "other": _THRESHOLD,
    }  # fmt: skip
    for option, reason in reasons.items():
        if call.options.get(option):
            raise ConfigError(f"{call.function}: {option} does not go with accuracy or calibration: {reason}.")


def with_calibrations(call: Call, bound: Bound, found: Sequence[Calibration]) -> Bound:
    """bound: the call without its accuracy. found: one for each statement, or the one of a call with labels. Raises
    ConfigError for an accuracy that they do not show."""
    wanted = accuracy_of(call)
    by_statement: dict[str | None, tuple[Calibration, Assurance | None]] = {}
    for each in found:
        assurance = None if wanted is None else promised(call.function, each.card, each.held_out, *wanted)
        by_statement[each.card.judges.statement if each.card.judges else None] = each, assurance

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        answers = bound.answer(inputs, ask)
        if len(inputs.columns) == 1:
            return _calibrated(answers, ask.model, *by_statement[None])
        return _by_statement(call, answers, inputs, by_statement)

    basis: dict[str, Any] = {**(bound.basis or {})}
    listed = [(statement, each.card.fingerprint, promise) for statement, (each, promise) in by_statement.items()]
    if listed[0][0] is None:
        basis |= {"calibrated": listed[0][1], **basis_of(listed[0][2])}
    else:
        basis["calibrated"] = sorted([statement, fingerprint] for statement, fingerprint, _ in listed)
        if wanted is not None:
            basis["least_confidence"] = sorted([statement, basis_of(promise)] for statement, _, promise in listed)
    return Bound(answer, basis, is_silent=wanted is not None)


def _calibrated(answers: Answers, model: ModelRef, calibration: Calibration, assurance: Assurance | None) -> Answers:
    raw = raw_numbers(answers, model)
    assert raw is not None  # or there were no calibration
    shares, confidence = shares_of(calibration.arrays, raw)
    given = [None if i in answers.errors else float(sure) for i, sure in enumerate(confidence)]
    made = replace(answers, confidence=given)
    if not answers.labels:
        holds = shares[:, 0] >= np.float32(0.5)
        values = [None if i in answers.errors else bool(each) for i, each in enumerate(holds)]
        made = replace(made, values=values, labels=HOLDS, scores=shares)
    return surely(made, assurance)


def _by_statement(
    call: Call, answers: Answers, inputs: Inputs,
    by_statement: Mapping[str | None, tuple[Calibration, Assurance | None]],
) -> Answers:  # fmt: skip
    statements, which = inputs.column(1).each_once()
    n = len(inputs)
    values: list[Any] = [None] * n
    confidence: list[float | None] = [None] * n
    shares = np.zeros((n, 2), dtype=np.float32)
    for place, statement in enumerate(statements.values()):
        if statement not in by_statement:
            raise ConfigError(
                f"{call.function}: {statement!r} has no calibration, which is of one statement; there are some of "
                f"{', '.join(repr(each) for each in sorted(map(str, by_statement)))}. Calibrate it too: CALL "
                "inlay_calibrate('name', 'labelled_rows', label := 'holds', call := …)."
            )
        rows = np.arange(n) if which is None else np.flatnonzero(which == place)
        part = _calibrated(_rows_of(answers, rows), call.model, *by_statement[statement])
        assert part.confidence is not None and part.scores is not None
        for i, row in enumerate(rows.tolist()):
            values[row], confidence[row] = part.values[i], part.confidence[i]
        shares[rows] = part.scores
    return replace(answers, values=values, confidence=confidence, labels=HOLDS, scores=shares)


def _rows_of(answers: Answers, rows: Ints) -> Answers:
    """Some of the answers to statements."""
    assert answers.scores is not None
    places = {row: i for i, row in enumerate(rows.tolist())}
    return Answers(
        [answers.values[row] for row in places],
        {places[row]: reason for row, reason in answers.errors.items() if row in places},
        answers.known[rows],
        scores=answers.scores[rows],
    )
