"""Proxies whose scores and answers are drawn at random, from nearly always right to always wrong; and how often a promise
may fail by chance."""

from __future__ import annotations

import math

import numpy as np

Rows = tuple[np.ndarray, np.ndarray]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def good(rng: np.random.Generator, n: int) -> Rows:
    true = rng.random(n) < 0.3
    return sigmoid(rng.normal(0, 1, n) + np.where(true, 3, -3)), true


def calibrated(rng: np.random.Generator, n: int) -> Rows:
    scores = rng.beta(0.3, 0.7, n)
    return scores, rng.random(n) < scores


def useless(rng: np.random.Generator, n: int) -> Rows:
    return rng.random(n), rng.random(n) < 0.3


def contrary(rng: np.random.Generator, n: int) -> Rows:
    scores, true = good(rng, n)
    return 1 - scores, true


def one_in_a_hundred(rng: np.random.Generator, n: int) -> Rows:
    true = rng.random(n) < 0.01
    return sigmoid(rng.normal(0, 1, n) + np.where(true, 2, -4)), true


def all_true(rng: np.random.Generator, n: int) -> Rows:
    return rng.random(n), np.ones(n, dtype=np.bool_)


def none_true(rng: np.random.Generator, n: int) -> Rows:
    return rng.random(n), np.zeros(n, dtype=np.bool_)


def just_too_bad(rng: np.random.Generator, n: int) -> Rows:
    """The share of errors that a target of 0.9 does not allow by a little, spread evenly: the easiest to get wrong."""
    true = rng.random(n) < 0.5
    wrong = rng.random(n) < 0.11
    return np.where(true ^ wrong, 0.9, 0.1) + rng.normal(0, 0.01, n), true


KINDS = (good, calibrated, useless, contrary, one_in_a_hundred, all_true, none_true, just_too_bad)


class Oracle:
    """Says what is true, and counts how often it was asked; nothing is asked twice."""

    def __init__(self, answers: np.ndarray) -> None:
        self.answers = answers.astype(np.int64)
        self.n_asked = np.zeros(len(answers), dtype=np.int64)

    def __call__(self, places: np.ndarray) -> np.ndarray:
        self.n_asked[places] += 1
        assert self.n_asked.max(initial=0) <= 1
        return self.answers[places]


def most_misses(trials: int, probability: float) -> int:
    """Misses that a fair certificate exceeds with a chance of one in ten thousand: the binomial's upper tail."""
    chance, misses = 1.0, -1
    while chance > 1e-4:
        misses += 1
        below = sum(
            math.comb(trials, k) * (1 - probability) ** k * probability ** (trials - k) for k in range(misses + 1)
        )
        chance = 1 - below
    return misses
