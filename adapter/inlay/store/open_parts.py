"""The parts of a result set as one process has them open: in which row each key is, and the rows themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from inlay.store.decoded import DecodedGroups
from inlay.store.folder import Folder
from inlay.store.index import FEW, I64, Index, Wanted, halves
from inlay.store.keys import Keys
from inlay.store.part_rows import read_groups, scan_keys
from inlay.store.parts import DamagedPart, ForeignPart, check_types, describe_part, open_part, rows_of_groups

_THREADS = min(8, os.cpu_count() or 1)

# Of more keys than these that come at once the first lookup takes none into memory: sixteen bytes each that a process
# never had cost twice what reading them does, and a process may run no more than one statement over a few rows.
_GLANCE_ROWS = 1_000_000

T = TypeVar("T")


class SetAside(Protocol):
    """Is called for a part that cannot be used. foreign: it is whole, but of another signature."""

    def __call__(self, name: str, reason: str, *, foreign: bool = False) -> None: ...


class OpenParts:
    """Not thread-safe. seen: parts that are open, replaced by an open one, or not to be opened."""

    def __init__(self, folder: Folder, signature: str, set_aside: SetAside, seen: Iterable[str] = ()) -> None:
        self.folder = folder
        self.signature = signature
        self.seen = set(seen)
        self._set_aside = set_aside
        self._index = Index()
        self._parts: list[str] = []
        self._files: list[Any] = []
        self._starts: I64 = np.zeros(0, dtype=np.int64)
        self._unread: list[int] = []
        self._glanced = False
        self._decoded = DecodedGroups()
        self._fitting: set[tuple[int, pa.Schema]] = set()  # parts whose columns have the types of a schema

    def __len__(self) -> int:
        return len(self._index) + self._n_rows(self._unread)

    def load(self, names: Iterable[str]) -> None:
        """Opens those of these parts that were not seen before."""
        opened = []
        for name in names:
            if name in self.seen:
                continue
            try:
                file = open_part(self.folder, name)
                opened.append((describe_part(name, file), file))
                file.close(force=True)  # what it says of itself stays
            except FileNotFoundError:
                continue  # compacted away between listing and opening
            except DamagedPart as error:
                self._set_aside(name, str(error))
        # A part that replaces others is read before them, and they not at all.
        opened.sort(key=lambda pair: -len(pair[0].replaces))
        before = len(self._parts)
        starts = [self._starts]
        for part, file in opened:
            if part.name in self.seen:
                continue
            self.seen.add(part.name)
            if part.signature != self.signature:
                self._set_aside(
                    part.name, f"{part.name} holds results of another signature, {part.signature[:12]}…", foreign=True
                )
            elif not (part.replaces and self.seen >= set(part.replaces)):  # else all of it is here already
                self.seen.update(part.replaces)
                starts.append(rows_of_groups(file)[:-1] + (len(self._parts) << 32))
                self._parts.append(part.name)
                self._files.append(file)
        self._starts = np.concatenate(starts)
        new = list(range(before, len(self._parts)))
        if self._n_rows(new) > _GLANCE_ROWS:
            self._unread += new
            self._glanced = False
        elif new:
            self._read_keys(new)

    def _n_rows(self, numbers: Sequence[int]) -> int:
        return sum(self._files[number].metadata.num_rows for number in numbers)

    def _read_keys(self, numbers: Sequence[int]) -> bool:
        """Takes the keys of these parts into the index; whether a part was gone."""
        ends = np.cumsum([0] + [self._files[number].metadata.num_rows for number in numbers]).tolist()
        # One piece of memory for all: of large ones the system gives large pages.
        firsts, seconds = np.empty((2, ends[-1]), dtype=np.uint64)

        def read(number: int, start: int) -> Exception | None:
            def take(keys: Keys, row: int) -> None:
                where = slice(start + row, start + row + len(keys))
                firsts[where], seconds[where] = halves(keys)

            return self._scan(number, take)[0]

        failed = _side_by_side(read, list(zip(numbers, ends, strict=False)))
        gone = self._set_failed_aside(numbers, failed)
        self._index.add(
            [
                (firsts[start:end], seconds[start:end], number << 32)
                for number, start, end, error in zip(numbers, ends, ends[1:], failed, strict=False)
                if error is None
            ]
        )
        return gone

    def _glance(self, keys: Keys) -> tuple[bool, I64]:
        """Whether a part was gone, and the row of each key among those that were not read yet, which stay so."""
        wanted = Wanted(*halves(keys))
        scanned = _side_by_side(
            lambda number: self._scan(number, lambda piece, row: wanted.among(piece, (number << 32) + row)),
            [(number,) for number in self._unread],
        )
        for error, seen in scanned:
            for hits in seen if error is None else ():
                wanted.take(*hits)
        numbers = self._unread
        self._unread = [number for number, (error, _) in zip(numbers, scanned, strict=True) if error is None]
        return self._set_failed_aside(numbers, [error for error, _ in scanned]), wanted.rows()

    def _scan(self, number: int, look: Callable[[Keys, int], T]) -> tuple[Exception | None, list[T]]:
        try:
            return None, scan_keys(self.folder, self._parts[number], self._files[number], look)
        except (DamagedPart, FileNotFoundError) as error:
            return error, []

    def _set_failed_aside(self, numbers: Sequence[int], failed: Sequence[Exception | None]) -> bool:
        """Whether a part was gone; those that are damaged are set aside."""
        for number, error in zip(numbers, failed, strict=True):
            if isinstance(error, DamagedPart):
                self._set_aside(self._parts[number], str(error))
        return any(isinstance(error, FileNotFoundError) for error in failed)

    def _rows(self, keys: Keys) -> tuple[bool, I64]:
        """Whether a part was lost, and the row of each key: its part's number and its place there."""
        rows = self._index.find(keys)
        if not self._unread:
            return False, rows
        missing = np.flatnonzero(rows < 0)
        if not len(missing):
            return False, rows
        if not self._glanced and len(missing) <= FEW:
            self._glanced = True
            gone, rows[missing] = self._glance(keys[missing])
        else:
            unread, self._unread = self._unread, []
            gone = self._read_keys(unread)
            rows[missing] = self._index.find(keys[missing])
        return gone, rows

    def find(self, keys: Keys, schema: pa.Schema) -> tuple[bool, I64, pa.Table | None]:
        """Whether a part was lost, and what ResultSet.find() returns for the others."""
        columns = list(schema.names)
        gone, rows = self._rows(keys)
        positions = np.flatnonzero(rows >= 0)
        wanted = rows[positions]
        if (wanted[1:] < wanted[:-1]).any():
            order = np.argsort(wanted, kind="stable")
            positions, wanted = positions[order], wanted[order]
        groups = np.searchsorted(self._starts, wanted, side="right") - 1
        lost = self._fetch(groups[np.flatnonzero(np.diff(groups, prepend=-1))].tolist(), schema)
        if lost:
            kept = ~np.isin(wanted >> 32, lost)
            positions, wanted, groups = positions[kept], wanted[kept], groups[kept]
        table = self._decoded.rows(groups, wanted - self._starts[groups], columns) if len(wanted) else None
        self._decoded.trim()
        return gone or bool(lost), positions, table

    def _fetch(self, groups: list[int], schema: pa.Schema) -> list[int]:
        """Sees to it that these row groups are decoded; returns the parts that are damaged or gone."""
        columns = list(schema.names)
        missing: dict[int, list[int]] = {}
        for group in self._decoded.absent(groups, columns):
            missing.setdefault(int(self._starts[group] >> 32), []).append(group)

        def read(number: int, absent: list[int]) -> tuple[int, list[int], list[pa.RecordBatch] | Exception]:
            first = np.searchsorted(self._starts, number << 32)
            places = [int(group - first) for group in absent]
            try:
                if (number, schema) not in self._fitting:
                    check_types(self._files[number].schema_arrow, schema)
                    self._fitting.add((number, schema))
                batches = read_groups(self.folder, self._parts[number], self._files[number], places, columns)
            except (DamagedPart, FileNotFoundError) as error:
                return number, absent, error
            return number, absent, batches

        lost = []
        for number, absent, batches in _side_by_side(read, list(missing.items())):
            if isinstance(batches, Exception):
                lost.append(number)
                if isinstance(batches, DamagedPart):
                    self._set_aside(self._parts[number], str(batches), foreign=isinstance(batches, ForeignPart))
                continue
            for group, batch in zip(absent, batches, strict=True):
                self._decoded.put(group, batch)
        return lost


def _side_by_side(read: Callable[..., T], wanted: Sequence[tuple[Any, ...]]) -> list[T]:
    """read(*item) for each item, several at a time: most of it is work of Arrow's and zlib's, outside Python's lock."""
    if len(wanted) < 3:
        return [read(*item) for item in wanted]
    with ThreadPoolExecutor(min(_THREADS, len(wanted))) as pool:
        return list(pool.map(lambda item: read(*item), wanted))
