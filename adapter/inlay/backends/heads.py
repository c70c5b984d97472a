"""A trained head: from features, the vectors of an embedding model, to numbers.

    logistic    features @ weights + bias, one column a class; of an ordinal head one for each step between levels
    ridge       the same with one column, which is the answer
    centroid    the cosine of the features to the centre of each class
    knn         the share of each class among the nearest examples, which count by their cosine; for numbers their mean

Numbers are divided by the card's temperature, which is fitted on held-out rows, so that their softmax (sigmoid) is as
often right as it says.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from inlay.arrays import Floats
from inlay.errors import DigestError, ModelError
from inlay.models.head_card import HeadCard, Kind, Method
from inlay.models.ref import ModelRef

Arrays = Mapping[str, Floats]

# Of the nearest examples: exp(this × cosine) is an example's weight.
_NEARNESS = 20.0
_LEAST_SHARE = 1e-3


class Head:
    """card: what it is. held_out: (confidence, 1 where the answer was right) of each labelled row, as answered by heads
    that had not seen it; empty for numbers."""

    def __init__(self, card: HeadCard, arrays: Arrays) -> None:
        self.card = card
        self.arrays: Arrays = {name: rows for name, rows in arrays.items() if name != "held_out"}
        self.held_out = arrays.get("held_out", np.zeros((0, 2), dtype=np.float32))

    def numbers(self, features: Floats) -> Floats:
        """[n, classes] logits, of an ordinal head the logarithms of each level's probability; of numbers [n, 1]."""
        return head_numbers(self.arrays, self.card.method, self.card.kind, features, self.card.temperature)


def head_numbers(arrays: Arrays, method: Method, kind: Kind, features: Floats, temperature: float) -> Floats:
    raw = raw_numbers(arrays, method, kind, features)
    if kind == "regression":
        return raw
    return level_logits(raw / np.float32(temperature)) if kind == "ordinal" else raw / np.float32(temperature)


def raw_numbers(arrays: Arrays, method: Method, kind: Kind, features: Floats) -> Floats:
    """Before the temperature, and of an ordinal head the logits of being above each step."""
    if method in ("logistic", "ridge"):
        return np.asarray(features @ arrays["weights"] + arrays["bias"], dtype=np.float32)
    if method == "centroid":
        return np.asarray(_unit(features) @ arrays["centres"].T, dtype=np.float32)
    return _by_neighbours(arrays, kind, features)


def level_logits(steps: Floats) -> Floats:
    """From the logits of being above each of k - 1 steps to the logarithms of k probabilities. The steps are fitted one
    by one (Frank and Hall, 2001), so they are put in order first."""
    above = np.minimum.accumulate(0.5 * (1.0 + np.tanh(0.5 * steps)), axis=1)
    edges = np.concatenate([np.ones((len(steps), 1)), above, np.zeros((len(steps), 1))], axis=1)
    return np.asarray(np.log(np.maximum(edges[:, :-1] - edges[:, 1:], 1e-6)), dtype=np.float32)


def _by_neighbours(arrays: Arrays, kind: Kind, features: Floats) -> Floats:
    examples, given, k = arrays["examples"], arrays["given"], int(arrays["k"][0])
    rows = []
    for start in range(0, len(features), 1_024):
        near = _unit(features[start : start + 1_024]) @ examples.T
        places = np.argpartition(-near, min(k, len(examples)) - 1, axis=1)[:, :k]
        weights = np.exp(_NEARNESS * (np.take_along_axis(near, places, axis=1) - 1))
        weights /= weights.sum(axis=1, keepdims=True)
        rows.append(np.einsum("nk,nkc->nc", weights, given[places]))
    shares = np.concatenate(rows) if rows else np.zeros((0, given.shape[1]), dtype=np.float32)
    if kind == "regression":
        return np.asarray(shares, dtype=np.float32)
    shares = np.clip(shares, _LEAST_SHARE, 1 - _LEAST_SHARE)
    return np.asarray(np.log(shares / (1 - shares)) if kind == "multi" else np.log(shares), dtype=np.float32)


def _unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def packed(arrays: Arrays) -> bytes:
    """The file of the arrays; equal arrays give equal bytes."""
    file = io.BytesIO()
    named: dict[str, Any] = {name: np.ascontiguousarray(arrays[name], dtype="<f4") for name in sorted(arrays)}
    np.savez(file, **named)
    return file.getvalue()


def load_head(ref: ModelRef) -> Head:
    """Raises DigestError for arrays that are not those of the card, and ModelError where they cannot be read."""
    return _loaded(ref.fingerprint, ref)


@lru_cache(maxsize=16)
def _loaded(fingerprint: str, ref: ModelRef) -> Head:
    if ref.card is None:
        raise ModelError(f"model {ref.name!r} is no head.")
    return read_head(ref.card, ref.folder)


def read_head(card: HeadCard, path: Path) -> Head:
    """path: of its arrays. Raises as load_head()."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"the arrays of head {card.name!r} cannot be read: {error}. Train it again.") from error
    if hashlib.sha256(content).hexdigest() != card.arrays:
        raise DigestError(
            f"{path} is not the file that the card of head {card.name!r} describes. It is damaged or was "
            "changed; fetch it again or train the head again."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return Head(card, {name: arrays[name] for name in arrays.files})
