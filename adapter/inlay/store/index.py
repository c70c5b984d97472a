"""Where a key's row is: an index in memory over the keys of a shelf's parts.

Keys are SHA-256, so their first eight bytes tell them apart almost surely; the row that is found is compared with the
whole key by whoever reads it. Sixteen bytes a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

# Runs of keys that came one by one are joined when there are more than these.
_RUNS = 8

# A run is searched by scanning it until what was scanned would have paid for sorting it.
_SCANS_BEFORE_SORT = 4
_SMALL_RUN = 100_000


def prefixes(keys: npt.NDArray[np.uint8]) -> U64:
    """The first eight bytes of each of [n, 32] keys, as numbers."""
    return np.ascontiguousarray(keys[:, :8]).view(np.dtype("<u8")).reshape(-1)


class _Run:
    def __init__(self, keys: U64, rows: I64) -> None:
        self.keys = keys
        self.rows = rows
        self._sorted = False
        self._scans = 0

    def find(self, wanted: U64) -> I64:
        """Row of each wanted key, -1 where there is none. wanted is in ascending order."""
        found = np.full(len(wanted), -1, dtype=np.int64)
        if not len(self.keys):
            return found
        if self._sorted or len(self.keys) <= _SMALL_RUN or self._scans >= _SCANS_BEFORE_SORT:
            self._sort()
            at = np.searchsorted(self.keys, wanted)
            at[at == len(self.keys)] = 0
            hit = self.keys[at] == wanted
            found[hit] = self.rows[at[hit]]
            return found
        self._scans += 1
        # Which keys share their first sixteen bits with any that is wanted: one pass without a comparison per pair.
        marked = np.zeros(1 << 16, dtype=np.bool_)
        marked[(wanted & np.uint64(0xFFFF)).astype(np.int64)] = True
        near = np.flatnonzero(marked[self.keys.view(np.uint16)[::4]])
        at = np.searchsorted(wanted, self.keys[near])
        at[at == len(wanted)] = 0
        hit = wanted[at] == self.keys[near]
        found[at[hit]] = self.rows[near[hit]]
        return found

    def _sort(self) -> None:
        if not self._sorted:
            order = np.argsort(self.keys)
            self.keys, self.rows = self.keys[order], self.rows[order]
            self._sorted = True


class Index:
    """Keys → rows, which are whatever numbers the owner gives them. Not thread-safe."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        return sum(len(run.keys) for run in self._runs)

    def add(self, keys: Sequence[U64], rows: Sequence[I64]) -> None:
        if not keys:
            return
        self._runs.append(_Run(np.concatenate(keys), np.concatenate(rows)))
        if len(self._runs) > _RUNS:
            joined = _Run(np.concatenate([r.keys for r in self._runs]), np.concatenate([r.rows for r in self._runs]))
            self._runs = [joined]

    def find(self, keys: Sequence[bytes]) -> I64:
        """Row of each key, -1 where there is none."""
        found = np.full(len(keys), -1, dtype=np.int64)
        if not self._runs or not len(keys):
            return found
        wanted = np.frombuffer(b"".join(key[:8] for key in keys), dtype=np.dtype("<u8"))
        order = np.argsort(wanted)
        ascending = wanted[order]
        # A key that is wanted twice would be found once by a scan.
        distinct, place = np.unique(ascending, return_inverse=True)
        rows = np.full(len(distinct), -1, dtype=np.int64)
        for run in self._runs:
            missing = rows < 0
            if not missing.any():
                break
            rows[missing] = run.find(distinct[missing])
        found[order] = rows[place]
        return found
