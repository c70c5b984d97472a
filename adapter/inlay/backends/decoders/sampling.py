"""From logits to tokens: the likeliest, or one drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

_BLOCK = 256


def draws(seed: int, ids: npt.NDArray[np.int32]) -> np.random.Generator:
    """A row's random generator: it depends on the seed and the row's prompt, not on other rows."""
    digest = hashlib.sha256(f"{seed}/".encode() + ids.astype("<i4").tobytes()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def likeliest(logits: torch.Tensor) -> list[int]:
    """[rows, vocabulary] → one token per row."""
    return logits.argmax(dim=-1).tolist()


def drawn(logits: torch.Tensor, temperature: float, uniforms: Sequence[float]) -> list[int]:
    """One token per row of [rows, vocabulary], drawn from softmax(logits / temperature): the token at which the summed
    probabilities pass the row's uniform number. A token of probability 0 is never drawn.

    The sums are taken over blocks first and then within one, since a running float32 sum over a vocabulary of a hundred
    thousand has an error larger than the probabilities of rare tokens.
    """
    best = logits.amax(dim=-1, keepdim=True)
    weights = torch.softmax((logits - best) / temperature, dim=-1)
    weights = torch.nn.functional.pad(weights, (0, -weights.shape[-1] % _BLOCK))
    blocks = weights.view(len(weights), -1, _BLOCK)
    sums = blocks.sum(dim=-1).cpu().double().numpy()
    block, within = _passed(sums, np.asarray(uniforms))
    chosen = blocks[torch.arange(len(blocks), device=blocks.device), torch.from_numpy(block).to(blocks.device)]
    place, _ = _passed(chosen.cpu().double().numpy(), within)
    return (block * _BLOCK + place).tolist()  # type: ignore[no-any-return]


def _passed(
    weights: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """(place of each row at which its summed weights pass that share of their sum, share of that weight passed)."""
    summed = weights.cumsum(axis=1)
    target = np.minimum(shares * summed[:, -1], np.nextafter(summed[:, -1], 0))
    place = (summed > target[:, None]).argmax(axis=1)
    rows = np.arange(len(weights))
    weight = weights[rows, place]
    return place, np.clip((target - (summed[rows, place] - weight)) / weight, 0.0, np.nextafter(1.0, 0.0))
