"""Keys and values of rows that are read and written together, each at its own length.

Token t of row i lies in slot t of row i, whatever the other rows hold. So no row is padded on the left, a row that is
done gives its place to another, and nothing is copied when a token is added (transformers' DynamicCache copies all it
holds at each step).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

# Slots are made in such steps, so that a table is seldom made anew.
_SLOTS = 64

Prefix = list[tuple[torch.Tensor, torch.Tensor]]
"""Of each layer: keys and values, [1, heads, tokens, width]."""


class RowCache(Cache):
    """Before each forward pass fill() or step() says where it writes."""

    def __init__(self, n_layers: int) -> None:
        self._own = [_Layer(self) for _ in range(n_layers)]
        super().__init__(layers=[*self._own])
        self.capacity = (0, 0)
        self.rows = slice(0, 0)
        self.start = 0
        self.longest = 0
        self.at: tuple[torch.Tensor, torch.Tensor] | None = None

    def reserve(self, n_rows: int, n_slots: int, kept: tuple[int, int] = (0, 0)) -> None:
        """Makes room; what lies in the first `kept` (rows, slots) stays."""
        if n_rows <= self.capacity[0] and n_slots <= self.capacity[1]:
            return
        self.capacity = (n_rows + n_rows // 8, -(-n_slots // _SLOTS) * _SLOTS + _SLOTS)
        for layer in self._own:
            layer.remake(kept)

    def fill(self, rows: slice, start: int) -> None:
        """The pass reads tokens of these rows from slot `start` on, the same for all of them."""
        self.rows, self.start, self.at = rows, start, None

    def step(self, rows: slice, at: torch.Tensor, n_tokens: int) -> int:
        """The pass reads n_tokens of each of these rows from slot at[row] on. Returns how many slots it looks at."""
        numbers = torch.arange(rows.start, rows.stop, device=at.device)
        self.rows = rows
        self.at = (numbers[:, None], at[:, None] + torch.arange(n_tokens, device=at.device))
        self.start = int(at.max())
        self.longest = self.start + n_tokens
        return self.longest

    def put(self, rows: slice, prefix: Prefix) -> None:
        """The prefix becomes the beginning of these rows."""
        for layer, (keys, values) in zip(self._own, prefix, strict=True):
            layer.put(rows, keys, values)

    def copy(self, other: RowCache, source: torch.Tensor, n_tokens: int) -> None:
        """The first rows begin as these rows of another table, by as many tokens."""
        for layer, theirs in zip(self._own, other._own, strict=True):
            layer.put(slice(0, len(source)), theirs.keys[source, :, :n_tokens], theirs.values[source, :, :n_tokens])

    def beginning(self, n_tokens: int) -> Prefix:
        """The first tokens of row 0."""
        return [(layer.keys[:1, :, :n_tokens].clone(), layer.values[:1, :, :n_tokens].clone()) for layer in self._own]

    def token_bytes(self) -> int:
        """What one token takes."""
        held = [each for layer in self._own for each in (layer.keys, layer.values)]
        return sum(each.shape[1] * each.shape[3] * each.element_size() for each in held)

    def clear_behind(self, rows: slice, slot: int) -> None:
        """Forgets what rows before these have left behind them. No row looks there, but a NaN times 0 is NaN."""
        for layer in self._own:
            layer.keys[rows, :, slot:] = 0
            layer.values[rows, :, slot:] = 0

    def move(self, source: Sequence[int], target: Sequence[int]) -> None:
        """Rows take the places of others."""
        for layer in self._own:
            layer.keys[list(target)] = layer.keys[list(source)]
            layer.values[list(target)] = layer.values[list(source)]


class _Layer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """keys and values: [rows, heads, slots, width], of the table's capacity."""

    is_sliding = False
    keys: Any
    values: Any

    def __init__(self, table: RowCache) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.table = table

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.keys, self.values = self._empty(key_states), self._empty(value_states)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Writes [rows, heads, tokens, width]; returns all that the pass may look at."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        table = self.table
        if table.at is None:
            end = table.start + key_states.shape[2]
            self.keys[table.rows, :, table.start : end] = key_states
            self.values[table.rows, :, table.start : end] = value_states
        else:
            rows, slots = table.at
            self.keys[rows, :, slots] = key_states.transpose(1, 2)
            self.values[rows, :, slots] = value_states.transpose(1, 2)
            end = table.longest
        return self.keys[table.rows, :, :end], self.values[table.rows, :, :end]

    def put(self, rows: slice, keys: torch.Tensor, values: torch.Tensor) -> None:
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
        self.keys[rows, :, : keys.shape[2]] = keys
        self.values[rows, :, : values.shape[2]] = values

    def remake(self, kept: tuple[int, int]) -> None:
        if not self.is_initialized:
            return
        n_rows, n_slots = kept
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = self._empty(old)
            new[:n_rows, :, :n_slots] = old[:n_rows, :, :n_slots]
            setattr(self, name, new)

    def _empty(self, like: torch.Tensor) -> torch.Tensor:
        n_rows, n_slots = self.table.capacity
        return like.new_zeros((n_rows, like.shape[1], n_slots, like.shape[3]))

    def get_seq_length(self) -> int:
        return self.table.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.table.start + query_length, 0

    def get_max_length(self) -> int:
        return -1
