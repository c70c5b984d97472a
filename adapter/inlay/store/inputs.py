"""The distinct inputs of a call with their keys: made once from DuckDB's columns, then passed on.

Values stay in Arrow: for most inputs nothing but the key is ever needed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from inlay.arrays import Ints, array_numbers, column_of, numbers_array
from inlay.store.codecs import TEXT, Codec
from inlay.store.keys import Keys, combined_keys, digests_of

# Rows of a column that are compared to learn whether values repeat. Among so many of a thousand different values, or of
# fewer, some nearly always do.
_SAMPLE = 128


@dataclass(frozen=True)
class Inputs:
    """columns: one per argument, of equal length, without NULL. codecs: of each. digests: the SHA-256 of each column's
    values. keys: of the rows. inverse: which of them each row of the caller's is; None where each is the one in its
    place. distinct: whether no two have one key, as far as the caller can tell."""

    columns: tuple[pa.Array, ...]
    codecs: tuple[Codec, ...]
    digests: tuple[Keys, ...]
    keys: Keys
    inverse: pa.Array | None = None
    distinct: bool = False
    _values: dict[int, list[Any]] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return len(self.keys)

    def values(self, column: int = 0) -> list[Any]:
        """One column as Python values; do not change them."""
        if column not in self._values:
            self._values[column] = self.columns[column].to_pylist()
        return self._values[column]

    def tags(self) -> list[str]:
        """The first eight hex digits of the digest of each value in the first column."""
        digits = self.digests[0][:, :4].tobytes().hex()
        return [digits[start : start + 8] for start in range(0, len(digits), 8)]

    def take(self, positions: Ints) -> Inputs:
        """The rows at these positions, which do not repeat where the inputs are distinct."""
        where = numbers_array(positions)
        return Inputs(
            tuple(column.take(where) for column in self.columns),
            self.codecs,
            tuple(digests[positions] for digests in self.digests),
            self.keys[positions],
            distinct=self.distinct,
        )

    def slice(self, start: int, length: int) -> Inputs:
        rows = slice(start, start + length)
        return Inputs(
            tuple(column.slice(start, length) for column in self.columns),
            self.codecs,
            tuple(digests[rows] for digests in self.digests),
            self.keys[rows],
            distinct=self.distinct,
        )

    def column(self, number: int) -> Inputs:
        """One column for itself, under the keys of its own values."""
        if len(self.columns) == 1:
            return self
        digests = self.digests[number]
        return Inputs((self.columns[number],), (self.codecs[number],), (digests,), digests)

    def row(self, position: int) -> tuple[Any, ...]:
        return tuple(column[position].as_py() for column in self.columns)

    def excerpts(self, position: int) -> tuple[str, ...]:
        """One row as people read it."""
        return tuple(codec.excerpt(value) for codec, value in zip(self.codecs, self.row(position), strict=True))

    def each_once(self) -> tuple[Inputs, Ints | None]:
        """(the distinct inputs in the order in which they come first; which of them each row is, None where each is
        the one in its place)."""
        if self.distinct:
            return self, None
        distinct = _first_of_each(self)
        return distinct, None if distinct.inverse is None else array_numbers(distinct.inverse)


def distinct_inputs(
    columns: Sequence[pa.Array], codecs: Sequence[Codec] | None = None, *, are_distinct: bool = False
) -> Inputs:
    """columns: without NULL. codecs: text for all where none are given. are_distinct: the caller knows that no two rows
    are equal; if that is wrong, a model is asked more often than necessary."""
    codecs = (TEXT,) * len(columns) if codecs is None else codecs
    if are_distinct or not _repeats(columns):
        # Digests show what repeats faster than texts do, though each has to be made.
        inputs = _all_inputs(columns, codecs, distinct=are_distinct)
        return inputs if are_distinct else _first_of_each(inputs)
    distinct, inverse = _distinct(columns)
    return replace(_all_inputs(distinct, codecs, distinct=True), inverse=inverse)


def inputs_of(columns: Sequence[pa.Array], codecs: Sequence[Codec]) -> Inputs:
    """All rows, in order. A value that repeats in a column is hashed once."""
    each = [_repeated_digests(column, codec) for column, codec in zip(columns, codecs, strict=True)]
    return Inputs(tuple(columns), tuple(codecs), tuple(each), combined_keys(each))


def _all_inputs(columns: Sequence[pa.Array], codecs: Sequence[Codec], *, distinct: bool) -> Inputs:
    """The same of rows that do not look as if they repeated: nor do the values of a single column then."""
    if len(columns) > 1:
        return replace(inputs_of(columns, codecs), distinct=distinct)
    digests = digests_of(columns[0], codecs[0])
    return Inputs((columns[0],), (codecs[0],), (digests,), digests, distinct=distinct)


def text_inputs(*columns: Sequence[str]) -> Inputs:
    """Texts that come from no column of DuckDB's: labels, criteria, pieces of longer texts."""
    arrays = [column_of(column, pa.string()) for column in columns]
    return inputs_of(arrays, (TEXT,) * len(arrays))


