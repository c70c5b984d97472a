"""The distinct inputs of a call with their keys, out of columns as DuckDB hands them over.

Texts stay in Arrow: of most inputs nothing but the key is ever looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from inlay.arrays import array_numbers, numbers_array
from inlay.store.keys import Keys, array_keys

# Rows of a column that are compared to learn whether texts repeat. Among so many of a thousand different texts, or of
# fewer, some nearly always do.
_SAMPLE = 128


@dataclass(frozen=True)
class Inputs:
    """columns: one per argument, of equal length, without NULL. inverse: which of them each row is; None where each row
    is the one in its place."""

    columns: list[pa.Array]
    keys: Keys
    inverse: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, positions: npt.NDArray[np.int64]) -> Inputs:
        where = numbers_array(positions)
        return Inputs([column.take(where) for column in self.columns], self.keys[positions])

    def row(self, position: int) -> tuple[str, ...]:
        return tuple(column[position].as_py() for column in self.columns)


def distinct_inputs(columns: Sequence[pa.Array], *, are_distinct: bool = False) -> Inputs:
    """Of strings without NULL. are_distinct: the caller says so; where it is not true, more is asked than need be."""
    if are_distinct or not _repeats(columns):
        # Digests show what repeats faster than texts do, though each has to be made.
        inputs = Inputs(list(columns), array_keys(columns))
        return inputs if are_distinct else _first_of_each(inputs)
    distinct, inverse = _distinct(columns)
    return Inputs(distinct, array_keys(distinct), inverse)


def _first_of_each(inputs: Inputs) -> Inputs:
    """By the keys, which tell any two apart."""
    words = inputs.keys.view(np.uint64)
    ordered = np.sort(words[:, 0])
    if not (ordered[1:] == ordered[:-1]).any():
        return inputs
    _, firsts, place = np.unique(words[:, 0], return_index=True, return_inverse=True)
    if (words[firsts, 1][place] != words[:, 1]).any():  # keys that begin alike; comparing all of them takes longer
        _, firsts, place = np.unique(inputs.keys.view("V32")[:, 0], return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return replace(inputs.take(firsts[order]), inverse=numbers_array(rank[place]))


def _repeats(columns: Sequence[pa.Array]) -> bool:
    """Whether the columns look as if some of their rows were the same."""
    where = _sample(len(columns[0]))
    sample = [column.take(where) for column in columns]
    return any(len(column.unique()) < len(column) for column in sample) and (
        len(columns) == 1 or len(_distinct(sample)[0][0]) < len(sample[0])
    )


@lru_cache
def _sample(n: int) -> pa.Array:
    """Rows without any order in them: texts may repeat one after the other, or all in turn."""
    chosen = np.random.default_rng(0).integers(0, max(n, 1), min(n, _SAMPLE))
    return numbers_array(np.unique(chosen))


def _distinct(columns: Sequence[pa.Array]) -> tuple[list[pa.Array], pa.Array]:
    """The distinct rows in the order in which they come first, and for each row which of them it is."""
    encoded = [column.dictionary_encode() for column in columns]
    if len(encoded) == 1:
        return [encoded[0].dictionary], encoded[0].indices
    # Two columns at a time become one of numbers, none of which is larger than the number of pairs there could be.
    codes = encoded[0].indices.cast(pa.int64())
    for column in encoded[1:]:
        numbers = array_numbers(codes) * len(column.dictionary) + array_numbers(column.indices)
        pairs = numbers_array(numbers).dictionary_encode()
        codes = pairs.indices.cast(pa.int64())
    inverse = array_numbers(codes)
    firsts = np.empty(int(inverse.max(initial=-1)) + 1, dtype=np.int64)
    firsts[inverse[::-1]] = np.arange(len(inverse))[::-1]
    where = numbers_array(firsts)
    return [column.take(where) for column in columns], codes
