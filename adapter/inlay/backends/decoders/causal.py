"""Reads prompts and continues them, on models whose tokens attend to everything before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from inlay.arrays import Ints
from inlay.backends.chat.control_tokens import Ids
from inlay.backends.decoders.padding import padded
from inlay.backends.decoders.row_cache import Prefix, RowCache

# Tokens read in one pass. On CPUs more leave the cache; on a GPU the layers' intermediate values would fill it.
CPU_READ_TOKENS = 4_096
GPU_READ_TOKENS = 8_192

# A shorter common beginning is not worth a pass of its own.
_LEAST_PREFIX = 8


class CausalReader:
    """One decoder-only model on one device.

    window: length limit of a row, None for no limit. token_bytes: size of the cache for one token.
    """

    def __init__(self, model: Any, device: torch.device) -> None:
        self.model = model
        self.device = device
        self.read_tokens = CPU_READ_TOKENS if device.type == "cpu" else GPU_READ_TOKENS
        layers = DynamicCache(config=model.config).layers
        self._n_layers = len(layers)
        self.window = _window(model.config, layers)
        self.token_bytes = 1
        self.vocabulary = int(model.get_output_embeddings().weight.shape[0])

    def cache(self) -> RowCache:
        return RowCache(self._n_layers)

    def prefix(self, rows: Sequence[Ids]) -> Prefix:
        """The common beginning of the rows, read once; [] where a pass of its own does not pay."""
        n_tokens = common_beginning(rows)
        if len(rows) < 2 or n_tokens < _LEAST_PREFIX:
            return []
        cache = self.cache()
        cache.reserve(1, n_tokens)
        self._read(cache, slice(0, 1), rows[0][None, :n_tokens], 0)
        return cache.beginning(n_tokens)

    def read(self, cache: RowCache, rows: Sequence[Ids], prefix: Prefix, first: int = 0) -> None:
        """Reads rows into the places from `first` on, which are reserved: all tokens but the last of each, which the
        first step reads. Rows are best sorted by length: several are read together, the shorter ones padded at the end,
        where no token attends."""
        known = prefix[0][0].shape[2] if prefix else 0
        start = 0
        while start < len(rows):
            n_rows = max(1, self.read_tokens // max(1, len(rows[start]) - 1 - known))
            group = rows[start : start + n_rows]
            places = slice(first + start, first + start + len(group))
            if prefix:
                cache.put(places, prefix)
            width = max(len(row) for row in group) - 1 - known
            if width > 0:
                ids, _ = padded([row[known:-1] for row in group])
                self._read(cache, places, ids, known)
            if known + width > 0:
                cache.clear_behind(places, known + width)
            start += n_rows

    def read_alike(self, cache: RowCache, rows: Sequence[Ids], prefix: Prefix, groups: Sequence[Ints]) -> None:
        """The same for groups of rows with a common beginning, which is read once per group."""
        beginnings = [common_beginning([rows[i] for i in group]) for group in groups]
        common = self.cache()
        common.reserve(len(groups), 1 + max(beginnings))
        heads = [rows[group[0]][: n + 1] for group, n in zip(groups, beginnings, strict=True)]
        self.read(common, heads, prefix)
        whose = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        known = np.array(beginnings)[whose]
        rest = [row[n:-1] for row, n in zip(rows, known, strict=True)]
        cache.reserve(len(rows), max(beginnings) + max(map(len, rest)))
        # All beginnings are copied as wide as the longest: what is after a shorter one is overwritten.
        cache.copy(common, torch.from_numpy(whose).to(self.device), max(beginnings))
        start = 0
        while start < len(rows):
            width, end = len(rest[start]), start + 1
            while end < len(rows) and (1 + end - start) * max(width, len(rest[end])) <= self.read_tokens:
                width = max(width, len(rest[end]))
                end += 1
            if width:
                ids, _ = padded(rest[start:end])
                tokens, at = (torch.from_numpy(each).to(self.device) for each in (ids, known[start:end]))
                sees = torch.ones((width, width), dtype=torch.bool, device=self.device).tril()
                # Without the head, as in _read().
                self._go_on(self.model.base_model, cache, slice(start, end), tokens, at, sees)
            start = end

    def _read(self, cache: RowCache, places: slice, ids: Any, known: int) -> None:
        n_rows, width = ids.shape
        tokens = torch.from_numpy(ids.astype(np.int64)).to(self.device)
        step = max(1, self.read_tokens // n_rows)
        for start in range(0, width, step):
            part = tokens[:, start : start + step]
            cache.fill(places, known + start)
            positions = torch.arange(known + start, known + start + part.shape[1], device=self.device)
            # Without the head: the logits of these tokens are not needed.
            self.model.base_model(
                input_ids=part, position_ids=positions[None].expand(n_rows, -1), past_key_values=cache, use_cache=True
            )

    def step(
        self, cache: RowCache, rows: slice, tokens: torch.Tensor, at: torch.Tensor, sees: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits after each of these tokens, [rows, tokens, vocabulary].

        tokens: [rows, tokens]; the first of each row is in slot at[row]. sees: bool [tokens, tokens], which of these
        tokens each one attends to in addition to the prompt; their number is its position. None: one token per row.
        """
        if sees is None:
            sees = torch.ones((1, 1), dtype=torch.bool, device=self.device)
        return self._go_on(self.model, cache, rows, tokens, at, sees).logits  # type: ignore[no-any-return]

    def _go_on(
        self, model: Any, cache: RowCache, rows: slice, tokens: torch.Tensor, at: torch.Tensor, sees: torch.Tensor
    ) -> Any:
        """A pass of `model`, with or without its head, over tokens that follow the rows in the cache; see step()."""
        n_tokens = tokens.shape[1]
        n_slots = cache.step(rows, at, n_tokens)
        depth = sees.sum(dim=1) - 1
        behind = torch.arange(n_slots, device=self.device)[None] - at[:, None]
        visible = sees[:, behind.clamp(0, n_tokens - 1)].transpose(0, 1) & (behind < n_tokens)[:, None]
        mask = torch.where(visible, 0.0, torch.finfo(self.model.dtype).min).to(self.model.dtype)
        return model(
            input_ids=tokens, position_ids=at[:, None] + depth, attention_mask=mask[:, None], past_key_values=cache,
            use_cache=True,
        )  # fmt: skip


