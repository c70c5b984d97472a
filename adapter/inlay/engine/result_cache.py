"""What this process has computed, by key, within a budget of bytes: the least recently used goes first.

Threads that need the same missing key do not both compute it: the first claims it, the others wait. Each claimer
finishes its own claims before it waits for anyone else's, so waiting never goes in a circle.
"""

from __future__ import annotations

import mmap
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from inlay.arrays import Floats
from inlay.locks import new_lock

Rows = Floats | list[Any]
"""What was computed for as many keys: a matrix of numbers, or a list of texts."""

# What a key, its place and the dictionary slot cost beside the numbers themselves, measured with tracemalloc.
ENTRY_BYTES = 200


SIGNATURE_BYTES = 32

_ROW_BITS = 32
_ROWS = (1 << _ROW_BITS) - 1


@dataclass
class _Block:
    number: int
    keys: list[bytes]
    rows: Rows
    owner: int | None

    @property
    def bytes(self) -> int:
        held = self.rows.nbytes if isinstance(self.rows, np.ndarray) else sum(map(len, self.rows))
        return held + ENTRY_BYTES * len(self.keys)


_caches: weakref.WeakSet[ResultCache] = weakref.WeakSet()


class ResultCache:
    """Rows of float32, of one width per signature, and a language model's texts. A key is the signature of the question
    and the key of the input.

    owner: a number for the call of a statement that computed a row. What a call computed itself, in another thread
    or an earlier chunk, was not known before it began.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._lock = new_lock()
        # The number of a block and a row of it, as one number: Python's garbage collector would look at every tuple.
        self._index: dict[bytes, int] = {}
        self._blocks: OrderedDict[int, _Block] = OrderedDict()
        self._claimed: dict[bytes, threading.Event] = {}
        self._bytes = 0
        self._next = 0
        self._signatures: set[bytes] = set()
        _caches.add(self)

    def lookup(self, keys: list[bytes], into: Rows, owner: int | None) -> tuple[list[int], list[int]]:
        """Copies each row that is here to its place in `into`.

        Returns the positions that are not here, and those that are but that the owner itself computed.
        """
        missing: list[int] = []
        own: list[int] = []
        with self._lock:
            if self._index.keys().isdisjoint(keys):
                return list(range(len(keys))), own
            for position, key in enumerate(keys):
                found = self._index.get(key)
                if found is None:
                    missing.append(position)
                else:
                    block = self._blocks[found >> _ROW_BITS]
                    into[position] = block.rows[found & _ROWS]
                    self._blocks.move_to_end(block.number)
                    if owner is not None and block.owner == owner:
                        own.append(position)
        return missing, own

    def has_answers_to(self, signature: bytes) -> bool:
        """Whether there ever were any under keys that begin with this signature."""
        return signature in self._signatures

    def claim(self, keys: list[bytes], event: threading.Event) -> tuple[list[int], dict[int, threading.Event]]:
        """(positions that the caller must now compute and release, positions that another thread is computing). event:
        the caller's own, by which it releases what it has claimed, however far it came."""
        mine: list[int] = []
        others: dict[int, threading.Event] = {}
        with self._lock:
            if self._index.keys().isdisjoint(keys) and self._claimed.keys().isdisjoint(keys):
                self._claimed.update(dict.fromkeys(keys, event))
                return list(range(len(keys))), others
            for position, key in enumerate(keys):
                waiting = self._claimed.get(key)
                if waiting is not None and not waiting.is_set():
                    others[position] = waiting
                elif key in self._index:
                    done = threading.Event()
                    done.set()
                    others[position] = done
                else:
                    self._claimed[key] = event
                    mine.append(position)
        return mine, others

    def publish(self, keys: list[bytes], rows: Rows, owner: int | None) -> None:
        if not keys:
            return
        with self._lock:
            self._next += 1
            block = _Block(self._next, keys, rows, owner)
            self._signatures.add(keys[0][:SIGNATURE_BYTES])
            self._blocks[block.number] = block
            self._bytes += block.bytes
            first = block.number << _ROW_BITS
            self._index.update(zip(keys, range(first, first + len(keys)), strict=True))
            while self._bytes > self.budget_bytes and len(self._blocks) > 1:
                _, oldest = self._blocks.popitem(last=False)
                self._bytes -= oldest.bytes
                for key in oldest.keys:
                    held = self._index.get(key)
                    if held is not None and held >> _ROW_BITS == oldest.number:
                        del self._index[key]

    def release(self, keys: list[bytes], event: threading.Event) -> None:
        """Ends the claims that this event stands for, computed or not, and wakes whoever waits for them."""
        event.set()  # from here on they are nobody's, whatever becomes of the rest
        with self._lock:
            for key in keys:
                if self._claimed.get(key) is event:
                    del self._claimed[key]

    def clear(self) -> None:
        with self._lock:
            self._index.clear()
            self._blocks.clear()
            self._signatures.clear()
            self._bytes = 0

    def __len__(self) -> int:
        return len(self._index)


def begin_anew() -> None:
    """In a forked child: nobody computes what was claimed."""
    for cache in list(_caches):
        cache._claimed.clear()


# From this size on, rows get pages of their own instead of a place in the C library's heap.
_OWN_PAGES_BYTES = 1 << 20


def empty_rows(n: int, width: int) -> Floats:
    """Zeros. Rows outlive what was allocated around them by far; in the heap, every such island keeps the space
    between it and the next from going back to the system (docs/benchmarks.md)."""
    n_bytes = 4 * n * width
    if n_bytes < _OWN_PAGES_BYTES:
        return np.zeros((n, width), dtype=np.float32)
    return np.frombuffer(mmap.mmap(-1, n_bytes), dtype=np.float32).reshape(n, width)
