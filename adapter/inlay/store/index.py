"""Where a key's row is: an index in memory over the keys of a shelf's parts.

Of each key, which is a SHA-256, the first eight bytes find it and the next eight must agree: half of it is held, and
nobody can make two inputs that share it. Twenty-four bytes a row.
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


def halves(keys: npt.NDArray[np.uint8]) -> tuple[U64, U64]:
    """The first and the second eight bytes of each of [n, 32] keys, as numbers."""
    words = np.ascontiguousarray(keys).view(np.dtype("<u8"))
    return words[:, 0].copy(), words[:, 1].copy()


class _Run:
    """Keys of some parts. Parts are scanned one by one until scanning has cost what sorting would; then they are one
    sorted array."""

    def __init__(self, parts: list[tuple[U64, U64, int]]) -> None:
        self.parts = parts
        self._n = sum(len(keys) for keys, _, _ in parts)
        self._sorted: tuple[U64, U64, I64] | None = None
        self._scans = 0

    def __len__(self) -> int:
        return self._n

    def find(self, wanted: U64, checks: U64) -> I64:
        """Row of each wanted key, -1 where there is none. wanted is in ascending order, and each there once."""
        found = np.full(len(wanted), -1, dtype=np.int64)
        if not self._n:
            return found
        if self._sorted is None and (self._n <= _SMALL_RUN or self._scans >= _SCANS_BEFORE_SORT):
            self._sort()
        if self._sorted is not None:
            keys, seconds, rows = self._sorted
            at = np.searchsorted(keys, wanted)
            at[at == len(keys)] = 0
            hit = (keys[at] == wanted) & (seconds[at] == checks)
            found[hit] = rows[at[hit]]
            return found
        self._scans += 1
        # Which keys share their first sixteen bits with any that is wanted: one pass without a comparison per pair.
        marked = np.zeros(1 << 16, dtype=np.bool_)
        marked[(wanted & np.uint64(0xFFFF)).astype(np.int64)] = True
        for keys, seconds, first_row in self.parts:
            near = np.flatnonzero(marked[keys.view(np.uint16)[::4]])
            at = np.searchsorted(wanted, keys[near])
            at[at == len(wanted)] = 0
            hit = (wanted[at] == keys[near]) & (checks[at] == seconds[near])
            found[at[hit]] = first_row + near[hit]
        return found

    def joined(self, others: Sequence[_Run]) -> _Run:
        """One sorted run of this one and others."""
        runs = [run.ordered() for run in (self, *others)]
        made = _Run([])
        made._n = sum(len(run) for run in (self, *others))
        made._arrange(*(np.concatenate([run[i] for run in runs]) for i in range(3)))
        return made

    def ordered(self) -> tuple[U64, U64, I64]:
        if self._sorted is None:
            self._sort()
        assert self._sorted is not None
        return self._sorted

    def _sort(self) -> None:
        keys = np.concatenate([keys for keys, _, _ in self.parts])
        seconds = np.concatenate([seconds for _, seconds, _ in self.parts])
        rows = np.concatenate([first + np.arange(len(part), dtype=np.int64) for part, _, first in self.parts])
        self._arrange(keys, seconds, rows)

    def _arrange(self, keys: U64, seconds: U64, rows: I64) -> None:
        order = np.argsort(keys)
        self._sorted = keys[order], seconds[order], rows[order]
        self.parts = []


class Index:
    """Keys → rows, which are whatever numbers the owner gives them. Not thread-safe."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    def add(self, parts: Sequence[tuple[U64, U64, int]]) -> None:
        """parts: halves() of keys, and the row number of the first; those after it follow."""
        if not parts:
            return
        self._runs.append(_Run(list(parts)))
        if len(self._runs) > _RUNS:
            # The largest stays as it is while it outweighs the rest, so that parts that come one by one are cheap.
            largest, *others = sorted(self._runs, key=len, reverse=True)
            small = others[0].joined(others[1:])
            self._runs = [largest, small] if len(largest) > 4 * len(small) else [largest.joined([small])]

    def find(self, keys: Sequence[bytes]) -> I64:
        """Row of each key, -1 where there is none."""
        if not self._runs or not len(keys):
            return np.full(len(keys), -1, dtype=np.int64)
        words = np.frombuffer(b"".join([key[:16] for key in keys]), dtype=np.dtype("<u8")).reshape(-1, 2)
        distinct, first, place = np.unique(words[:, 0], return_index=True, return_inverse=True)
        checks = words[first, 1]
        rows = np.full(len(distinct), -1, dtype=np.int64)
        for run in self._runs:
            missing = rows < 0
            if not missing.any():
                break
            rows[missing] = run.find(distinct[missing], checks[missing])
        found = rows[place]
        # Two keys that share their first half but not the second: only one of them was looked for.
        found[words[:, 1] != checks[place]] = -1
        return found
