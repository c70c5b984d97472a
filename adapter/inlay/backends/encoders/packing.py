"""Padding-free attention: all tokens of a batch as one row, each text attending only to itself.

transformers lets a registered function replace a model's attention. This one splits the row at the texts' borders and
runs scaled_dot_product_attention over each run of texts of equal length, so no position is padding and every
linear layer sees the packed tokens alone.
"""

from __future__ import annotations

import threading
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface

from inlay.arrays import Ints
from inlay.backends.encoders.packed_rows import runs_of_equal_length

NAME = "inlay_packed"

# Model types whose attention depends on its arguments alone: learned positions come with position_ids, and no other
# layer mixes tokens. The packing tests cover each.
PACKABLE = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert"})

# Set just before each forward pass, by the thread that runs it.
_current = threading.local()


def set_borders(lengths: Ints) -> None:
    """lengths: tokens of each text in the row, equal lengths side by side (as cut_batches leaves them)."""
    _current.runs = runs_of_equal_length(lengths)


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """query, key, value: [1, heads, total tokens, head width]. Returns [1, total tokens, heads, head width]."""
    heads, total, width = query.shape[1:]
    out = torch.empty(total, heads, width, dtype=query.dtype, device=query.device)
    for start, n, length in _current.runs:
        part = slice(start, start + n * length)
        # [1, heads, n * length, width] → [n, heads, length, width], as views
        q, k, v = (t[0, :, part].view(heads, n, length, width).transpose(0, 1) for t in (query, key, value))
        attended = torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scaling)
        out[part].view(n, length, heads, width).copy_(attended.transpose(1, 2))
    return out[None], None


def no_mask(*_: Any, **__: Any) -> None:
    """The borders make a mask unnecessary."""
    return None


def register() -> None:
    AttentionInterface.register(NAME, packed_attention)
    AttentionMaskInterface.register(NAME, no_mask)
