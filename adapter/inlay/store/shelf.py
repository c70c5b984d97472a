"""One signature's results: a sub-folder with a manifest that people can read and any number of parts.

    results/ai_classify-3f9a…/manifest.json        what was asked, of which model, by which version
    results/ai_classify-3f9a…/<digest>.parquet     rows: key, value, confidence, scores
    results/ai_classify-3f9a…/quarantine/          parts that did not read as what they said they were

Any number of processes read and write at once, without locks: parts are never changed, and appear whole. Two processes
that infer the same input at the same time store it twice, with the same meaning; readers take either.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from inlay.store.folder import Folder
from inlay.store.index import I64, Index, prefixes
from inlay.store.parts import (
    KEY,
    DamagedPart,
    Part,
    describe_part,
    key_bytes,
    key_column,
    open_part,
    part_names,
    read_group,
    read_keys,
    rows_of_groups,
    write_part,
)

MANIFEST = "manifest.json"
QUARANTINE = "quarantine"
FORM = "manifest/1"

# Decoded row groups that a shelf keeps, so that chunks of a statement that follow one another read each but once.
_CACHE_BYTES = 128_000_000

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
        self.statement: object = None

    def __len__(self) -> int:
        return len(self._index)

    def refresh(self, statement: object = None) -> None:
        """Looks for parts that are new since last time; within one statement only once."""
        with self._lock:
            if statement is not None and statement == self.statement:
                return
            self.statement = statement
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
        keys, rows = [], []
        for part, file in opened:
            if part.name in self._seen:
                continue
            self._seen.add(part.name)
            if part.signature != self.signature:
                self._set_aside(part.name, f"{part.name} holds results of another signature, {part.signature[:12]}…")
                continue
            if part.replaces and self._seen & set(part.replaces) and self._seen >= set(part.replaces):
                continue  # all of it is here already, from the parts themselves
            try:
                found = prefixes(read_keys(file, part.name))
            except DamagedPart as error:
                self._set_aside(part.name, str(error))
                continue
            self._seen.update(part.replaces)
            number = len(self._parts)
            self._parts.append(part.name)
            keys.append(found)
            rows.append(np.arange(len(found), dtype=np.int64) | np.int64(number << 32))
        self._index.add(keys, rows)

    def find(self, keys: Sequence[bytes]) -> tuple[I64, pa.Table | None]:
        """(positions among `keys` that are known, their rows in the same order without the key), None for no row."""
        with self._lock:
            for _ in range(_TRIES):
                lost, positions, table = self._find(keys)
                if not lost:
                    break
                self._forget()
            return positions, table

    def _find(self, keys: Sequence[bytes]) -> tuple[bool, I64, pa.Table | None]:
        """Whether a part was lost, and what find() gives of the others."""
        rows = self._index.find(keys)
        positions = np.flatnonzero(rows >= 0)
        order = np.argsort(rows[positions], kind="stable")
        positions = positions[order]
        wanted = rows[positions]
        parts = wanted >> 32
        kept: list[I64] = []
        tables: list[pa.Table] = []
        lost = False
        for number in np.unique(parts):
            mine = positions[parts == number]
            table = self._read(int(number), wanted[parts == number] & np.int64(0xFFFFFFFF))
            if table is None:
                lost = True
                continue
            asked = np.frombuffer(b"".join(keys[i] for i in mine), dtype=np.uint8).reshape(-1, 32)
            same = (key_bytes(table["key"]) == asked).all(axis=1)
            if not same.any():
                continue
            if not same.all():
                table, mine = table.filter(pa.array(same)), mine[same]
            tables.append(table)
            kept.append(mine)
        if not tables:
            return lost, np.zeros(0, dtype=np.int64), None
        return lost, np.concatenate(kept), pa.concat_tables(tables).drop_columns(["key"])

    def _read(self, number: int, rows: I64) -> pa.Table | None:
        """These rows (ascending) of a part; None when it is damaged or gone, and then its keys are unknown."""
        name = self._parts[number]
        try:
            if number not in self._files:
                file = open_part(self.folder, name)
                self._files[number] = (file, rows_of_groups(file))
            file, starts = self._files[number]
            groups = np.searchsorted(starts, rows, side="right") - 1
            needed = np.unique(groups)
            tables = [self._group(number, int(group), file, name) for group in needed]
            offsets = np.concatenate([[0], np.cumsum([len(table) for table in tables])])
            places = rows - starts[groups] + offsets[np.searchsorted(needed, groups)]
            return pa.concat_tables(tables).take(pa.array(places))
        except FileNotFoundError:
            pass
        except DamagedPart as error:
            self._set_aside(name, str(error))
        return None

    def _group(self, number: int, group: int, file: Any, name: str) -> pa.Table:
        found = self._groups.get((number, group))
        if found is None:
            columns = [c for c in file.schema_arrow.names if c != "inputs"]
            found = read_group(self.folder, name, file, group, columns)
            self._groups[number, group] = found
            self._cached_bytes += found.nbytes
            while self._cached_bytes > _CACHE_BYTES and len(self._groups) > 1:
                _, oldest = self._groups.popitem(last=False)
                self._cached_bytes -= oldest.nbytes
        else:
            self._groups.move_to_end((number, group))
        return found

    def _forget(self) -> None:
        """Everything read so far; what stands in the folder now is read anew."""
        self._index, self._parts, self._files = Index(), [], {}
        self._seen = set(self._damaged)
        self._groups.clear()
        self._cached_bytes = 0
        self.statement = None
        self._load([name for name in part_names(self.folder) if name not in self._seen])

    def _set_aside(self, name: str, reason: str) -> None:
        """Its rows count as unknown and are inferred again. Where this process may write, the file is moved away, so
        that nobody else reads it."""
        self._seen.add(name)
        self._damaged[name] = reason
        if self.writable:
            with contextlib.suppress(OSError):  # another process was faster: it is ignored here all the same
                self.folder.move(name, f"{QUARANTINE}/{name}")

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


def part_of(folder: Folder, name: str) -> Part:
    return describe_part(name, open_part(folder, name))
