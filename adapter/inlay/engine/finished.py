"""What another thread finishes, taken by the caller a few at a time, so that it is stored as it comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from inlay.engine.cancel import Token

T = TypeVar("T")

# The most items that wait to be stored, and for how long.
STORE_ITEMS = 256
STORE_S = 2.0

WAIT_SLICE_S = 0.1


@dataclass(frozen=True)
class End:
    """After this nothing more comes. failure: what ended the work before all was done; None where all is."""

    failure: BaseException | None = None


class Finished(Generic[T]):
    """Whoever works puts items and then the end; whoever asked takes them."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[T | End] = SimpleQueue()

    def put(self, item: T | End) -> None:
        self._queue.put(item)

    def batches(self, cancel: Token, at_once: int = STORE_ITEMS) -> Iterator[list[T]]:
        """What is finished, in batches worth storing. Raises what ended the work, after what was finished before it,
        and InterruptedQueryError when cancelled."""
        batch: list[T] = []
        since = time.monotonic()
        while True:
            try:
                item: T | End | None = self._queue.get(timeout=WAIT_SLICE_S)
            except Empty:
                item = None
            if item is not None and not isinstance(item, End):
                batch.append(item)
            if batch and (len(batch) >= at_once or isinstance(item, End) or time.monotonic() - since > STORE_S):
                yield batch
                batch, since = [], time.monotonic()
            if isinstance(item, End):
                if item.failure is not None:
                    raise item.failure
                cancel.check()
                return
            if item is None and cancel.cancelled:
                if batch:
                    yield batch
                cancel.check()


def finished_by(name: str, work: Callable[[Callable[[T], None]], None]) -> Finished[T]:
    """Has `work` done in a thread; it is given what to call with each item."""
    finished: Finished[T] = Finished()

    def run() -> None:
        end = End()
        try:
            work(finished.put)
        except BaseException as error:
            end = End(error)
        finished.put(end)

    threading.Thread(target=run, name=name, daemon=True).start()
    return finished
