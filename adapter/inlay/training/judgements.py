"""From scores of labelled rows to a calibration: which kind, its arrays and its measures, on held-out folds.

By a temperature (for a statement a line: Platt, 1999), which two numbers fix, or by isotonic regression (Zadrozny and
Elkan, 2002), which follows any curve and wants more rows: whichever has the smaller squared error on held-out folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from inlay.arrays import Bools, Floats, Ints
from inlay.functions.assurance import answered_at_95
from inlay.functions.calibrated import shares_of
from inlay.functions.contract import softmax
from inlay.functions.example_fit import logistic_line
from inlay.training.calibration import temperature_of_classes
from inlay.training.measures import by_confidence, calibration_error, of_classes


@dataclass(frozen=True)
class Fitted:
    """arrays: as of functions/calibrated.py, and held_out. answered: of each row the place of its answer among the
    labels, or of a statement among HOLDS, held out too."""

    arrays: Mapping[str, Floats]
    measures: Mapping[str, float]
    answered: Ints


def fit_judgement(raw: Floats, given: Ints, chosen: Ints | None, before: Floats | None, folds: Ints) -> Fitted:
    """raw: as of functions/calibrated.py. given: of each row the place of its label, or of a statement 0 where it holds
    and 1 where not. chosen: of each row the place of the label that was answered; None for a statement, whose answer is
    the calibration's. before: the function's own confidence, where it has one."""
    ways = [_held_out(raw, given, chosen, folds, isotonic=isotonic) for isotonic in (False, True)]
    errors = [float(((confidence - (answered == given)) ** 2).mean()) for answered, confidence in ways]
    isotonic = errors[1] < errors[0]
    answered, confidence = ways[isotonic]
    right = answered == given
    n_classes = 2 if chosen is None else raw.shape[1]
    measures = dict(of_classes(given, answered, confidence, n_classes, ordered=False))
    if before is not None:  # and of a statement it held where the log-odds are above 0
        was_right = right if chosen is not None else (raw[:, 0] < 0) == (given == 1)
        measures["calibration_error_before"] = calibration_error(before, was_right)
    measures["answered_at_95"] = answered_at_95(held_out := by_confidence(confidence, right))
    arrays = {**_arrays(raw, given, chosen, isotonic=isotonic), "held_out": held_out}
    return Fitted(arrays, measures, answered)


def _held_out(raw: Floats, given: Ints, chosen: Ints | None, folds: Ints, *, isotonic: bool) -> tuple[Ints, Floats]:
    """(answer, confidence) of each row, by a fit to the other folds."""
    answered = np.zeros(len(raw), dtype=np.int64) if chosen is None else chosen
    confidence = np.zeros(len(raw), dtype=np.float32)
    for fold in np.unique(folds):
        inside = folds == fold
        others = None if chosen is None else chosen[~inside]
        shares, confidence[inside] = shares_of(
            _arrays(raw[~inside], given[~inside], others, isotonic=isotonic), raw[inside]
        )
        if chosen is None:
            answered[inside] = (shares[:, 0] < np.float32(0.5)).astype(np.int64)
    return answered, confidence


def _arrays(raw: Floats, given: Ints, chosen: Ints | None, *, isotonic: bool) -> dict[str, Floats]:
    if chosen is None:
        holds = given == 0
        if isotonic:
            return {"steps": isotonic_steps(raw[:, 0], holds)}
        return {"line": np.array(logistic_line(raw[:, 0], holds.astype(np.float32)), dtype=np.float32)}
    temperature = np.array([temperature_of_classes(raw, given)], dtype=np.float32)
    arrays: dict[str, Floats] = {"temperature": temperature}
    if isotonic:
        arrays["steps"] = isotonic_steps(softmax(raw / temperature).max(axis=1), chosen == given)
    return arrays


def isotonic_steps(numbers: Floats, right: Bools) -> Floats:
    """[2, m]: neighbours are pooled until the share of what is right rises (pool adjacent violators); of each pool the
    mean of its numbers and its share, which is never quite 0 or 1."""
    at, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    hits = np.bincount(places, weights=right, minlength=len(at))
    pools: list[tuple[float, float, int]] = []  # sum of numbers, rows that are right, rows
    for pool in zip((at * counts).tolist(), hits.tolist(), counts.tolist(), strict=True):
        while pools and pools[-1][1] * pool[2] >= pool[1] * pools[-1][2]:
            last = pools.pop()
            pool = (last[0] + pool[0], last[1] + pool[1], last[2] + pool[2])
        pools.append(pool)
    n = len(numbers)
    shares = np.array([right_ones / rows for _, right_ones, rows in pools]).clip(1 / (n + 2), 1 - 1 / (n + 2))
    return np.array([[total / rows for total, _, rows in pools], shares], dtype=np.float32)
