"""Cuts rows into batches on a token budget. Pure: lengths in, positions out."""

from __future__ import annotations

import numpy as np

from inlay.arrays import Ints


def cut_batches(lengths: Ints, max_batch_tokens: int, alike: Ints | None = None) -> list[Ints]:
    """Positions of each batch, longest texts first, so that a batch's rows have near-equal lengths. Rows with one
    number in `alike` stand side by side, at the place of the longest of them.

    A batch's cost is rows times its longest text, the size a padded batch really has, and stays within
    max_batch_tokens unless a single row is longer than that. Every position stands in exactly one batch.

    >>> [batch.tolist() for batch in cut_batches(np.array([2, 9, 3, 8]), 18)]
    [[1, 3], [2, 0]]
    >>> [batch.tolist() for batch in cut_batches(np.array([2, 9, 3, 8]), 18, np.array([0, 0, 1, 1]))]
    [[1, 0], [3, 2]]
    """
    if alike is None:
        order = np.argsort(-lengths, kind="stable")
    else:
        numbers, whose = np.unique(alike, return_inverse=True)
        longest_alike = np.zeros(len(numbers), dtype=np.int64)
        np.maximum.at(longest_alike, whose, lengths)
        order = np.lexsort((-lengths, whose, -longest_alike[whose]))
    batches: list[Ints] = []
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        end = start + max(1, max_batch_tokens // longest)
        batches.append(order[start:end])
        start = end
    return batches