def repeated_text(text: str, n: int) -> Inputs:
    """One text n times."""
    one = text_inputs([text])
    return one.take(np.zeros(n, dtype=np.int64))


def beside(*parts: Inputs) -> Inputs:
    """Rows of several inputs of equal length as one row each: the columns of the first, then those of the next."""
    digests = tuple(each for part in parts for each in part.digests)
    return Inputs(
        tuple(column for part in parts for column in part.columns),
        tuple(codec for part in parts for codec in part.codecs),
        digests,
        combined_keys(digests),
    )


def below(*parts: Inputs) -> Inputs:
    """Rows of several inputs of one kind, one after the other."""
    return Inputs(
        tuple(pa.concat_arrays(columns) for columns in zip(*(part.columns for part in parts), strict=True)),
        parts[0].codecs,
        tuple(np.concatenate(digests) for digests in zip(*(part.digests for part in parts), strict=True)),
        np.concatenate([part.keys for part in parts]),
    )


def each_with_each(left: Inputs, right: Inputs) -> Inputs:
    """Every row of the left with every row of the right: all pairs of the first row, then all of the second, …"""
    n, k = len(left), len(right)
    return beside(left.take(np.repeat(np.arange(n), k)), right.take(np.tile(np.arange(k), n)))


def with_inputs(table: pa.Table, inputs: Inputs) -> pa.Table:
    """The table with what its keys are of: a list per row, of texts, or of the bytes that are hashed where a value is
    no text."""
    columns = inputs.columns
    if not all(codec is TEXT for codec in inputs.codecs):
        pairs = zip(inputs.columns, inputs.codecs, strict=True)
        columns = tuple(pa.array(codec.encode(column), type=pa.binary()) for column, codec in pairs)
    k = len(columns)
    flat = pa.concat_arrays(columns).take(numbers_array(np.arange(len(inputs) * k).reshape(k, -1).T.reshape(-1)))
    ends = numbers_array(np.arange(0, (len(inputs) + 1) * k, k)).cast(pa.int32())
    return table.append_column("inputs", pa.ListArray.from_arrays(ends, flat))


def _first_of_each(inputs: Inputs) -> Inputs:
    """By the keys, which tell any two apart."""
    words = inputs.keys.view(np.uint64)
    ordered = np.sort(words[:, 0])
    if not (ordered[1:] == ordered[:-1]).any():
        return replace(inputs, distinct=True)
    _, firsts, place = np.unique(words[:, 0], return_index=True, return_inverse=True)
    if (words[firsts, 1][place] != words[:, 1]).any():  # keys that begin alike; comparing all of them takes longer
        _, firsts, place = np.unique(inputs.keys.view("V32")[:, 0], return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return replace(inputs.take(firsts[order]), inverse=numbers_array(rank[place]), distinct=True)


def _repeated_digests(column: pa.Array, codec: Codec) -> Keys:
    if not _repeats([column]):
        return digests_of(column, codec)
    (distinct,), inverse = _distinct([column])
    return digests_of(distinct, codec)[array_numbers(inverse)]


def _repeats(columns: Sequence[pa.Array]) -> bool:
    """Whether the columns look as if some of their rows were the same. Of lists and structs Arrow cannot tell; equal
    keys show it later."""
    if any(pa.types.is_nested(column.type) for column in columns):
        return False
    where = _sample(len(columns[0]))
    sample = [column.take(where) for column in columns]
    return any(len(column.unique()) < len(column) for column in sample) and (
        len(columns) == 1 or len(_distinct(sample)[0][0]) < len(sample[0])
    )


@lru_cache
def _sample(n: int) -> pa.Array:
    """Rows without any order in them: texts may repeat one after the other, or all in turn."""
    if n <= _SAMPLE:
        return numbers_array(np.arange(n))
    # np.random and np.unique() take as long to import as a small statement takes.
    return numbers_array(np.array(sorted(set(random.Random(0).choices(range(n), k=_SAMPLE)))))


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
