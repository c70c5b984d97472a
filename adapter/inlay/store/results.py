"""The result store: a folder of result sets, opened for reading or for reading and writing.

<store>/inlay-store.json       marks the folder as a store, and names its format version
<store>/results/…              one result set per signature
<store>/calls/…                which result set answers a call as it is written in SQL (see calls.py)
<store>/ledger/, errors/       what ran and what failed (see account.py)
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from inlay.errors import ConfigError
from inlay.locks import new_lock
from inlay.store.folder import Folder, open_folder
from inlay.store.keys import Keys
from inlay.store.result_set import MANIFEST, ResultSet

_log = logging.getLogger("inlay.store")

MARKER = "inlay-store.json"
FORMAT_VERSION = "store/1"
RESULTS = "results"
MARKER_CONTENT = json.dumps({"form": FORMAT_VERSION}).encode()
RESULT_SET_NAME = re.compile(r"([a-z0-9_]+)-([0-9a-f]{32})")


class Store:
    """mode: 'read-write' or 'read-only'. Raises ConfigError for a folder that is no store, is in a format version that
    this version of inlay does not read, or cannot be written to."""

    def __init__(self, address: str, mode: str = "read-write") -> None:
        self.mode = mode
        self.folder = open_folder(address)
        self.unwritten = 0
        """Rows that were computed but could not be stored."""
        self._lock = new_lock()
        self._result_sets: dict[str, ResultSet] = {}
        self._has_warned = False
        self._check(address)

    @property
    def writable(self) -> bool:
        return self.mode == "read-write"

    def _check(self, address: str) -> None:
        try:
            if not self._is_marked(address) and self.writable:
                self._mark(address)
        except (OSError, pa.ArrowException) as error:
            raise ConfigError(
                f"store {address} cannot be opened for {self.mode.replace('-', ' and ')}: {error}. "
                "Name a folder that you may write to, or set store_mode = 'read-only' or 'off'."
            ) from error

    def _is_marked(self, address: str) -> bool:
        """False for a marker that was cut while it was written. Raises ConfigError for any other that is not ours."""
        return self.folder.exists(MARKER) and check_marker(self.folder.read(MARKER), f"store {address}")

    def _mark(self, address: str) -> None:
        names = [*self.folder.names(), *self.folder.names(folders=True)]
        others = [name for name in names if not name.startswith(".") and name not in (MARKER, "lost+found")]
        # Looked for again: what is there may be what another process has just made of a new folder.
        if others and self._is_marked(address):
            return
        if others and not any(map(RESULT_SET_NAME.fullmatch, self.folder.names(RESULTS, folders=True))):
            raise ConfigError(
                f"store {address} is a folder with other files in it, such as {others[0]}, and no {MARKER}. "
                "Name an empty or a new one."
            )
        self.folder.create()
        self.folder.publish(MARKER, MARKER_CONTENT)
        if others:
            _log.warning("inlay: %s had results and no whole %s, which was written again.", address, MARKER)

    def result_set(self, name: str, signed: str, parts: Mapping[str, Any], about: Mapping[str, Any]) -> ResultSet:
        """The result set of a question. name: the function, for people who read the folder. signed: the question's
        signature. parts, about: the question itself and facts about it, for the manifest."""
        with self._lock:
            result_set = self._result_sets.get(signed)
            if result_set is None:
                folder = self.folder.inside(f"{RESULTS}/{result_set_name(name, signed)}")
                result_set = ResultSet(folder, signed, parts, about, writable=self.writable)
                self._result_sets[signed] = result_set
        return result_set

    def result_sets(self) -> list[str]:
        """Names of all result sets in the folder that have a manifest."""
        names = self.folder.names(RESULTS, folders=True)
        return [name for name in names if self.folder.exists(f"{RESULTS}/{name}/{MANIFEST}")]

    def publish(self, result_set: ResultSet, keys: Sequence[bytes] | Keys, table: pa.Table) -> None:
        """Stores rows if this process may write to the store. A failure is logged once and counted; answers stay."""
        if not self.writable or not len(keys):
            return
        try:
            result_set.publish(keys, table)
        except (OSError, pa.ArrowException) as error:
            self.failed(error, len(keys))

    def failed(self, error: Exception, n_rows: int) -> None:
        with self._lock:
            first, self._has_warned = not self._has_warned, True
            self.unwritten += n_rows
        if first:
            _log.warning(
                "inlay: results cannot be stored in %s: %s. The statement goes on; what is not stored will be inferred "
                "again next time.",
                self.folder.address,
                error,
            )


def check_marker(content: bytes, where: str) -> bool:
    """Whether a store's marker is whole: False for one that is empty, was cut, or has zeros for what a machine had not
    written when it lost its power. Raises ConfigError for that of a store in another format version, and for what is no
    marker. where: the store, in the message."""
    if MARKER_CONTENT.startswith(content.rstrip(b"\0")):
        return content == MARKER_CONTENT
    try:
        version = json.loads(content)["form"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError(
            f"{where} has a damaged {MARKER}: it begins with {content[:40]!r}. It must hold "
            f"{MARKER_CONTENT.decode()}; if the folder is a result store, write that into it."
        ) from None
    if version != FORMAT_VERSION:
        raise ConfigError(
            f"{where} is in format version {version!r}; this version of inlay reads {FORMAT_VERSION!r}. "
            "Use the version that wrote it, or another store."
        )
    return True


def result_set_name(name: str, signed: str) -> str:
    return f"{re.sub(r'[^a-z0-9_]', '_', name.lower())}-{signed[:32]}"


def result_set_folder(store: Folder, name: str) -> Folder:
    return store.inside(f"{RESULTS}/{name}")
