"""Self-attention over packed tokens: one call for each run of texts of equal length."""

from __future__ import annotations

import torch
from torch.nn import functional

from inlay.arrays import Ints
from inlay.backends.encoders.packed_rows import runs_of_equal_length

# The CPU's bfloat16 kernel multiplies 16 keys at a time and uses a slow path for the rest: 15 keys take
# twice as long as 16. So keys and values are laid out with a few masked ones at the end, which saves a tenth of the
# whole forward pass on short texts (bench/engine.py); queries stay as they are.
KEYS_AT_A_TIME = 16


class RunAttention:
    """The attention of one batch, for every layer in turn."""

    def __init__(self, lengths: Ints, heads: int, width: int, dtype: torch.dtype) -> None:
        self._heads, self._width = heads, width
        self._runs = [_Run(start, n, length, width, dtype) for start, n, length in runs_of_equal_length(lengths)]
        self._out = torch.empty(int(lengths.sum()), width, dtype=dtype)

    def __call__(self, projected: torch.Tensor) -> torch.Tensor:
        """projected: [total tokens, 3 × width], query, key and value side by side. Returns [total tokens, width]."""
        head = self._width // self._heads
        for run in self._runs:
            rows = projected[run.part].view(run.n, run.length, 3 * self._width)
            query = rows[..., : self._width].view(run.n, run.length, self._heads, head).transpose(1, 2)
            key, value = run.keys_and_values(rows[..., self._width :]).view(
                run.n, -1, 2, self._heads, head
            ).permute(2, 0, 3, 1, 4)  # fmt: skip
            mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=run.mask)
            self._out[run.part].view(run.n, run.length, self._heads, head).copy_(mixed.transpose(1, 2))
        return self._out


class _Run:
    def __init__(self, start: int, n: int, length: int, width: int, dtype: torch.dtype) -> None:
        self.part = slice(start, start + n * length)
        self.n, self.length = n, length
        self.mask: torch.Tensor | None = None
        self._padded: torch.Tensor | None = None
        keys = -(-length // KEYS_AT_A_TIME) * KEYS_AT_A_TIME
        if dtype is torch.bfloat16 and keys != length:
            self._padded = torch.zeros(n, keys, 2 * width, dtype=dtype)
            self.mask = torch.zeros(1, 1, 1, keys, dtype=dtype)
            self.mask[..., length:] = float("-inf")

    def keys_and_values(self, rows: torch.Tensor) -> torch.Tensor:
        if self._padded is None:
            return rows
        self._padded[:, : self.length].copy_(rows)
        return self._padded
