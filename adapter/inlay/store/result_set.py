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
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from inlay.arrays import empty_table
from inlay.locks import new_reentrant_lock
from inlay.store.folder import Folder
from inlay.store.index import I64
from inlay.store.keys import Keys, key_column, key_matrix
from inlay.store.open_parts import OpenParts
from inlay.store.part_writer import write_part
from inlay.store.parts import KEY, READ_ERRORS, part_names, stored_name

_log = logging.getLogger("inlay.store")

MANIFEST = "manifest.json"
QUARANTINE = "quarantine"
FORMAT_VERSION = "manifest/1"

# A lookup begins anew when a part that it wants is gone, since a compaction has its rows in another one then.
_TRIES = 3


class ResultSet:
    """The known answers of one signature. Thread-safe."""

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
        self._lock = new_reentrant_lock()
        self._damaged: dict[str, str] = {}
        self._open = OpenParts(folder, signature, self._set_aside)
        self._has_manifest = False
        self._statements: deque[object] = deque(maxlen=64)  # several may go on at once, in several threads

    def __len__(self) -> int:
        return len(self._open)

    def refresh(self, statement: object = None) -> None:
        """Looks for parts that are new since last time; within one statement only once."""
        with self._lock:
            if statement is not None and statement in self._statements:
                return
            self._statements.append(statement)
            self._open.load(part_names(self.folder))

    def find(self, keys: Sequence[bytes] | Keys, wanted: pa.Schema) -> tuple[I64, pa.Table | None]:
        """(positions among `keys` that are known, these columns of their rows in the same order), None for no row. A
        part whose columns have other types counts as damaged."""
        matrix = key_matrix(keys)
        with self._lock:
            for _ in range(_TRIES):
                lost, positions, table = self._open.find(matrix, wanted)
                if not lost:
                    break
                self._open = OpenParts(self.folder, self.signature, self._set_aside, self._damaged)
                self._open.load(part_names(self.folder))
                self._statements.clear()
            return positions, table

    def _set_aside(self, name: str, reason: str, *, foreign: bool = False) -> None:
        """Its rows count as unknown and are inferred again. Where this process may write, the file is moved away, so
        that nobody else reads it; but not one whose bytes give its name: then reading failed for another reason, as a
        network does, unless it is foreign, whole but of another signature."""
        self._open.seen.add(name)
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
                self._open.load([name])

    @property
    def name(self) -> str:
        return self.folder.address.rpartition("/")[2]

    def make_readable(self, schema: pa.Schema) -> None:
        """Sees to it that SQL finds a file to read, if only one without rows. Raises OSError."""
        if not part_names(self.folder):
            self._write_manifest(schema)
            write_part(self.folder, empty_table(pa.schema([KEY, *schema])), self.signature)

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
