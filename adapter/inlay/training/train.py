"""From labelled features to a head: the strength by cross-validation, calibration and measures on held-out folds, and
the fit to all rows.

Every number of the card is of rows that the fit behind it has not seen. The temperature of a fold's rows, for the
measures, is that of the other folds; the head's own is that of all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from inlay.arrays import Bools, Floats, Ints
from inlay.backends.heads import level_logits, raw_numbers
from inlay.functions.assurance import answered_at_95
from inlay.functions.contract import sigmoid, softmax
from inlay.models.head_card import Kind, Method
from inlay.training.calibration import temperature_of_classes, temperature_of_flags
from inlay.training.fits import STRENGTHS, Examples, fits, one_core_each
from inlay.training.measures import by_confidence, confused, of_classes, of_numbers, of_sets

MOST_FOLDS = 5


@dataclass(frozen=True)
class Trained:
    """held_out in the arrays: see backends/heads.py."""

    arrays: Mapping[str, Floats]
    strength: float
    temperature: float
    measures: Mapping[str, float]
    confusion: tuple[tuple[str, str, int], ...] = ()


def train(method: Method, examples: Examples, folds: Ints, classes: Sequence[str]) -> Trained:
    """folds: of each example."""
    strength, raw = _chosen(method, examples, folds)
    (arrays,) = fits(method, examples, (strength,))
    if examples.kind == "regression":
        return Trained(arrays, strength, 1.0, of_numbers(examples.given, raw[:, 0].astype(np.float64)))
    measures, confusion, sure = _measured(examples, _scaled(examples, raw, folds), classes)
    measures = {**measures, "answered_at_95": answered_at_95(sure)}
    own = temperature(examples.kind, raw, examples.given)
    return Trained({**arrays, "held_out": sure}, strength, own, measures, confusion)


def held_out_shares(method: Method, examples: Examples, folds: Ints) -> Floats:
    """[n, classes] calibrated probabilities of one class a row, by fits that have not seen the row."""
    _, raw = _chosen(method, examples, folds)
    return softmax(_scaled(examples, raw, folds))


def _chosen(method: Method, examples: Examples, folds: Ints) -> tuple[float, Floats]:
    """(the strength that is best on held-out rows, the raw numbers of every row by it)."""
    strengths = STRENGTHS[method]
    held_out = _held_out(method, examples, folds, strengths)
    best = int(np.argmin([_loss(examples, raw) for raw in held_out]))
    return strengths[best], held_out[best]


def _scaled(examples: Examples, raw: Floats, folds: Ints) -> Floats:
    """Each fold's numbers by the temperature of the others."""
    scaled = raw.copy()
    for fold in np.unique(folds):
        others = folds != fold
        scaled[~others] /= np.float32(temperature(examples.kind, raw[others], examples.given[others]))
    return scaled


def temperature(kind: Kind, raw: Floats, given: Any) -> float:
    """raw: of rows that the fit has not seen."""
    if kind == "single":
        return temperature_of_classes(raw, given)
    return temperature_of_flags(raw, given if kind == "multi" else _steps(given, raw.shape[1]))


def _steps(levels: Ints, n: int) -> Bools:
    """Whether each level is above each step."""
    return np.asarray(levels[:, None] > np.arange(n), dtype=np.bool_)


def _held_out(method: Method, examples: Examples, folds: Ints, strengths: Sequence[float]) -> list[Floats]:
    """For each strength the raw numbers of every row, by a fit to the other folds."""
    width = {"regression": 1, "ordinal": examples.n_classes - 1}.get(examples.kind, examples.n_classes)
    raw = [np.zeros((len(examples), width), dtype=np.float32) for _ in strengths]

    def hold_out(fold: int) -> None:
        inside = folds == fold
        for place, arrays in enumerate(fits(method, examples.take(~inside), strengths)):
            raw[place][inside] = raw_numbers(arrays, method, examples.kind, examples.features[inside])

    # A fold a core: products of this size gain little from several.
    with one_core_each(), ThreadPoolExecutor(max(1, min(MOST_FOLDS, os.cpu_count() or 1))) as pool:
        list(pool.map(hold_out, np.unique(folds).tolist()))
    return raw


def _loss(examples: Examples, raw: Floats) -> float:
    """What the strength is chosen by: of numbers the squared error; of one class a row the share of wrong answers,
    by which answers were a half per cent better than by the error of the probabilities; else that error."""
    given = examples.given
    if examples.kind == "regression":
        return float(((raw[:, 0] - given) ** 2).mean())
    if examples.kind == "single":
        return float((raw.argmax(axis=1) != given).mean())
    flags = given if examples.kind == "multi" else _steps(given, raw.shape[1])
    scaled = raw / np.float32(temperature(examples.kind, raw, given))
    return float(np.logaddexp(0, np.where(flags, -1, 1) * scaled).mean())


def _measured(
    examples: Examples, scaled: Floats, classes: Sequence[str]
) -> tuple[Mapping[str, float], tuple[tuple[str, str, int], ...], Floats]:
    """(measures, confusion, held_out) of calibrated numbers."""
    given = examples.given
    if examples.kind == "multi":
        scores = sigmoid(scaled)
        answers = scores >= 0.5
        sure = np.where(answers, scores, 1 - scores).min(axis=1)
        return of_sets(given, scores), (), by_confidence(sure, (answers == given).all(axis=1))
    ordered = examples.kind == "ordinal"
    scores = softmax(level_logits(scaled) if ordered else scaled)
    answered = (np.cumsum(scores, axis=1) < 0.5).sum(axis=1) if ordered else scores.argmax(axis=1)
    answered = np.minimum(answered, len(classes) - 1)
    confidence = scores[np.arange(len(scores)), answered]
    measures = of_classes(given, answered, confidence, len(classes), ordered=ordered)
    return measures, confused(given, answered, classes), by_confidence(confidence, answered == given)
