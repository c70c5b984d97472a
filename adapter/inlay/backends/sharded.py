"""Several GPUs: one copy of the model on each, each batch goes to a free one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from inlay.arrays import Floats
from inlay.backends.base import Asked, Backend, BatchFailed, Done, Encoded, Instruction, LanguageModel, Prompt, Tokens
from inlay.locks import new_lock


class ShardedBackend:
    """Runs each of the lane's worker threads on a copy of its own."""

    def __init__(self, copies: Sequence[Backend]) -> None:
        self.ref = copies[0].ref
        self.device = f"{len(copies)} × {copies[0].device}"
        self.max_batch_tokens = min(copy.max_batch_tokens for copy in copies)
        self.workers = len(copies)
        self._copies = list(copies)
        self._free = list(copies)
        self._lock = new_lock()
        self._mine = threading.local()

    def start_worker(self) -> None:
        with self._lock:
            self._mine.copy = self._free.pop()

    def tokenize(
        self, texts: list[str], pairs: list[str] | None, prompt: Asked, tags: Sequence[str] | None = None
    ) -> Tokens:
        return self._copies[0].tokenize(texts, pairs, prompt, tags)

    def run(self, tokens: Tokens) -> Floats:
        copy: Backend = self._mine.copy
        return copy.run(tokens)


class ShardedLanguageModel(ShardedBackend):
    """The same for a language model; rows are distributed by length, so that all copies finish at about the same
    time."""

    def __init__(self, copies: Sequence[Backend]) -> None:
        super().__init__(copies)
        self._models = [cast("LanguageModel", copy) for copy in copies]

    def encode(self, instruction: Instruction, prompts: Sequence[Prompt]) -> list[Encoded | str]:
        return self._models[0].encode(instruction, prompts)

    def generate(
        self,
        instruction: Instruction,
        rows: Sequence[Encoded],
        *,
        max_batch_tokens: int,
        stopped: Callable[[], bool],
        done: Done,
    ) -> None:
        """Where several copies fail, the first failure is raised; rows of the others have no reply either."""
        by_length = sorted(range(len(rows)), key=lambda place: -len(rows[place].ids))

        def run(number: int) -> BatchFailed | None:
            mine = by_length[number :: len(self._models)]
            try:
                self._models[number].generate(
                    instruction,
                    [rows[place] for place in mine],
                    max_batch_tokens=max_batch_tokens,
                    stopped=stopped,
                    done=lambda position, reply: done(mine[position], reply),
                )
            except BatchFailed as failed:
                return BatchFailed([mine[row] for row in failed.rows], failed.cause)
            return None

        with ThreadPoolExecutor(len(self._models)) as threads:
            failures = [failed for failed in threads.map(run, range(len(self._models))) if failed is not None]
        if failures:
            raise failures[0]
