"""Where texts of equal length lie side by side in a row of packed tokens."""

from __future__ import annotations

import numpy as np

from inlay.arrays import Ints


def runs_of_equal_length(lengths: Ints) -> list[tuple[int, int, int]]:
    """(first token, number of texts, tokens of each) for every run of neighbouring texts of one length.

    >>> runs_of_equal_length(np.array([3, 3, 2]))
    [(0, 2, 3), (6, 1, 2)]
    """
    changes = np.flatnonzero(np.diff(lengths)) + 1
    firsts = np.concatenate([[0], changes])
    counts = np.diff(np.concatenate([firsts, [len(lengths)]]))
    starts = np.concatenate([[0], np.cumsum(lengths)])[firsts]
    return [(int(s), int(n), int(lengths[f])) for s, n, f in zip(starts, counts, firsts, strict=True)]
