"""Labelled rows whose label is probably wrong.

Confident learning (Northcutt, Jiang and Chuang, JAIR 2021, section 3.1): a row is suspect where a fit that has not seen
it finds another class at least as probable as that class is, in the mean, of the rows that are labelled so.
"""

from __future__ import annotations

import numpy as np

from inlay.arrays import Floats, Ints


def suspects(given: Ints, shares: Floats) -> Ints:
    """Places, the surest first. shares: [n, classes] probabilities of held-out rows."""
    likely = shares.argmax(axis=1)
    rows = np.arange(len(given))
    usual = np.array([shares[given == k, k].mean() if (given == k).any() else 1.0 for k in range(shares.shape[1])])
    places = np.flatnonzero((likely != given) & (shares[rows, likely] >= usual[likely]))
    lead = shares[places, likely[places]] - shares[places, given[places]]
    return places[np.argsort(-lead, kind="stable")]
