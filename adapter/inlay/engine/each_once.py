"""Each distinct key is answered once, whichever threads ask for it: from memory, from the store, or computed by the
one that claimed it while the others wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from inlay.arrays import Bools, Ints
from inlay.engine.cancel import Token
from inlay.engine.result_cache import Memory, Rows

Key = TypeVar("Key", bytes, str)


@dataclass(frozen=True)
class Distinct(Generic[Key]):
    """keys: each of them once, in the order in which they come first. first: where that is. where: of every input, the
    place of its key."""

    keys: list[Key]
    first: Ints
    where: Ints


def distinct_keys(keys: list[Key]) -> Distinct[Key]:
    """
    >>> distinct_keys([b"a", b"b", b"a"]).where.tolist()
    [0, 1, 0]
    """
    places: dict[Key, int] = {}
    where = np.fromiter((places.setdefault(key, len(places)) for key in keys), dtype=np.int64, count=len(keys))
    first = np.zeros(len(places), dtype=np.int64)
    first[where[::-1]] = np.arange(len(keys))[::-1]
    return Distinct(list(places), first, where)


def answer_each_once(
    memory: Memory,
    keys: list[bytes],
    rows: Rows,
    *,
    empty: Callable[[int], Rows],
    stored: Callable[[list[int]], list[int]],
    compute: Callable[[list[int]], None],
    cancel: Token,
    owner: int | None,
) -> Bools:
    """Fills in `rows`, one for each of the distinct keys, and says which were known before.

    empty(n): room for n rows. stored(places): fills in what the store knows and gives the places it does not.
    compute(places): fills in the rest and publishes it to the memory. owner: what another thread computed for the same
    owner was not known.
    """
    known = np.ones(len(keys), dtype=np.bool_)
    missing, own = memory.lookup(keys, rows, owner)
    known[own] = False
    if missing:
        missing = stored(missing)
    while missing:
        mine, others = memory.claim([keys[place] for place in missing])
        mine_at = [missing[i] for i in mine]
        known[mine_at] = False
        try:
            if mine_at:
                compute(mine_at)
        finally:
            memory.release([keys[place] for place in mine_at])
        waiting = [missing[i] for i in others]
        for event in set(others.values()):
            _await(event, cancel)
        # Whatever another thread failed at is tried here once more, so that its error is listed here as well.
        into = empty(len(waiting))
        still, own = memory.lookup([keys[place] for place in waiting], into, owner)
        for i, place in enumerate(waiting):
            rows[place] = into[i]
        known[[waiting[i] for i in own]] = False
        missing = [waiting[i] for i in still]
    return known


def _await(event: threading.Event, cancel: Token) -> None:
    while not event.wait(0.1):
        cancel.check()
