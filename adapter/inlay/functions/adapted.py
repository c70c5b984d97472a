"""ai_classify(…, adapt := true): the labels' vectors move once towards the texts of the statement.

A name says little, and the texts themselves say how people write about it. Each label's vector moves towards the mean
of the texts that are nearest to it, by n / (n + 20) where n distinct texts are: a label with few of them stays about
where it was. The moved vectors are part of what answers are stored under: the same texts get the same answers again,
and among other texts another answer is possible.
"""

from __future__ import annotations

import hashlib

import numpy as np

from inlay.arrays import Floats
from inlay.functions.contract import unit_rows

# Texts that weigh as much as the label itself. Of 5, 20 and 80 none is best on all sets of bench/zero_shot.py.
_LABEL_WEIGHT = 20

# Vectors of one text differ in the fourth decimal by device and batch; a moved one is the same on all.
_DECIMALS = 3


def moved(labels: Floats, texts: Floats) -> Floats:
    """The labels' vectors after they moved towards those of distinct texts; all of length 1."""
    nearest = (texts @ labels.T).argmax(axis=1)
    rows = labels.astype(np.float64)
    for place in range(len(labels)):
        near = texts[nearest == place]
        if len(near):
            share = len(near) / (len(near) + _LABEL_WEIGHT)
            mean = unit_rows(near.mean(axis=0, dtype=np.float64, keepdims=True))[0]
            rows[place] = (1 - share) * rows[place] + share * mean
    return unit_rows(np.round(unit_rows(rows.astype(np.float32)), _DECIMALS))


def digest(vectors: Floats) -> str:
    return hashlib.sha256(np.ascontiguousarray(vectors, dtype="<f4").tobytes()).hexdigest()
