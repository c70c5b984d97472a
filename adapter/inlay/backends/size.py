"""How much memory a model's weights take once they are loaded, by the headers of their files: known before they are."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch

from inlay.backends.device import choose_devices, choose_dtype
from inlay.backends.encoders.lean_bert import is_lean
from inlay.models.ref import ModelRef

_FLOATS = ("F64", "F32", "F16", "BF16")


def weights_bytes(ref: ModelRef) -> int:
    """On all devices together. What a batch needs beside them is not in it, nor are copies made while loading. A file
    that cannot be read counts nothing: loading it says why."""
    devices = choose_devices(ref.device)
    dtype = choose_dtype(ref.dtype, devices[0])
    lean = devices[0].type == "cpu" and is_lean(ref)
    total = 0
    for file, _ in ref.weights:
        for name, kind, shape, n_bytes in _tensors(ref.folder / file):
            n_numbers = math.prod(shape)
            if kind not in _FLOATS:
                total += n_bytes
            elif "/" in file or (lean and _stays_float32(name)):
                total += 4 * n_numbers
            elif ref.dtype == "int8" and len(shape) == 2 and not _is_kept(name):
                total += n_numbers
            else:
                total += torch.finfo(dtype).bits // 8 * n_numbers
    return len(devices) * total


def _stays_float32(name: str) -> bool:
    return "embeddings." in name or "LayerNorm" in name


def _is_kept(name: str) -> bool:
    """Whether a matrix stays as it is where linear layers become int8: embeddings, and what makes logits."""
    return any(part in name for part in ("embed", "shared", "lm_head", "wte.", "wpe.", "attention_bias"))


def _tensors(path: Path) -> list[tuple[str, str, list[int], int]]:
    """(name, type, shape, bytes in the file) of each tensor of a safetensors file."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        header.pop("__metadata__", None)
        return [
            (name, about["dtype"], about["shape"], about["data_offsets"][1] - about["data_offsets"][0])
            for name, about in header.items()
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, MemoryError, OverflowError):
        return []
