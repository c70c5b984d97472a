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
        for name, kind, n_numbers, n_bytes in _tensors(ref.folder / file):
            if kind not in _FLOATS:
                total += n_bytes
            elif "/" in file or (lean and _stays_float32(name)):
                total += 4 * n_numbers
            else:
                total += torch.finfo(dtype).bits // 8 * n_numbers
    return len(devices) * total


def _stays_float32(name: str) -> bool:
    return "embeddings." in name or "LayerNorm" in name


def _tensors(path: Path) -> list[tuple[str, str, int, int]]:
    """(name, type, numbers, bytes in the file) of each tensor of a safetensors file."""
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        header.pop("__metadata__", None)
        return [
            (name, about["dtype"], math.prod(about["shape"]), about["data_offsets"][1] - about["data_offsets"][0])
            for name, about in header.items()
        ]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, MemoryError, OverflowError):
        return []
