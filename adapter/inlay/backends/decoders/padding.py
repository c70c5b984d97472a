"""Rows of different lengths as one array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inlay.arrays import Ints
from inlay.backends.chat.control_tokens import Ids


def padded(rows: Sequence[Ids], *, left: bool = False) -> tuple[Ints, Ints]:
    """(ids, mask), int64 [rows, longest]. The padding has id 0 and mask 0; it is behind each row, or before it.

    >>> ids, mask = padded([np.array([5, 6]), np.array([7])], left=True)
    >>> ids.tolist(), mask.tolist()
    ([[5, 6], [0, 7]], [[1, 1], [0, 1]])
    """
    width = max(len(row) for row in rows)
    ids = np.zeros((len(rows), width), dtype=np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        part = slice(width - len(row), width) if left else slice(0, len(row))
        ids[i, part] = row
        mask[i, part] = 1
    return ids, mask
