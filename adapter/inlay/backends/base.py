"""The contract between the engine and whatever runs a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inlay.types import ModelRef

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass
class Tokens:
    """Token ids of n texts, end to end, without padding.

    ids: int32, all tokens. offsets: int64 of length n + 1; text i is ids[offsets[i]:offsets[i + 1]].
    types: token type ids like ids, or None when the model takes none or all are 0.
    lengths_before: tokens of each text before any cut. prompt_tokens: how many of each text belong to the prompt
    and stay out of pooling (0 for most models).
    """

    ids: npt.NDArray[np.int32]
    offsets: Ints
    types: npt.NDArray[np.int32] | None
    lengths_before: Ints
    prompt_tokens: int = 0

    @property
    def lengths(self) -> Ints:
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1


class OutOfMemory(Exception):
    """The device had no room for this batch; a smaller one may fit."""


class Backend(Protocol):
    """A loaded model. `run` is called from the lane's threads only, from `workers` of them at once.

    max_batch_tokens: the token budget of a batch on this device. device: as it stands in the ledger, e.g.
    'cpu bfloat16'.
    """

    ref: ModelRef
    device: str
    max_batch_tokens: int
    workers: int

    def start_worker(self) -> None:
        """Called first in each of the lane's worker threads, where there are several."""
        ...

    def tokenize(self, texts: list[str], pairs: list[str] | None, prompt: str) -> Tokens:
        """Tokens of each text, or of each (text, pair), cut at the model's limit. Called from any thread."""
        ...

    def run(self, tokens: Tokens) -> Floats:
        """One row of float32 per text: a vector (embed) or logits (classify, nli, rerank).

        Raises OutOfMemory when a smaller batch may do; any other exception blames at least one row.
        """
        ...
