"""Which fold a labelled row belongs to: rows of one group are in one, and classes are spread over all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inlay.arrays import Ints


def folds_of(groups: Sequence[bytes], classes: Ints, n_folds: int) -> Ints:
    """groups: of each row, its input's key or a digest of what the caller groups by. classes: of each row a number.

    The groups of a class, which is that of their first row, are dealt out in the order of their digests. So the folds
    do not depend on the order of the rows, and a group is never on both sides.
    """
    first: dict[bytes, int] = {}
    for group, place in zip(groups, classes.tolist(), strict=True):
        first[group] = min(place, first.get(group, place))
    ordered = sorted(first, key=lambda each: (first[each], each))
    dealt = {group: place % n_folds for place, group in enumerate(ordered)}
    return np.array([dealt[group] for group in groups], dtype=np.int64)
