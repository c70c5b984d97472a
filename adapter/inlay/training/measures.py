"""How good answers to held-out rows are.

accuracy            share of right answers
macro_f1            mean over classes of F1, the harmonic mean of precision and recall
calibration_error   expected calibration error: |confidence - share of right answers| in 15 bins of equal width, each
                    weighted by its rows (Guo et al., On calibration of modern neural networks, ICML 2017)
calibration_error_before    the same of the function's own confidence, before it was calibrated
answered_at_95      share of the rows that accuracy := 0.95 would answer, with probability 0.95 (functions/assurance.py)
r2, mean_error      of numbers: the explained share of the variance, the mean absolute error
mean_levels_off     of levels: the mean distance between the given and the answered one
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from inlay.arrays import Bools, Floats, Ints, Numbers


def of_classes(
    given: Ints, answered: Ints, confidence: Floats, n_classes: int, *, ordered: bool
) -> Mapping[str, float]:
    right = given == answered
    measures = {
        "accuracy": float(right.mean()),
        "macro_f1": macro_f1(_one_hot(given, n_classes), _one_hot(answered, n_classes)),
        "calibration_error": calibration_error(confidence, right),
    }
    return measures | ({"mean_levels_off": float(np.abs(given - answered).mean())} if ordered else {})


def of_sets(given: Bools, scores: Floats) -> Mapping[str, float]:
    """given: [n, classes] which of them each row has. scores: their probabilities."""
    answered = scores >= 0.5
    return {
        "accuracy": float((given == answered).all(axis=1).mean()),
        "macro_f1": macro_f1(given, answered),
        "calibration_error": calibration_error(
            np.where(answered, scores, 1 - scores).ravel(), (given == answered).ravel()
        ),
    }


def of_numbers(given: Numbers, answered: Numbers) -> Mapping[str, float]:
    variance = float(((given - given.mean()) ** 2).mean())
    return {
        "r2": 1 - float(((given - answered) ** 2).mean()) / variance if variance else 0.0,
        "mean_error": float(np.abs(given - answered).mean()),
    }


def macro_f1(given: Bools, answered: Bools) -> float:
    both = (given & answered).sum(axis=0)
    either = given.sum(axis=0) + answered.sum(axis=0)
    return float(np.mean(np.where(either > 0, 2 * both / np.maximum(either, 1), 1.0)))


def calibration_error(confidence: Floats, right: Bools, bins: int = 15) -> float:
    if not len(confidence):
        return 0.0
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    off = np.bincount(bin_of, weights=confidence.astype(np.float64) - right, minlength=bins)
    return float(np.abs(off).sum() / len(confidence))


def by_confidence(confidence: Floats, right: Bools) -> Floats:
    """What a head or a calibration keeps of held-out rows, the surest first: see backends/heads.py."""
    order = np.argsort(-confidence, kind="stable")
    return np.stack([confidence[order], right[order]], axis=1).astype(np.float32)


def confused(given: Ints, answered: Ints, classes: Sequence[str], most: int = 200) -> tuple[tuple[str, str, int], ...]:
    """(label given, answer, rows) where they differ, most frequent first."""
    pairs, counts = np.unique(np.stack([given, answered], axis=1)[given != answered], axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    return tuple((classes[pairs[i, 0]], classes[pairs[i, 1]], int(counts[i])) for i in order)


def _one_hot(places: Ints, n: int) -> Bools:
    return np.asarray(places[:, None] == np.arange(n), dtype=np.bool_)
