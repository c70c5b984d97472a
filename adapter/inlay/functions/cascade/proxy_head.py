"""A small classifier on top of an embedding model's vectors, fitted to a few hundred answers of another model.

Kernel ridge regression onto one column per answer: with m examples it needs one m by m matrix, and for every strength
of the ridge the scores that each example would get from the others alone follow without fitting again (leave-one-out
residuals of a linear smoother; Allen's PRESS, 1974). By them the strength is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inlay.arrays import Floats, Numbers

_RIDGES = 10.0 ** np.arange(-3, 4)


@dataclass(frozen=True)
class Head:
    """examples, weights: a score is a text's likeness to each example, weighted, on top of its prior scores where
    `uses_prior`. left_out: each example's scores [m, answers] as fitted to the other examples alone."""

    examples: Floats
    weights: Floats
    uses_prior: bool
    left_out: Floats

    def scores(self, features: Floats, prior: Floats | None = None) -> Floats:
        """[n, answers]: near 1 where the answer is likely, near 0 where it is not."""
        scores = likeness(features, self.examples) @ self.weights
        return np.asarray(scores + prior if self.uses_prior and prior is not None else scores, dtype=np.float32)


def fit_head(features: Floats, wanted: Floats, prior: Floats | None = None) -> Head:
    """features: [m, d], vectors of the texts. wanted: [m, answers], 1 for an example's answer and 0 elsewhere. prior:
    scores of the same shape that need no examples; the head is fitted to the difference from them if that is better."""
    values, vectors = np.linalg.eigh(likeness(features, features).astype(np.float64))
    values = np.maximum(values, 0)
    best: tuple[float, bool, Numbers, Numbers] | None = None
    for base in (None,) if prior is None else (None, prior):
        target = wanted.astype(np.float64) - (0 if base is None else base)
        turned = vectors.T @ target
        for ridge in _RIDGES:
            kept = values / (values + ridge)
            own = np.minimum((vectors**2 * kept).sum(axis=1), 1 - 1e-6)
            residual = (target - vectors @ (kept[:, None] * turned)) / (1 - own)[:, None]
            error = float((residual**2).mean())
            if best is None or error < best[0]:
                best = error, base is not None, vectors @ (turned / (values + ridge)[:, None]), wanted - residual
    assert best is not None
    _, uses_prior, weights, left_out = best
    return Head(features, np.asarray(weights, dtype=np.float32), uses_prior, np.asarray(left_out, dtype=np.float32))


def likeness(a: Floats, b: Floats) -> Floats:
    """exp(-d²) of the distance d of each of a to each of b, and 1 for the constant. Next to the vectors' products alone
    it left some hundredths more of the inputs to the proxy on SNIPS and on banking77."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * (a @ b.T)
    return np.asarray(np.exp(-np.maximum(squared, 0)) + 1, dtype=np.float32)
