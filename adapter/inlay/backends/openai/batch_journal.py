"""A record of the batches at a provider, so that another process finds them again.

An entry is written twice before anything waits for it: with the id of the uploaded file, before the batch is created,
and with the batch's id. It lists the SAMPLE smallest custom ids of its rows, not all of up to 50,000. Ids are hashes: a
caller with a large part of the rows has some of the sample, and one with other rows has none. An entry is kept for
KEPT_DAYS, so a caller that lost delivered answers gets them again.
"""

from __future__ import annotations

import hashlib
import heapq
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

SAMPLE = 64
# Providers keep files for 30 days.
KEPT_DAYS = 25


class BatchJournal(Protocol):
    """name: 64 hex digits, a hash of server, model and instruction. state: a small JSON object."""

    def load(self, name: str) -> dict[str, Any]:
        """What was saved last under this name, or {}."""
        ...

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Durable when it returns. Called on the loop's thread of http/loop.py."""
        ...


@dataclass
class Entry:
    """One batch. file: id of its input. batch: id of the batch, '' until it is created. made: time of creation, seconds
    since 1970. delivered: whether done() got its answers."""

    file: str
    batch: str
    rows: int
    sample: list[str]
    made: float
    delivered: bool = False

    @classmethod
    def of(cls, file: str, ids: Iterable[str]) -> Entry:
        ids = list(ids)
        return cls(file, "", len(ids), heapq.nsmallest(SAMPLE, ids), time.time())


class Entries:
    """Those of one name. Nothing is kept in memory: other threads write under the same name."""

    def __init__(self, journal: BatchJournal, name: str) -> None:
        self._journal, self._name = journal, name

    def all(self) -> list[Entry]:
        oldest = time.time() - KEPT_DAYS * 86_400
        names = {field.name for field in fields(Entry)}
        listed = [Entry(**entry) for entry in self._journal.load(self._name).get("batches", []) if set(entry) == names]
        return [entry for entry in listed if entry.made >= oldest]

    def write(self, entry: Entry) -> None:
        self._write([*self._others(entry), entry])

    def forget(self, entry: Entry) -> None:
        self._write(self._others(entry))

    def _others(self, entry: Entry) -> list[Entry]:
        return [other for other in self.all() if other.file != entry.file]

    def _write(self, entries: list[Entry]) -> None:
        self._journal.save(self._name, {"batches": [asdict(entry) for entry in entries]})


def custom_id(key: str) -> str:
    """64 hex digits, which every provider takes, and which are spread evenly whatever the keys are."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
