"""Pairs of rows of two matrices by their dot product, in blocks of bounded memory: a matrix product finds who may be
near enough, and the caller's own computation says who is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from inlay.arrays import Bools, Floats, Ints

BLOCK_BYTES = 64_000_000
_SIDE = 4_096


class TooManyPairs(Exception):
    """More than the caller holds."""


def near_pairs(
    left: Floats,
    right: Floats,
    lowest: float,
    exact: Callable[[Floats, Floats], Floats],
    keep: Callable[[Floats], Bools],
    *,
    most: int,
    check: Callable[[], None] = lambda: None,
) -> tuple[Ints, Ints, Floats]:
    """(row of left, row of right, exact value) of the pairs that `keep` keeps, in order.

    lowest: no pair below this dot product is kept. exact: the values of pairs, row by row, which alone decide. check is
    called between blocks. Raises TooManyPairs where there are more than `most`.
    """
    if not len(left) or not len(right):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
    bound = np.float32(lowest - _slack(left, right))
    n_left = max(1, BLOCK_BYTES // 4 // min(len(right), _SIDE))
    n_exact = max(1, BLOCK_BYTES // 8 // left.shape[1])
    lefts, rights, values = [], [], []
    n_kept = 0
    for i in range(0, len(left), n_left):
        block = left[i : i + n_left]
        for j in range(0, len(right), _SIDE):
            check()
            other = right[j : j + _SIDE]
            places = np.flatnonzero(block @ other.T >= bound)
            for start in range(0, len(places), n_exact):
                some = places[start : start + n_exact]
                at_left, at_right = some // len(other), some % len(other)
                found = exact(block[at_left], other[at_right])
                kept = keep(found)
                lefts.append(at_left[kept] + i)
                rights.append(at_right[kept] + j)
                values.append(found[kept])
                n_kept += len(values[-1])
                if n_kept > most:
                    raise TooManyPairs
    if not lefts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
    return np.concatenate(lefts), np.concatenate(rights), np.concatenate(values)


def _slack(left: Floats, right: Floats) -> float:
    """How far two float32 sums of the same products may be apart, whatever their order: each is within n u of the true
    one, times the lengths of the vectors (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1)."""
    lengths = float(np.linalg.norm(left, axis=1).max()) * float(np.linalg.norm(right, axis=1).max())
    return 1e-6 + 2 * float(left.shape[1] + 1) * 2.0**-24 * lengths
