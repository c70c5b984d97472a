"""What follows pooling in a sentence-transformers model: Dense, LayerNorm, Normalize, always in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from inlay.backends.model_files import read_weights
from inlay.errors import ModelError
from inlay.models.ref import ModelRef, Projection


def load_head_part(ref: ModelRef, part: str | Projection, device: torch.device) -> Any:
    """A function of vectors [n, width], for one part of ModelRef.head."""
    if part == "normalize":
        return lambda vectors: torch.nn.functional.normalize(vectors, dim=-1)
    if isinstance(part, str):
        saved = _head_weights(ref, part.removeprefix("layernorm:"), "norm.weight", "norm.bias")
        weight, bias = saved["norm.weight"].float().to(device), saved["norm.bias"].float().to(device)
        return lambda vectors: torch.nn.functional.layer_norm(vectors, weight.shape, weight, bias)
    needed = ("linear.weight", "linear.bias") if part.bias else ("linear.weight",)
    saved = {name: tensor.float().to(device) for name, tensor in _head_weights(ref, part.path, *needed).items()}
    activation = _activation(ref, part.activation)

    def project(vectors: torch.Tensor) -> torch.Tensor:
        projected: torch.Tensor = activation(
            torch.nn.functional.linear(vectors, saved["linear.weight"], saved.get("linear.bias"))
        )
        if part.residual:
            carried = vectors if "residual.weight" not in saved else vectors @ saved["residual.weight"].T
            projected = projected + carried
        return projected

    return project


def _head_weights(ref: ModelRef, path: str, *needed: str) -> dict[str, torch.Tensor]:
    file = Path(path, "model.safetensors")
    saved = read_weights(ref, file)
    for name in needed:
        if name not in saved:
            raise ModelError(
                f"model {ref.name!r}: {ref.folder / file} has no weights named {name!r}. Fetch the model again."
            )
    return saved


def _activation(ref: ModelRef, name: str) -> torch.nn.Module:
    """Only torch's own activations: a name from a model's files is never imported from elsewhere."""
    kind = getattr(torch.nn, name, None)
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        raise ModelError(
            f"model {ref.name!r}: its Dense layer has the activation {name!r}, which torch.nn does not have."
        )
    return kind()
