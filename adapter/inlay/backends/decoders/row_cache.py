"""Keys and values of rows that are read and written together, each at its own length.

Token t of row i is in slot t of row i, whatever the other rows contain. So no row is padded on the left, another row
can take the place of a finished one, and nothing is copied when a token is added (transformers' DynamicCache copies
everything at each step).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

# The number of slots grows in these steps, so that the cache is seldom reallocated.
_SLOTS = 64

Prefix = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, [1, heads, tokens, width]."""


class RowCache(Cache):
    """fill() or step() is called before each forward pass and decides where it writes."""

    def __init__(self, n_layers: int) -> None:
        self._own = [_Layer(self) for _ in range(n_layers)]
        super().__init__(layers=[*self._own])
        self.capacity = (0, 0)
        self.rows = slice(0, 0)
        self.start = 0
        self.longest = 0
        self.at: tuple[torch.Tensor, torch.Tensor] | None = None

    def reserve(self, n_rows: int, n_slots: int, kept: tuple[int, int] = (0, 0)) -> None:
        """Makes room for rows and slots; the content of the first `kept` (rows, slots) is kept."""
        if n_rows <= self.capacity[0] and n_slots <= self.capacity[1]:
            return
        self.capacity = (n_rows + n_rows // 8, -(-n_slots // _SLOTS) * _SLOTS + _SLOTS)
        for layer in self._own:
            layer.remake(kept)

    def fill(self, rows: slice, start: int) -> None:
        """The next pass writes tokens of these rows from slot `start` on, the same for all rows."""
        self.rows, self.start, self.at = rows, start, None

    def step(self, rows: slice, at: torch.Tensor, n_tokens: int) -> int:
        """The next pass writes n_tokens of each row from slot at[row] on. Returns the number of slots it attends to."""
        numbers = torch.arange(rows.start, rows.stop, device=at.device)
        self.rows = rows
        self.at = (numbers[:, None], at[:, None] + torch.arange(n_tokens, device=at.device))
        self.start = int(at.max())
        self.longest = self.start + n_tokens
        return self.longest

    def put(self, rows: slice, prefix: Prefix) -> None:
        """Copies the prefix to the beginning of these rows."""
        for layer, (keys, values) in zip(self._own, prefix, strict=True):
            layer.put(rows, keys, values)

    def copy(self, other: RowCache, source: torch.Tensor, n_tokens: int) -> None:
        """Copies the first n_tokens of rows `source` of another cache to the first rows."""
        for layer, theirs in zip(self._own, other._own, strict=True):
            layer.put(slice(0, len(source)), theirs.keys[source, :, :n_tokens], theirs.values[source, :, :n_tokens])

    def beginning(self, n_tokens: int) -> Prefix:
        """The first tokens of row 0."""
        return [(layer.keys[:1, :, :n_tokens].clone(), layer.values[:1, :, :n_tokens].clone()) for layer in self._own]

    def token_bytes(self) -> int:
        """The size of one token, in bytes."""
        held = [each for layer in self._own for each in (layer.keys, layer.values)]
        return sum(each.shape[1] * each.shape[3] * each.element_size() for each in held)

    def clear_behind(self, rows: slice, slot: int) -> None:
        """Clears what earlier rows left after this slot. No token attends to it, but a NaN times 0 is NaN."""
        for layer in self._own:
            layer.keys[rows, :, slot:] = 0
            layer.values[rows, :, slot:] = 0

    def move(self, source: Sequence[int], target: Sequence[int]) -> None:
        """Copies the source rows to the target rows."""
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
        self.is_initialized = False  # transformers 4.56 does not set it
        self.table = table

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.keys, self.values = self._empty(key_states), self._empty(value_states)
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Writes [rows, heads, tokens, width]; returns everything that the pass may attend to."""
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

    def get_mask_sizes(self, query: int | torch.Tensor) -> tuple[int, int]:
        """query: the number of tokens of the pass; transformers 4 gives their positions."""
        return self.table.start + (query if isinstance(query, int) else len(query)), 0

    def get_max_length(self) -> int:
        return -1

    get_max_cache_shape = get_max_length  # the name until transformers 5
