"""How large a batch may be: what the device allows, less after it ran out of memory, and more again after a while."""

from __future__ import annotations

# After an out-of-memory the budget is halved; after this many batches without one it doubles again.
GROW_AFTER_BATCHES = 32


class TokenBudget:
    """max_tokens: of a batch. Not thread-safe."""

    def __init__(self, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self._most = max_tokens
        self._batches_since_oom = 0

    def shrink(self) -> None:
        self._batches_since_oom = 0
        self.max_tokens = max(self.max_tokens // 2, 1)

    def grow(self) -> None:
        """After a batch that went well."""
        self._batches_since_oom += 1
        if self._batches_since_oom >= GROW_AFTER_BATCHES and self.max_tokens < self._most:
            self.max_tokens = min(self.max_tokens * 2, self._most)
            self._batches_since_oom = 0
