"""The rows most worth labelling: those that bring the most of what is uncertain near a labelled row.

A row is covered by the cube of its cosine to the nearest labelled row: of powers from 1 to 8 the lower were better for
few classes that lie apart, the higher for many that do not. Each next row is the one that raises the sum of what is
covered, weighted by how uncertain a model is of each row, by the most. That is greedy facility location, which comes
within 1 - 1/e of the best set of its size (Nemhauser, Wolsey and Fisher 1978); for choosing what to label it is in Wei,
Iyer and Bilmes, ICML 2015, who keep the most uncertain rows first, where here uncertainty is a weight. Unlike the rows
that are farthest from all others (k-centre) these are typical of many before they are odd. How much weight uncertainty
deserves depends on the model: see execution/to_label.py.
"""

from __future__ import annotations

import numpy as np

from inlay.arrays import Bools, Floats, Ints, Numbers

NEAR_DUPLICATE = 0.95
"""Cosine from which on two texts say the same, and the second is not worth a label."""

_AT_A_TIME = 64  # candidates whose gain is computed at once


def most_worth(rows: Floats, weights: Numbers, n: int, labelled: Floats | None = None) -> Ints:
    """Places of at most n rows, best first; fewer where no others are left that are not near duplicates.

    rows: [m, d] unit vectors, one for each distinct text. weights: of each row. labelled: unit vectors of what is
    labelled already. Of equal gains the first row is taken, so the order of rows decides then and no chance does.
    """
    m = len(rows)
    nearest = np.full(m, -1, dtype=np.float32)
    for start in range(0, 0 if labelled is None else len(labelled), _AT_A_TIME):
        assert labelled is not None
        nearest = np.maximum(nearest, (rows @ labelled[start : start + _AT_A_TIME].T).max(axis=1))
    is_open = nearest < NEAR_DUPLICATE
    covered = _covered(nearest)
    bounds = np.zeros(m)
    for start in range(0, m, _AT_A_TIME):
        places = np.arange(start, min(start + _AT_A_TIME, m))
        bounds[places] = _gains(rows, weights, covered, places)
    chosen: list[int] = []
    while len(chosen) < n and is_open.any():
        place = _best(rows, weights, covered, bounds, is_open)
        chosen.append(place)
        near = rows @ rows[place]
        covered = np.maximum(covered, _covered(near))
        is_open &= near < NEAR_DUPLICATE
        is_open[place] = False
    return np.array(chosen, dtype=np.int64)


def _best(rows: Floats, weights: Numbers, covered: Floats, bounds: Numbers, is_open: Bools) -> int:
    """The open row of the greatest gain. bounds: gains of earlier steps, which only fall, so that those below the
    greatest of this step are not computed again (Minoux 1978); they are brought up to date."""
    left = np.flatnonzero(is_open)
    left = left[np.argsort(-bounds[left], kind="stable")]
    best, gain = -1, -np.inf
    for start in range(0, len(left), _AT_A_TIME):
        places = left[start : start + _AT_A_TIME]
        if bounds[places[0]] < gain:
            break
        bounds[places] = np.minimum(bounds[places], _gains(rows, weights, covered, places))
        greatest = float(bounds[places].max())
        first = int(places[bounds[places] == greatest].min())
        if greatest > gain or (greatest == gain and first < best):
            best, gain = first, greatest
    return best


def _gains(rows: Floats, weights: Numbers, covered: Floats, places: Ints) -> Numbers:
    """By how much each of these rows would raise the weighted sum of what is covered."""
    gains = np.maximum(_covered(rows[places] @ rows.T) - covered, 0).astype(np.float64)
    return np.asarray(gains @ weights)


def _covered(cosines: Floats) -> Floats:
    return np.maximum(cosines, 0) ** 3