def common_beginning(rows: Sequence[Ids]) -> int:
    """The number of tokens that all rows have in common at the beginning, without the last of a row.

    >>> common_beginning([np.array([1, 2, 3, 4]), np.array([1, 2, 3])])
    2
    """
    first = rows[0]
    most = len(first) - 1
    for row in rows[1:]:
        most = min(most, len(row) - 1)
        differs = np.flatnonzero(row[:most] != first[:most])
        if len(differs):
            most = int(differs[0])
    return max(0, most)


@torch.inference_mode()
def reader_of(model: Any, device: torch.device) -> CausalReader | None:
    """None where this model cannot be read row by row. It can where its cache contains keys and values alone, and two
    rows of different lengths, read after a common prefix and continued by a tree, have the logits that each has alone.

    Tried, since what else decides it (biases by distance, positions from masks, sinks) has no name in configurations.
    """
    try:
        layers = DynamicCache(config=model.config).layers
        if any(type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer) for layer in layers):
            return None
        reader = CausalReader(model, device)
        return reader if _agrees(reader) else None
    except Exception:  # whatever it is, transformers' own loop serves this model
        return None


def _agrees(reader: CausalReader) -> bool:
    numbers = (np.arange(52) * 7919 + 11) % reader.vocabulary
    prefix, way, other = numbers[:8], numbers[33:51], numbers[51]
    rows = [np.concatenate([prefix, numbers[8:10]]), np.concatenate([prefix, numbers[10:33]])]
    n_nodes = len(way) + 2
    # A long path from the root and, far after it in the cache, another child of the root.
    sees = np.tri(n_nodes, dtype=np.bool_)
    sees[-1, 1:-1] = False
    cache = reader.cache()
    cache.reserve(2, max(len(row) for row in rows) + n_nodes)
    reader.read(cache, rows, reader.prefix(rows))
    reader.token_bytes = cache.token_bytes()
    tokens = torch.tensor([[row[-1], *way, other] for row in rows], device=reader.device)
    at = torch.tensor([len(row) - 1 for row in rows], device=reader.device)
    ours = reader.step(cache, slice(0, 2), tokens, at, torch.from_numpy(sees).to(reader.device)).float()
    off = []
    for i, row in enumerate(rows):
        for place, more in ((0, []), (n_nodes - 2, way), (n_nodes - 1, [other])):
            alone = torch.from_numpy(np.concatenate([row, more]).astype(np.int64)[None]).to(reader.device)
            theirs = reader.model(input_ids=alone, use_cache=False).logits[0, -1].float()
            # Without their means: what all logits have in common decides nothing, and half precision moves it most.
            off.append((ours[i, place] - theirs).std() / theirs.std())
    # Half precision alone makes two to five per cent; a wrong mask or position, some tens.
    return bool(torch.stack(off).max() < (0.001 if reader.model.dtype == torch.float32 else 0.1))


def _window(config: Any, layers: Sequence[Any]) -> int | None:
    """The length up to which every layer attends to everything and rotary frequencies stay the same; None for any."""
    settings = config.get_text_config(decoder=True).to_dict()
    limits: list[Any] = [layer.sliding_window for layer in layers if isinstance(layer, DynamicSlidingWindowLayer)]
    # GPT-Neo and some others have windows in their layers that their cache does not know.
    limits += [value for name, value in settings.items() if "window" in name and "layers" not in name]
    rope = settings.get("rope_parameters") or settings.get("rope_scaling") or {}  # the name until transformers 5
    # The frequencies of the whole batch change when its longest row passes this length.
    if rope.get("rope_type") == "longrope":
        limits += [settings.get("original_max_position_embeddings"), rope.get("original_max_position_embeddings")]
    return min((limit for limit in limits if type(limit) is int and limit > 0), default=None)
