"""Decoded row groups of a result set, so that consecutive chunks of a statement read each of them only once. The least
recently used one is dropped first."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from inlay.arrays import numbers_array
from inlay.store.index import I64

_CACHE_BYTES = 128_000_000

# Rows of more groups than these are taken from one piece of memory that holds all that is here: a statement in another
# order than its answers were stored in wants a few rows of every group for each chunk.
_MANY = 16


@dataclass
class _Joined:
    """starts: the first row of each group here, -1 of those that are not."""

    rows: pa.RecordBatch
    starts: I64


class DecodedGroups:
    """Record batches by number. Not thread-safe."""

    def __init__(self) -> None:
        self._groups: OrderedDict[int, pa.RecordBatch] = OrderedDict()
        self._bytes = 0
        self._joined: dict[tuple[str, ...], _Joined] = {}

    def absent(self, groups: Sequence[int], columns: list[str]) -> list[int]:
        """Those that have to be read for these columns."""
        if self._joined_with(groups, columns) is not None:
            return []
        missing = []
        for group in groups:
            held = self._groups.get(group)
            if held is not None and set(columns) <= set(held.schema.names):
                self._groups.move_to_end(group)
            else:
                missing.append(group)
        return missing

    def put(self, group: int, batch: pa.RecordBatch) -> None:
        before = self._groups.pop(group, None)
        self._bytes += batch.nbytes - (before.nbytes if before is not None else 0)
        self._groups[group] = batch

    def rows(self, groups: I64, places: I64, columns: list[str]) -> pa.Table:
        """The row at each place of each group; the groups ascend, and are here."""
        cuts = [0, *(np.flatnonzero(np.diff(groups)) + 1).tolist(), len(groups)]
        wanted = groups[cuts[:-1]].tolist()
        joined = self._joined_with(wanted, columns)
        if joined is None and len(wanted) > _MANY:
            joined = self._join(columns)
        if joined is not None:
            return pa.Table.from_batches([joined.rows.take(numbers_array(joined.starts[groups] + places))])
        steps = np.diff(places) == 1
        batches = []
        for group, (start, end) in zip(wanted, itertools.pairwise(cuts), strict=True):
            batch = self._groups[group]
            if batch.schema.names != columns:
                batch = batch.select(columns)
            if steps[start : end - 1].all():  # as they were written, which is how most statements ask
                batches.append(batch.slice(int(places[start]), end - start))
            else:
                batches.append(batch.take(numbers_array(places[start:end])))
        return pa.Table.from_batches(batches)

    def _joined_with(self, groups: Sequence[int], columns: list[str]) -> _Joined | None:
        """The piece of memory that holds all of these groups."""
        joined = self._joined.get(tuple(columns))
        if joined is None or not groups or groups[-1] >= len(joined.starts) or (joined.starts[groups] < 0).any():
            return None
        return joined

    def _join(self, columns: list[str]) -> _Joined | None:
        """All groups in one piece of memory, if that is small compared with the groups that are kept anyway."""
        held = {
            group: batch.select(columns)
            for group, batch in self._groups.items()
            if set(columns) <= set(batch.schema.names)
        }
        if sum(batch.nbytes for batch in held.values()) > _CACHE_BYTES // 4:
            return None
        starts = np.full(max(held) + 1, -1, dtype=np.int64)
        starts[list(held)] = np.cumsum([0, *(batch.num_rows for batch in held.values())])[:-1]
        rows = pa.Table.from_batches(list(held.values())).combine_chunks().to_batches()[0]
        self._joined = {tuple(columns): _Joined(rows, starts)}
        return self._joined[tuple(columns)]

    def trim(self) -> None:
        while self._bytes > _CACHE_BYTES and len(self._groups) > 1:
            _, oldest = self._groups.popitem(last=False)
            self._bytes -= oldest.nbytes

    def clear(self) -> None:
        self._groups.clear()
        self._joined = {}
        self._bytes = 0
