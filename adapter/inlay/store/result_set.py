"""One signature's results: a sub-folder with a manifest that people can read and any number of parts.

    results/ai_classify-3f9a…/manifest.json        what was asked, of which model, by which version
    results/ai_classify-3f9a…/<digest>.parquet     rows: key, value, confidence, scores
    results/ai_classify-3f9a…/quarantine/          damaged parts

Any number of processes read and write at once, without locks: parts are never changed, and appear whole. Two processes
that infer the same input at the same time store it twice, with the same meaning; readers take either.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from inlay.store.decoded import DecodedGroups
from inlay.store.folder import Folder
from inlay.store.index import FEW, I64, Index, Wanted, halves
from inlay.store.keys import Keys, key_column, key_matrix
from inlay.store.part_rows import read_groups, scan_keys
from inlay.store.part_writer import write_part
from inlay.store.parts import (
    KEY,
    READ_ERRORS,
    DamagedPart,
    describe_part,
    open_part,
    part_names,
    rows_of_groups,
    stored_name,
)

_log = logging.getLogger("inlay.store")

MANIFEST = "manifest.json"
QUARANTINE = "quarantine"
FORMAT_VERSION = "manifest/1"

_THREADS = min(8, os.cpu_count() or 1)

# Of more keys than these that come at once the first lookup takes none into memory: sixteen bytes each that a process
# never had cost twice what reading them does, and a process may run no more than one statement over a few rows.
_GLANCE_ROWS = 1_000_000

T = TypeVar("T")

# A lookup begins anew when a part that it wants is gone, since a compaction has its rows in another one then.
_TRIES = 3


class ResultSet:
    """What is known of one signature. Thread-safe."""

    def __init__(
        self,
        folder: Folder,
        signature: str,
        question: Mapping[str, Any],
        about: Mapping[str, Any],
        *,
        writable: bool = False,
    ) -> None:
        self.folder = folder
        self.writable = writable
        self.signature = signature
        self.question = question
        self.about = about
        self._lock = threading.RLock()
        self._index = Index()
        self._parts: list[str] = []
        self._files: list[Any] = []
        self._starts: I64 = np.zeros(0, dtype=np.int64)
        self._unread: list[int] = []
        self._glanced = False
        self._seen: set[str] = set()
        self._damaged: dict[str, str] = {}
        self._decoded = DecodedGroups()
        self._has_manifest = False
        self._statements: deque[object] = deque(maxlen=64)  # several may go on at once, in several threads

    def __len__(self) -> int:
        return len(self._index) + self._n_rows(self._unread)

    def refresh(self, statement: object = None) -> None:
        """Looks for parts that are new since last time; within one statement only once."""
        with self._lock:
            if statement is not None and statement in self._statements:
                return
            self._statements.append(statement)
            new = [name for name in part_names(self.folder) if name not in self._seen]
            if new:
                self._load(new)

    def _load(self, names: list[str]) -> None:
        opened = []
        for name in names:
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
            if part.name in self._seen:
                continue
            self._seen.add(part.name)
            if part.signature != self.signature:
                self._set_aside(
                    part.name, f"{part.name} holds results of another signature, {part.signature[:12]}…", foreign=True
                )
            elif not (part.replaces and self._seen >= set(part.replaces)):  # else all of it is here already
                self._seen.update(part.replaces)
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

    def find(self, keys: Sequence[bytes] | Keys, columns: Sequence[str] = ("value",)) -> tuple[I64, pa.Table | None]:
        """(positions among `keys` that are known, these columns of their rows in the same order), None for no row."""
        matrix = key_matrix(keys)
        with self._lock:
            for _ in range(_TRIES):
                lost, positions, table = self._find(matrix, list(columns))
                if not lost:
                    break
                self._forget()
            return positions, table

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

    def _find(self, keys: Keys, columns: list[str]) -> tuple[bool, I64, pa.Table | None]:
        """Whether a part was lost, and what find() gives of the others."""
        gone, rows = self._rows(keys)
        positions = np.flatnonzero(rows >= 0)
        wanted = rows[positions]
        if (wanted[1:] < wanted[:-1]).any():
            order = np.argsort(wanted, kind="stable")
            positions, wanted = positions[order], wanted[order]
        groups = np.searchsorted(self._starts, wanted, side="right") - 1
        lost = self._fetch(groups[np.flatnonzero(np.diff(groups, prepend=-1))].tolist(), columns)
        if lost:
            kept = ~np.isin(wanted >> 32, lost)
            positions, wanted, groups = positions[kept], wanted[kept], groups[kept]
        table = self._decoded.rows(groups, wanted - self._starts[groups], columns) if len(wanted) else None
        self._decoded.trim()
        return gone or bool(lost), positions, table

    def _fetch(self, groups: list[int], columns: list[str]) -> list[int]:
        """Sees to it that these row groups are decoded; returns the parts that are damaged or gone."""
        missing: dict[int, list[int]] = {}
        for group in self._decoded.absent(groups, columns):
            missing.setdefault(int(self._starts[group] >> 32), []).append(group)

        def read(number: int, absent: list[int]) -> tuple[int, list[int], list[pa.RecordBatch] | Exception]:
            first = np.searchsorted(self._starts, number << 32)
            places = [int(group - first) for group in absent]
            try:
                batches = read_groups(self.folder, self._parts[number], self._files[number], places, columns)
            except (DamagedPart, FileNotFoundError) as error:
                return number, absent, error
            return number, absent, batches

        lost = []
        for number, absent, batches in _side_by_side(read, list(missing.items())):
            if isinstance(batches, Exception):
                lost.append(number)
                if isinstance(batches, DamagedPart):
                    self._set_aside(self._parts[number], str(batches))
                continue
            for group, batch in zip(absent, batches, strict=True):
                self._decoded.put(group, batch)
        return lost

    def _forget(self) -> None:
        """Drops everything read so far, and reads the folder anew."""
        self._index, self._parts, self._files, self._unread = Index(), [], [], []
        self._starts = np.zeros(0, dtype=np.int64)
        self._seen = set(self._damaged)
        self._decoded.clear()
        self._statements.clear()
        self._load([name for name in part_names(self.folder) if name not in self._seen])

    def _set_aside(self, name: str, reason: str, *, foreign: bool = False) -> None:
        """Its rows count as unknown and are inferred again. Where this process may write, the file is moved away, so
        that nobody else reads it; but not one whose bytes give its name: then reading failed for another reason, as a
        network does, unless it is foreign, whole but of another signature."""
        self._seen.add(name)
        self._damaged[name] = reason
        _log.warning(
            "inlay: the part %s in %s cannot be used: %s. Its rows are inferred again.",
            name,
            self.folder.address,
            reason,
        )
        if self.writable and (foreign or self._is_damaged(name)):
            with contextlib.suppress(OSError):  # another process was faster: it is ignored here all the same
                self.folder.move(name, f"{QUARANTINE}/{name}")

    def _is_damaged(self, name: str) -> bool:
        try:
            return stored_name(self.folder, name) != name
        except READ_ERRORS:
            return False  # nobody can tell

    @property
    def damaged(self) -> dict[str, str]:
        """Part → what was wrong with it, of those that this process came across."""
        return dict(self._damaged)

    def publish(self, keys: Sequence[bytes] | Keys, table: pa.Table, *, known_here: bool = True) -> None:
        """Stores rows under their keys. table: `value` and what else the signature has. Raises OSError.

        known_here: also take the new part into this process's index.
        """
        if not len(keys):
            return
        if not self._has_manifest:
            self._write_manifest(table.schema)
        full = table.add_column(0, KEY, key_column(keys))
        name = write_part(self.folder, full, self.signature)
        if known_here:
            with self._lock:
                if name not in self._seen:
                    self._load([name])

    @property
    def name(self) -> str:
        return self.folder.address.rpartition("/")[2]

    def make_readable(self, schema: pa.Schema) -> None:
        """Sees to it that SQL finds a file to read, if only one without rows. Raises OSError."""
        if not part_names(self.folder):
            self._write_manifest(schema)
            write_part(self.folder, pa.schema([KEY, *schema]).empty_table(), self.signature)

    def _write_manifest(self, schema: pa.Schema) -> None:
        if not self.folder.exists(MANIFEST):
            manifest = {
                "form": FORMAT_VERSION,
                "signature": self.signature,
                "question": dict(self.question),
                "columns": {field.name: str(field.type) for field in schema},
                "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
                **self.about,
            }
            self.folder.publish(MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False).encode())
        self._has_manifest = True


def _side_by_side(read: Callable[..., T], wanted: Sequence[tuple[Any, ...]]) -> list[T]:
    """read(*item) for each item, several at a time: most of it is work of Arrow's and zlib's, outside Python's lock."""
    if len(wanted) < 3:
        return [read(*item) for item in wanted]
    with ThreadPoolExecutor(min(_THREADS, len(wanted))) as pool:
        return list(pool.map(lambda item: read(*item), wanted))
