"""Where a key's row is: an index in memory over the keys of a result set's parts.

Of each key, which is a SHA-256, the first eight bytes find it and the next eight must agree: half of it is held, and
nobody can make two inputs that share it. Twenty-eight bytes a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inlay.store.keys import Keys, key_matrix

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

# Runs of keys that came one by one are joined when there are more than these.
_RUNS = 8

# A run is searched by scanning it until what was scanned would have paid for sorting it.
_SCANS_BEFORE_SORT = 4
_SMALL_RUN = 100_000

# Keys looked for at once, from which on scanning sifts out too little.
FEW = 8_192


def halves(keys: Keys) -> tuple[U64, U64]:
    """The first and the second eight bytes of each of [n, 32] keys, as numbers."""
    words = _words(keys)
    return words[:, 0].copy(), words[:, 1].copy()


def _words(keys: Keys) -> U64:
    return np.ascontiguousarray(keys).view(np.dtype("<u8"))


class Wanted:
    """Keys to look for among keys in any order, in one pass over those without a comparison per pair."""

    def __init__(self, firsts: U64, seconds: U64) -> None:
        self._firsts, at, self._place = np.unique(firsts, return_index=True, return_inverse=True)
        self._seconds = seconds[at]
        # Of two keys that share their first half but not the second only one is looked for.
        self._alone = seconds == self._seconds[self._place]
        self._rows = np.full(len(self._firsts), -1, dtype=np.int64)
        # Which keys share their first sixteen bits with any that is wanted.
        self._marked = np.zeros(1 << 16, dtype=np.bool_)
        self._marked[(firsts & np.uint64(0xFFFF)).astype(np.int64)] = True

    def among(self, keys: Keys, first_row: int) -> tuple[I64, I64]:
        """What take() is to be told of these keys, which are numbered from first_row on."""
        words = _words(keys)
        return self._among(words.view(np.uint16)[:, 0], words[:, 0], words[:, 1], first_row)

    def among_halves(self, firsts: U64, seconds: U64, first_row: int) -> tuple[I64, I64]:
        return self._among(firsts.view(np.uint16)[::4], firsts, seconds, first_row)

    def _among(self, bits: npt.NDArray[np.uint16], firsts: U64, seconds: U64, first_row: int) -> tuple[I64, I64]:
        near = np.flatnonzero(self._marked.take(bits))
        at = np.searchsorted(self._firsts, firsts[near])
        at[at == len(self._firsts)] = 0
        hit = (self._firsts[at] == firsts[near]) & (self._seconds[at] == seconds[near])
        return at[hit], first_row + near[hit]

    def take(self, which: I64, rows: I64) -> None:
        self._rows[which] = rows

    def rows(self) -> I64:
        """Row of each wanted key, -1 where there was none."""
        return np.where(self._alone, self._rows[self._place], -1)


class _Table:
    """Keys in order, with the place of the first of each of about as many buckets: a key is found in one or two steps,
    since the bits of a digest are evenly spread."""

    def __init__(self, firsts: U64, seconds: U64, rows: I64) -> None:
        order = np.argsort(firsts)
        self.firsts, self.seconds, self.rows = firsts[order], seconds[order], rows[order]
        bits = max(1, len(rows).bit_length() - 1)
        self._shift = np.uint64(64 - bits)
        counts = np.bincount((self.firsts >> self._shift).astype(np.int64), minlength=1 << bits)
        self._starts = np.zeros(len(counts), dtype=np.uint32)
        np.cumsum(counts[:-1], out=self._starts[1:])

    def find(self, firsts: U64, seconds: U64) -> I64:
        last = len(self.rows) - 1
        at = np.minimum(self._starts[firsts >> self._shift], last).astype(np.int64)
        behind = np.flatnonzero(self.firsts[at] < firsts)
        while len(behind):
            at[behind] += 1
            behind = behind[at[behind] <= last]
            behind = behind[self.firsts[at[behind]] < firsts[behind]]
        at = np.minimum(at, last)
        hit = (self.firsts[at] == firsts) & (self.seconds[at] == seconds)
        return np.where(hit, self.rows[at], -1)


class _Run:
    """Keys of some parts. Parts are scanned one by one until scanning has cost what sorting would; then they are one
    table."""

    def __init__(self, parts: list[tuple[U64, U64, int]]) -> None:
        self.parts = parts
        self._n = sum(len(keys) for keys, _, _ in parts)
        self._table: _Table | None = None
        self._scans = 0

    def __len__(self) -> int:
        return self._n

    def find(self, firsts: U64, seconds: U64) -> I64:
        """Row of each wanted key, -1 where there is none."""
        if not self._n:
            return np.full(len(firsts), -1, dtype=np.int64)
        if self._table is None and (
            self._n <= _SMALL_RUN or self._scans >= _SCANS_BEFORE_SORT or len(firsts) > min(FEW, self._n // 64)
        ):
            self.table()
        if self._table is not None:
            return self._table.find(firsts, seconds)
        self._scans += 1
        wanted = Wanted(firsts, seconds)
        for part in self.parts:
            wanted.take(*wanted.among_halves(*part))
        return wanted.rows()

    def joined(self, others: Sequence[_Run]) -> _Run:
        """One run with a table of this one and others."""
        tables = [run.table() for run in (self, *others) if len(run)]
        run_of_all = _Run([])
        run_of_all._n = sum(len(table.rows) for table in tables)
        if tables:
            run_of_all._table = _Table(
                np.concatenate([table.firsts for table in tables]),
                np.concatenate([table.seconds for table in tables]),
                np.concatenate([table.rows for table in tables]),
            )
        return run_of_all

    def table(self) -> _Table:
        if self._table is None:
            self._table = _Table(
                np.concatenate([keys for keys, _, _ in self.parts]),
                np.concatenate([seconds for _, seconds, _ in self.parts]),
                np.concatenate([first + np.arange(len(part), dtype=np.int64) for part, _, first in self.parts]),
            )
            self.parts = []
        return self._table


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

    def find(self, keys: Sequence[bytes] | Keys) -> I64:
        """Row of each key, -1 where there is none."""
        rows = np.full(len(keys), -1, dtype=np.int64)
        if not self._runs or not len(keys):
            return rows
        firsts, seconds = halves(key_matrix(keys))
        for number, run in enumerate(self._runs):
            if not number:
                rows = run.find(firsts, seconds)
                continue
            missing = np.flatnonzero(rows < 0)
            if not len(missing):
                break
            rows[missing] = run.find(firsts[missing], seconds[missing])
        return rows
