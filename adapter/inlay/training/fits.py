"""The ways to fit a head to labelled features. Each gives the arrays that backends/heads.py computes with.

logistic    scikit-learn's, multinomial; of sets of classes and of steps between levels one each. `strength` is its C
ridge       least squares with a penalty, by one matrix for all strengths
centroid    the mean of each class. `strength` is how many rows the name of a class counts as
knn         the labelled rows themselves. `strength` is how many of the nearest count
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inlay.arrays import Bools, Floats, Ints, Numbers
from inlay.errors import MissingExtraError
from inlay.models.head_card import Kind, Method

STRENGTHS: Mapping[Method, tuple[float, ...]] = {
    "logistic": (1.0, 10.0, 50.0),
    "ridge": (0.1, 1.0, 10.0, 100.0),
    "centroid": (0.0, 1.0, 4.0),
    "knn": (3.0, 10.0, 30.0),
}
"""Those that cross-validation chooses among."""

METHODS: Mapping[Kind, tuple[Method, ...]] = {
    "single": ("logistic", "centroid", "knn"),
    "multi": ("logistic", "knn"),
    "ordinal": ("logistic",),
    "regression": ("ridge", "knn"),
}
"""By the kind of head, the default first."""

_MOST_STEPS = 200


@dataclass(frozen=True)
class Examples:
    """features: [n, d]. given: of each row its class or its level, a row of flags for sets, or the number. weights: of
    the rows. names: [classes, d] features of the classes' names, each an example more; None where they say nothing."""

    kind: Kind
    features: Floats
    given: Any
    weights: Numbers
    n_classes: int
    names: Floats | None = None

    def __len__(self) -> int:
        return len(self.features)

    def take(self, places: Ints | Bools) -> Examples:
        return replace(self, features=self.features[places], given=self.given[places], weights=self.weights[places])


def fits(method: Method, examples: Examples, strengths: Sequence[float]) -> Iterator[dict[str, Floats]]:
    """The arrays of one fit for each strength, which are in order. Raises MissingExtraError without scikit-learn."""
    if method == "logistic":
        yield from _logistic(examples, strengths)
    elif method == "ridge":
        yield from _ridge(examples, strengths)
    elif method == "centroid":
        yield from (_centroid(examples, strength) for strength in strengths)
    else:
        yield from (_neighbours(examples, strength) for strength in strengths)


@contextlib.contextmanager
def one_core_each() -> Iterator[None]:
    """Meanwhile numpy's products run on the core of their thread. Without threadpoolctl, as they will."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(1, user_api="blas"):
        yield


def _logistic(examples: Examples, strengths: Sequence[float]) -> Iterator[dict[str, Floats]]:
    if examples.kind == "single":
        features, given, weights = _with_names(examples)
        questions = [(features, given, weights)]
    elif examples.kind == "multi":
        questions = [(examples.features, flags, examples.weights) for flags in examples.given.T]
    else:
        above = [examples.given > step for step in range(examples.n_classes - 1)]
        questions = [(examples.features, flags, examples.weights) for flags in above]
    models = [_Regression(*question) for question in questions]
    for strength in strengths:
        columns = [model.fit(strength) for model in models]
        weights_, bias = (np.concatenate(parts, axis=-1) for parts in zip(*columns, strict=True))
        if examples.kind == "single":
            weights_, bias = _all_classes(weights_, bias, models[0].classes, examples.n_classes)
        yield {"weights": weights_.astype(np.float32), "bias": bias.astype(np.float32)}


class _Regression:
    """One question. Each strength starts where the one before has ended."""

    def __init__(self, features: Floats, given: Any, weights: Numbers) -> None:
        try:
            from sklearn.linear_model import LogisticRegression
        except ImportError:
            raise MissingExtraError.package("scikit-learn", "heads", "a head by logistic regression") from None
        self._data = features, given, weights.astype(np.float32)
        self.classes: Ints = np.unique(given)
        self._model = LogisticRegression(max_iter=_MOST_STEPS, warm_start=True)

    def fit(self, strength: float) -> tuple[Numbers, Numbers]:
        """(weights [d, k], bias [k]); k is 1 for two classes, of which it is the second."""
        features, given, weights = self._data
        if len(self.classes) == 1:  # nothing to tell apart: the one class, whatever the text
            return np.zeros((features.shape[1], 1)), np.full(1, 10.0 if self.classes[0] else -10.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that so many steps did not quite suffice changes no measure of the card
            self._model.set_params(C=strength).fit(features, given, sample_weight=weights)
        return self._model.coef_.T, self._model.intercept_


def _all_classes(weights: Numbers, bias: Numbers, present: Ints, n_classes: int) -> tuple[Numbers, Numbers]:
    """A column for each class, of those that a fold has not among its rows too."""
    if len(present) <= 2 and weights.shape[1] == 1:
        both = np.concatenate([-weights / 2, weights / 2], axis=1), np.concatenate([-bias / 2, bias / 2])
        weights, bias = both if len(present) == 2 else (np.zeros((len(weights), 1)), np.zeros(1))
    all_weights, all_bias = np.zeros((len(weights), n_classes)), np.full(n_classes, -30.0)
    all_weights[:, present], all_bias[present] = weights, bias
    return all_weights, all_bias


def _with_names(examples: Examples) -> tuple[Floats, Ints, Numbers]:
    """The names of the classes as examples more, each of a mean row's weight."""
    if examples.names is None:
        return examples.features, examples.given, examples.weights
    n = examples.n_classes
    mean = examples.weights.mean() if len(examples) else 1.0
    return (
        np.concatenate([examples.features, examples.names]),
        np.concatenate([examples.given, np.arange(n)]),
        np.concatenate([examples.weights, np.full(n, mean)]),
    )


def _ridge(examples: Examples, strengths: Sequence[float]) -> Iterator[dict[str, Floats]]:
    weights = examples.weights / examples.weights.sum()
    features, given = examples.features.astype(np.float64), examples.given
    mean, middle = weights @ features, float(weights @ given)
    moved = (features - mean) * np.sqrt(weights * len(given))[:, None]
    target = (given - middle) * np.sqrt(weights * len(given))
    values, vectors = np.linalg.eigh(moved.T @ moved)
    turned = vectors.T @ (moved.T @ target)
    for strength in strengths:
        column = vectors @ (turned / (np.maximum(values, 0) + strength))
        bias = np.array([middle - mean @ column], dtype=np.float32)
        yield {"weights": column[:, None].astype(np.float32), "bias": bias}


def _centroid(examples: Examples, strength: float) -> dict[str, Floats]:
    sums = np.zeros((examples.n_classes, examples.features.shape[1]))
    np.add.at(sums, examples.given, examples.features * examples.weights[:, None])
    if examples.names is not None:
        sums += strength * examples.names
    lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return {"centres": (sums / lengths).astype(np.float32)}


def _neighbours(examples: Examples, strength: float) -> dict[str, Floats]:
    features, given = examples.features, examples.given
    if examples.kind == "single":
        features, given, _ = _with_names(examples)
        given = given[:, None] == np.arange(examples.n_classes)
    elif examples.kind == "regression":
        given = given[:, None]
    lengths = np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    k = np.array([min(strength, len(features))], dtype=np.float32)
    return {"examples": (features / lengths).astype(np.float32), "given": given.astype(np.float32), "k": k}
