"""The result store: a folder of result sets, opened for reading or for reading and writing.

<store>/inlay-store.json       says that this folder is a store, and of which form
<store>/results/…              one result set per signature
<store>/calls/…                which result set answers a call as it is written in SQL (see calls.py)
<store>/ledger/, errors/       what ran and what failed (see account.py)
"""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from inlay.errors import ConfigError
from inlay.store.folder import Folder, open_folder
from inlay.store.keys import Keys
from inlay.store.result_set import MANIFEST, ResultSet

_log = logging.getLogger("inlay.store")

MARKER = "inlay-store.json"
FORMAT_VERSION = "store/1"
RESULTS = "results"


class Store:
    """mode: 'read-write' or 'read-only'. Raises ConfigError for a folder that is no store of a form this version
    reads, or that cannot be written to."""

    def __init__(self, address: str, mode: str = "read-write") -> None:
        self.mode = mode
        self.folder = open_folder(address)
        self.unwritten = 0
        """Rows that were computed but could not be stored."""
        self._lock = threading.Lock()
        self._result_sets: dict[str, ResultSet] = {}
        self._told = False
        self._check(address)

    @property
    def writable(self) -> bool:
        return self.mode == "read-write"

    def _check(self, address: str) -> None:
        try:
            if self.folder.exists(MARKER):
                marker = json.loads(self.folder.read(MARKER))
                version = marker.get("form") if isinstance(marker, dict) else None
                if version != FORMAT_VERSION:
                    raise ConfigError(
                        f"store {address} is in format version {version!r}; this version of inlay reads "
                        f"{FORMAT_VERSION!r}. Use the version that wrote it, or another folder: store = '…'."
                    )
                return
            if not self.writable:
                return  # nothing is known, which is what an empty store says too
            if self.folder.names() or self.folder.names(folders=True):
                raise ConfigError(
                    f"store {address} is a folder with other files in it and no {MARKER}. Name an empty or a new one."
                )
            self.folder.create()
            self.folder.publish(MARKER, json.dumps({"form": FORMAT_VERSION}).encode())
        except (OSError, pa.ArrowException, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(
                f"store {address} cannot be opened for {self.mode.replace('-', ' and ')}: {error}. "
                "Name a folder that you may write to, or set store_mode = 'read-only' or 'off'."
            ) from error

    def result_set(self, name: str, signed: str, parts: Mapping[str, Any], about: Mapping[str, Any]) -> ResultSet:
        """The result set of a question. name: the function, for people who read the folder. signed: the question's
        signature. parts, about: what its manifest says of the question, and beside it."""
        with self._lock:
            found = self._result_sets.get(signed)
            if found is None:
                folder = self.folder.inside(f"{RESULTS}/{result_set_name(name, signed)}")
                found = ResultSet(folder, signed, parts, about, writable=self.writable)
                self._result_sets[signed] = found
        return found

    def result_sets(self) -> list[str]:
        """Names of all result sets in the folder that have a manifest."""
        names = self.folder.names(RESULTS, folders=True)
        return [name for name in names if self.folder.exists(f"{RESULTS}/{name}/{MANIFEST}")]

    def publish(self, result_set: ResultSet, keys: Sequence[bytes] | Keys, table: pa.Table) -> None:
        """Stores rows where this store is written to. Failing to is said once and counted, and costs no answer."""
        if not self.writable or not len(keys):
            return
        try:
            result_set.publish(keys, table)
        except (OSError, pa.ArrowException) as error:
            self.failed(error, len(keys))

    def failed(self, error: Exception, n_rows: int) -> None:
        with self._lock:
            first, self._told = not self._told, True
            self.unwritten += n_rows
        if first:
            _log.warning(
                "inlay: results cannot be stored in %s: %s. The statement goes on; what is not stored will be inferred "
                "again next time.",
                self.folder.address,
                error,
            )


def result_set_name(name: str, signed: str) -> str:
    return f"{re.sub(r'[^a-z0-9_]', '_', name.lower())}-{signed[:32]}"


def result_set_folder(store: Folder, name: str) -> Folder:
    return store.inside(f"{RESULTS}/{name}")
