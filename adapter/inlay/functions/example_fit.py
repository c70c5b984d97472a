"""What examples change of a model's numbers.

Embedding models: for each text a label's vector becomes the mean direction of itself, which counts as some examples,
and of those of its examples that are among the nearest to the text. A statement gets a second prototype, that of the
examples in which it does not hold.

Probabilities: by logistic regression on one number for each example, as scored without that example itself; targets
are a little short of 0 and 1 (Platt 1999), so that a few examples without an error do not make all answers sure.
"""

from __future__ import annotations

import numpy as np

from inlay.arrays import Floats, Ints, Numbers
from inlay.functions.contract import sigmoid, unit_rows

OWN_WEIGHT = 3.0
"""How many examples a label itself counts as: of 0.5 to 5, the best in the mean of bench/examples.py's sets."""

NEAREST = 32
"""Examples that count for a text: on all three sets better than all of them, or as good, and than 4, 8 and 16."""

_ROWS = 256
_STEPS = 50
_SHARPNESS = 10.0  # where the fit begins, and what it is drawn back to where examples say little
_PULL = 1e-3


def shifted(prototypes: Floats, vectors: Floats, places: Ints, own_weight: float = OWN_WEIGHT) -> Floats:
    """Prototypes after they moved towards the vectors of their examples; all of length 1."""
    sums = own_weight * prototypes.astype(np.float64)
    np.add.at(sums, places, vectors)
    return unit_rows(sums.astype(np.float32))


def nearest_scores(texts: Floats, prototypes: Floats, vectors: Floats, places: Ints, own: Floats) -> Floats:
    """[texts, labels]: the cosine to each label's prototype, moved towards those of its examples that are among the
    NEAREST of all examples to the text. own: the cosines to the prototypes as they are."""
    scores = own.copy()
    among, to_labels = vectors @ vectors.T, prototypes @ vectors.T
    for start in range(0, len(texts), _ROWS):
        rows = slice(start, start + _ROWS)
        near = texts[rows] @ vectors.T
        found = np.sort(np.argpartition(-near, NEAREST - 1, axis=1)[:, :NEAREST], axis=1)
        labels = places[found]
        same = (labels[:, :, None] == labels[:, None, :]).astype(np.float32)
        # Of each example's label: the sum of its examples, times the text, times the label, and its squared length.
        by_text = np.einsum("nij,nj->ni", same, np.take_along_axis(near, found, axis=1))
        by_label = np.einsum("nij,nij->ni", same, to_labels[labels[:, :, None], found[:, None, :]])
        squared = np.einsum("nij,nij->ni", same @ among[found[:, :, None], found[:, None, :]], same)
        length = np.sqrt(OWN_WEIGHT**2 + 2 * OWN_WEIGHT * by_label + squared)
        moved = (OWN_WEIGHT * np.take_along_axis(own[rows], labels, axis=1) + by_text) / np.maximum(length, 1e-6)
        np.put_along_axis(scores[rows], labels, moved.astype(np.float32), axis=1)
    return scores


class StatementFit:
    """How probable it is that a statement holds, from the vector of a text. statement: its own vector. shares: of each
    example how well it holds."""

    def __init__(self, statement: Floats, vectors: Floats, shares: Floats) -> None:
        weights = shares[:, None].astype(np.float64)
        rows = vectors.astype(np.float64)
        yes, no = OWN_WEIGHT * statement + (weights * rows).sum(axis=0), ((1 - weights) * rows).sum(axis=0)
        # Each example as if it were none: it would find itself otherwise.
        away_yes, away_no = yes - weights * rows, no - (1 - weights) * rows
        self._axis = (_unit(yes[None]) - _unit(no[None]))[0]
        held_out = (rows * (_unit(away_yes) - _unit(away_no))).sum(axis=1)
        self._slope, self._offset = logistic_line(held_out, shares)

    def __call__(self, vectors: Floats) -> Floats:
        return sigmoid(np.asarray(vectors @ self._axis * self._slope + self._offset, dtype=np.float32))


def shares_by_odds(odds: Floats, which: Ints, own: Floats, shares: Floats) -> Floats:
    """How probable it is that each text's own statement holds, where odds are what a model says of it. which: the place
    of its statement. own: [examples, statements], the same of the examples."""
    probable = np.zeros(len(odds), dtype=np.float32)
    for place in range(own.shape[1]):
        slope, offset = logistic_line(own[:, place], shares)
        probable[which == place] = sigmoid(slope * odds[which == place] + np.float32(offset))
    return probable


def logistic_line(numbers: Numbers | Floats, shares: Floats) -> tuple[float, float]:
    """(slope, offset) of the logit over a number; a slope below 0 is taken for none."""
    yes = float(shares.sum())
    no = len(shares) - yes
    targets = shares * (yes + 1) / (yes + 2) + (1 - shares) / (no + 2)
    line = np.array([_SHARPNESS, np.log((yes + 1) / (no + 1))])
    columns = np.stack([np.asarray(numbers, dtype=np.float64), np.ones(len(numbers))], axis=1)

    def loss(line: Numbers) -> float:
        z = columns @ line
        return float((np.logaddexp(0, z) - targets * z).sum() + _PULL / 2 * (line[0] - _SHARPNESS) ** 2)

    for _ in range(_STEPS):
        p = 0.5 * (1 + np.tanh(0.5 * (columns @ line)))
        slope = columns.T @ (p - targets) + [_PULL * (line[0] - _SHARPNESS), 0]
        curve = (columns * (p * (1 - p))[:, None]).T @ columns + np.diag([_PULL, _PULL])
        step, size = np.linalg.solve(curve, slope), 1.0
        while size > 1e-4 and loss(line - size * step) > loss(line):
            size /= 2
        line = line - size * step
        if np.abs(size * step).max() < 1e-6:
            break
    return max(float(line[0]), 0.0), float(line[1])


def label_offsets(log_shares: Floats, places: Ints) -> Floats:
    """What to add to the logarithm of each label's score so that examples are likeliest, drawn back to nothing as if
    each label had one example more on its side and one against it. log_shares: of the examples."""
    k = log_shares.shape[1]
    wanted = np.bincount(places, minlength=k).astype(np.float64)
    offsets = np.zeros(k)
    for _ in range(_STEPS):
        z = log_shares + offsets
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        slope = p.sum(axis=0) - wanted + offsets
        step = np.linalg.solve(np.diag(p.sum(axis=0)) - p.T @ p + np.eye(k), slope)
        offsets -= step
        if np.abs(step).max() < 1e-6:
            break
    return offsets.astype(np.float32)


def _unit(rows: Numbers) -> Numbers:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
