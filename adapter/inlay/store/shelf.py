"""One signature's results: a sub-folder with a manifest that people can read and any number of parts.

    results/ai_classify-3f9a…/manifest.json        what was asked, of which model, by which version
    results/ai_classify-3f9a…/<digest>.parquet     rows: key, value, confidence, scores
    results/ai_classify-3f9a…/quarantine/          parts that did not read as what they said they were

Any number of processes read and write at once, without locks: parts are never changed, and appear whole. Two processes
that infer the same input at the same time store it twice, with the same meaning; readers take either.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from inlay.store.folder import Folder
from inlay.store.index import I64, U64, Index, halves
from inlay.store.parts import (
    KEY,
    READ_ERRORS,
    DamagedPart,
    Part,
    describe_part,
    key_column,
    key_pieces,
    open_part,
    part_names,
    read_groups,
    rows_of_groups,
    stored_name,
    write_part,
)
from inlay.store.vectors import numbers_array

MANIFEST = "manifest.json"
QUARANTINE = "quarantine"
FORM = "manifest/1"

# Decoded row groups that a shelf keeps, so that chunks of a statement that follow one another read each but once.
_CACHE_BYTES = 128_000_000
_THREADS = min(8, os.cpu_count() or 1)

T = TypeVar("T")

# A lookup begins anew when a part that it wants is gone, since a compaction has its rows in another one then.
_TRIES = 3


class Shelf:
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
        self._seen: set[str] = set()
        self._damaged: dict[str, str] = {}
        self._files: dict[int, Any] = {}
        self._groups: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        self._cached_bytes = 0
        self._has_manifest = False
        self._statements: deque[object] = deque(maxlen=64)  # several may go on at once, in several threads

    def __len__(self) -> int:
        return len(self._index)

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
            except FileNotFoundError:
                continue  # compacted away between listing and opening
            except DamagedPart as error:
                self._set_aside(name, str(error))
        # A part that stands for others is read before them, and they not at all.
        opened.sort(key=lambda pair: -len(pair[0].replaces))
        wanted = []
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
                wanted.append((part, file))
        self._index.add([run for found in itertools.starmap(_read_keys, wanted) for run in self._numbered(*found)])

    def _numbered(self, part: Part, pieces: list[tuple[U64, U64]] | DamagedPart) -> list[tuple[U64, U64, int]]:
        """A part's keys with the number of each piece's first row."""
        if isinstance(pieces, DamagedPart):
            self._set_aside(part.name, str(pieces))
            return []
        first = len(self._parts) << 32
        self._parts.append(part.name)
        runs = []
        for keys, seconds in pieces:
            runs.append((keys, seconds, first))
            first += len(keys)
        return runs

    def find(self, keys: Sequence[bytes], columns: Sequence[str] = ("value",)) -> tuple[I64, pa.Table | None]:
        """(positions among `keys` that are known, these columns of their rows in the same order), None for no row."""
        with self._lock:
            for _ in range(_TRIES):
                lost, positions, table = self._find(keys, list(columns))
                if not lost:
                    break
                self._forget()
            return positions, table

    def _find(self, keys: Sequence[bytes], columns: list[str]) -> tuple[bool, I64, pa.Table | None]:
        """Whether a part was lost, and what find() gives of the others."""
        rows = self._index.find(keys)
        positions = np.flatnonzero(rows >= 0)
        if not len(positions):
            return False, positions, None
        positions = positions[np.argsort(rows[positions], kind="stable")]
        wanted = rows[positions]
        numbers, firsts = np.unique(wanted >> 32, return_index=True)
        within = np.split(wanted & np.int64(0xFFFFFFFF), firsts[1:])
        lost = self._fetch(list(zip(numbers.tolist(), within, strict=True)), columns)
        kept: list[I64] = []
        tables: list[pa.Table] = []
        for number, rows_of_part, places in zip(numbers.tolist(), within, np.split(positions, firsts[1:]), strict=True):
            if number in lost:
                continue
            _, starts = self._files[number]
            groups = np.searchsorted(starts, rows_of_part, side="right") - 1
            for group in np.unique(groups).tolist():
                table = self._groups[number, group].select(columns)
                tables.append(table.take(numbers_array(rows_of_part[groups == group] - starts[group])))
            kept.append(places)
        self._trim()
        if not tables:
            return bool(lost), np.zeros(0, dtype=np.int64), None
        return bool(lost), np.concatenate(kept), pa.concat_tables(tables)

    def _fetch(self, wanted: list[tuple[int, I64]], columns: list[str]) -> set[int]:
        """Sees to it that the row groups of these rows are decoded; returns the parts that are damaged or gone."""
        lost: set[int] = set()
        missing: list[tuple[int, list[int]]] = []
        for number, rows in wanted:
            if number not in self._files and not self._open(number):
                lost.add(number)
                continue
            _, starts = self._files[number]
            groups = np.unique(np.searchsorted(starts, rows, side="right") - 1).tolist()
            for group in groups:
                if (number, group) in self._groups:
                    self._groups.move_to_end((number, group))
            absent = [group for group in groups if not self._holds(number, group, columns)]
            if absent:
                missing.append((number, absent))

        def read(number: int, groups: list[int]) -> tuple[int, list[int], list[pa.Table] | Exception]:
            file, _ = self._files[number]
            try:
                return number, groups, read_groups(self.folder, self._parts[number], file, groups, columns)
            except (DamagedPart, FileNotFoundError) as error:
                return number, groups, error

        for number, groups, found in _side_by_side(read, missing):
            if isinstance(found, Exception):
                lost.add(number)
                if isinstance(found, DamagedPart):
                    self._set_aside(self._parts[number], str(found))
                continue
            for group, table in zip(groups, found, strict=True):
                self._cached_bytes += table.nbytes - (
                    self._groups[number, group].nbytes if (number, group) in self._groups else 0
                )
                self._groups[number, group] = table
        return lost

    def _open(self, number: int) -> bool:
        try:
            file = open_part(self.folder, self._parts[number])
        except FileNotFoundError:
            return False
        except DamagedPart as error:
            self._set_aside(self._parts[number], str(error))
            return False
        self._files[number] = (file, rows_of_groups(file))
        return True

    def _holds(self, number: int, group: int, columns: list[str]) -> bool:
        found = self._groups.get((number, group))
        return found is not None and set(columns) <= set(found.column_names)

    def _trim(self) -> None:
        while self._cached_bytes > _CACHE_BYTES and len(self._groups) > 1:
            _, oldest = self._groups.popitem(last=False)
            self._cached_bytes -= oldest.nbytes

    def _forget(self) -> None:
        """Everything read so far; what stands in the folder now is read anew."""
        self._index, self._parts, self._files = Index(), [], {}
        self._seen = set(self._damaged)
        self._groups.clear()
        self._cached_bytes = 0
        self._statements.clear()
        self._load([name for name in part_names(self.folder) if name not in self._seen])

    def _set_aside(self, name: str, reason: str, *, foreign: bool = False) -> None:
        """Its rows count as unknown and are inferred again. Where this process may write, the file is moved away, so
        that nobody else reads it; but not one whose bytes give its name: then reading failed for another reason, as a
        network does, unless it is foreign, whole but of another signature."""
        self._seen.add(name)
        self._damaged[name] = reason
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

    def publish(self, keys: Sequence[bytes], table: pa.Table, *, known_here: bool = True) -> None:
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
                "form": FORM,
                "signature": self.signature,
                "question": dict(self.question),
                "columns": {field.name: str(field.type) for field in schema},
                "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
                **self.about,
            }
            self.folder.publish(MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False).encode())
        self._has_manifest = True


def _read_keys(part: Part, file: Any) -> tuple[Part, list[tuple[U64, U64]] | DamagedPart]:
    try:
        return part, [halves(piece) for piece in key_pieces(file, part.name)]
    except DamagedPart as error:
        return part, error


def _side_by_side(read: Callable[..., T], wanted: Sequence[tuple[Any, ...]]) -> list[T]:
    """read(*item) for each item, several at a time: most of it is work of Arrow's and zlib's, outside Python's lock.
    Not for keys: what their reading costs is fresh memory, which several threads get no faster."""
    if len(wanted) < 3:
        return [read(*item) for item in wanted]
    with ThreadPoolExecutor(min(_THREADS, len(wanted))) as pool:
        return list(pool.map(lambda item: read(*item), wanted))
