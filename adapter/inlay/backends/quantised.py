"""Weights of eight bits, through torchao: `dtype = "int8"`.

Each row of a linear layer's matrix has a scale of its own, and is made a matrix of the precision that `auto` stands for
when it is multiplied. So a model takes half the memory and no less time. Embeddings, norms and the layer that makes
logits stay as they are: small models share that one with their embeddings, and lose the most by it.
"""

from __future__ import annotations

from typing import Any

import torch

from inlay.errors import CannotServeError, MissingExtraError
from inlay.models.ref import ModelRef


def quantised(ref: ModelRef, model: Any) -> Any:
    """The model, with its linear layers in eight bits where ref.dtype says so; changed in place. Raises
    CannotServeError for one that has no such layers, and MissingExtraError."""
    if ref.dtype != "int8":
        return model
    try:
        from torchao.quantization import Int8WeightOnlyConfig, quantize_
    except ImportError as error:
        why = f"model {ref.name!r} with dtype = 'int8'"
        raise MissingExtraError.package(error.name or "torchao", "int8", why) from error
    logits = model.get_output_embeddings()
    layers = {layer for layer in model.modules() if isinstance(layer, torch.nn.Linear) and layer is not logits}
    if not layers:
        raise CannotServeError(
            f"model {ref.name!r} ({ref.architecture}) has no linear layers that torchao makes int8. Set another dtype "
            f"in [models.{ref.name}]."
        )
    quantize_(model, Int8WeightOnlyConfig(), filter_fn=lambda layer, _: layer in layers)
    return model
