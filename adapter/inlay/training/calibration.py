"""The temperature by which a head's numbers are divided, so that its probabilities are as often right as they say.

Guo et al. (On calibration of modern neural networks, ICML 2017, section 4.2): one number, by the likelihood of held-out
rows. It moves no answer.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from inlay.arrays import Bools, Floats, Ints

# In its logarithm; the best of a grid, then between its neighbours by golden section.
_GRID = np.linspace(np.log(0.02), np.log(20.0), 25)
_GOLDEN = (5**0.5 - 1) / 2


def temperature_of_classes(raw: Floats, given: Ints) -> float:
    """raw: [n, classes] numbers of rows that the fit has not seen."""
    rows = np.arange(len(given))

    def loss(temperature: float) -> float:
        scaled = raw / np.float32(temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[rows, given]).mean())

    return _lowest(loss)


def temperature_of_flags(raw: Floats, given: Bools) -> float:
    """raw: [n, k] logits of as many yes-or-no questions."""
    signs = np.where(given, -1, 1)

    def loss(temperature: float) -> float:
        return float(np.logaddexp(0, signs * raw / temperature).mean())

    return _lowest(loss)


def _lowest(loss: Callable[[float], float]) -> float:
    losses = [loss(float(np.exp(each))) for each in _GRID]
    best = int(np.argmin(losses))
    low, high = _GRID[max(0, best - 1)], _GRID[min(len(_GRID) - 1, best + 1)]
    for _ in range(20):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if loss(float(np.exp(left))) < loss(float(np.exp(right))):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))
