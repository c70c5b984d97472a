"""Cuts rows into batches on a token budget. Pure: lengths in, positions out."""

from __future__ import annotations

import numpy as np

from inlay.backends.base import Ints


def cut_batches(lengths: Ints, max_batch_tokens: int) -> list[Ints]:
    """Positions of each batch, longest texts first, so that a batch's rows have near-equal lengths.

    A batch's cost is rows times its longest text, the size a padded batch really has, and stays within
    max_batch_tokens unless a single row is longer than that. Every position stands in exactly one batch.

    >>> [batch.tolist() for batch in cut_batches(np.array([2, 9, 3, 8]), 18)]
    [[1, 3], [2, 0]]
    """
    order = np.argsort(-lengths, kind="stable")
    batches: list[Ints] = []
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        end = start + max(1, max_batch_tokens // longest)
        batches.append(order[start:end])
        start = end
    return batches
