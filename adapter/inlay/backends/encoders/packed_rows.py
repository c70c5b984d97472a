"""Texts packed end to end in one row of tokens: runs of equal length, and the position of each token in its text."""

from __future__ import annotations

import numpy as np

from inlay.arrays import Ints
from inlay.backends.base import Tokens

_COUNTED_FROM_PADDING = frozenset({"roberta", "xlm-roberta", "camembert"})


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


def position_ids(tokens: Tokens, model_type: str, pad: int) -> Ints:
    """The position of each token as the model counts them. pad: the padding token of the model."""
    starts = np.repeat(tokens.offsets[:-1], tokens.lengths)
    if model_type not in _COUNTED_FROM_PADDING:
        return np.arange(len(tokens.ids)) - starts
    # RoBERTa numbers positions from padding_idx + 1, and a padding token spelt out in a text takes none.
    counts = tokens.ids != pad
    numbered = np.concatenate([[0], np.cumsum(counts)])
    return np.asarray((numbered[1:] - numbered[starts]) * counts + pad, dtype=np.int64)
