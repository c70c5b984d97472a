"""Several GPUs: one copy of the model on each, batches dealt to whichever is free."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from inlay.backends.base import Backend, Choices, Floats, Tokens


class ShardedBackend:
    """Runs each of the lane's worker threads on a copy of its own."""

    def __init__(self, copies: Sequence[Backend]) -> None:
        self.ref = copies[0].ref
        self.device = f"{len(copies)} × {copies[0].device}"
        self.max_batch_tokens = min(copy.max_batch_tokens for copy in copies)
        self.workers = len(copies)
        self._copies = list(copies)
        self._free = list(copies)
        self._lock = threading.Lock()
        self._mine = threading.local()

    def start_worker(self) -> None:
        with self._lock:
            self._mine.copy = self._free.pop()

    def tokenize(self, texts: list[str], pairs: list[str] | None, prompt: str | Choices) -> Tokens:
        return self._copies[0].tokenize(texts, pairs, prompt)

    def run(self, tokens: Tokens) -> Floats:
        copy: Backend = self._mine.copy
        return copy.run(tokens)
