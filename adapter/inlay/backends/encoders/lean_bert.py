"""A forward pass for BERT and related models on CPUs: no padding, no import of transformers.

It has two advantages over transformers (bench/embed.py, bench/cold_start.py): a process answers its first row without
some two seconds of imports, and the residual stream stays in float32 while every matrix product runs in bfloat16, so
that each row's cosine to the float32 answer is above 0.9999 at no cost in speed. Architectures that are not listed in
LEAN run through transformers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from inlay.backends.base import Tokens
from inlay.backends.encoders.packed_rows import position_ids
from inlay.backends.encoders.run_attention import RunAttention
from inlay.backends.model_files import read_config, read_weights
from inlay.errors import ModelError
from inlay.models.ref import ModelRef

# The post-norm encoder of Devlin et al. 2018 under these names; they differ in tokenizer and in where positions begin.
LEAN = frozenset({"bert", "roberta", "xlm-roberta", "camembert"})

# Required in config.json; where one is missing, only transformers knows the default of the family.
_REQUIRED = ("hidden_act", "layer_norm_eps", "num_attention_heads", "num_hidden_layers", "pad_token_id")


@dataclass(frozen=True)
class Activation:
    """apply: on a tensor. fused: oneDNN's name and variant of it."""

    apply: Callable[[torch.Tensor], torch.Tensor]
    fused: tuple[str, str]


_TANH_GELU = Activation(lambda x: functional.gelu(x, approximate="tanh"), ("gelu", "tanh"))
_ACTIVATIONS = {
    "gelu": Activation(functional.gelu, ("gelu", "none")),
    "gelu_new": _TANH_GELU,
    "gelu_pytorch_tanh": _TANH_GELU,
    "relu": Activation(functional.relu, ("relu", "")),
}


def is_lean(ref: ModelRef) -> bool:
    """Whether this forward pass runs the model: its family, absolute positions, a known activation, no int8 weights."""
    if not ref.can("vectors") or ref.model_type not in LEAN or ref.dtype == "int8":
        return False
    config = read_config(ref)
    return (
        all(key in config for key in _REQUIRED)
        and config.get("position_embedding_type", "absolute") == "absolute"
        and str(config["hidden_act"]) in _ACTIVATIONS
        and not config.get("is_decoder", False)
        and not config.get("add_cross_attention", False)
    )


def onednn_fuses_bf16() -> bool:
    """oneDNN has bfloat16 products for CPUs from AVX512 on; on others asking it for one fails, and torch computes."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return hasattr(torch.ops.mkldnn, "_linear_pointwise") and supported is not None and bool(supported())


class LeanBert:
    """tokens → last hidden states [total tokens, hidden], float32."""

    def __init__(self, ref: ModelRef, dtype: torch.dtype) -> None:
        config = read_config(ref)
        self._dtype = dtype
        self._fuses = dtype is torch.bfloat16 and onednn_fuses_bf16()
        self._heads = int(config["num_attention_heads"])
        self._epsilon = float(config["layer_norm_eps"])
        self._activation = _ACTIVATIONS[config["hidden_act"]]
        self._pad = int(config["pad_token_id"] or 0)
        self._model_type = ref.model_type
        take = _Taker(ref, _load_weights(ref))
        self._words = take("embeddings.word_embeddings.weight")
        self._positions = take("embeddings.position_embeddings.weight")
        take.check_sizes(config, hidden_size=self._words.shape[1], max_position_embeddings=len(self._positions))
        self._types = take("embeddings.token_type_embeddings.weight")
        self._embedding_norm = take.norm("embeddings.LayerNorm")
        self._layers = [_Layer(take, f"encoder.layer.{i}.", dtype) for i in range(int(config["num_hidden_layers"]))]

    def __call__(self, tokens: Tokens) -> torch.Tensor:
        hidden = self._embed(tokens)
        attention = RunAttention(tokens.lengths, self._heads, hidden.shape[1], self._dtype)
        for layer in self._layers:
            attended = attention(self._linear(hidden, layer.qkv))
            hidden = self._normed(hidden.add_(self._linear(attended, layer.output)), layer.output_norm)
            inner = self._linear(hidden, layer.widen, self._activation)
            hidden = self._normed(hidden.add_(self._linear(inner, layer.narrow)), layer.narrow_norm)
        return hidden

    def _linear(
        self, x: torch.Tensor, layer: tuple[torch.Tensor, torch.Tensor], activation: Activation | None = None
    ) -> torch.Tensor:
        x = x.to(self._dtype)
        if self._fuses:
            # oneDNN adds the bias and applies the activation while the product is in cache, which saves a sixth of the
            # forward pass (bench/engine.py). torch.compile does the same with linear and gelu on CPUs.
            name, kind = ("none", "") if activation is None else activation.fused
            return torch.ops.mkldnn._linear_pointwise(x, *layer, name, [], kind)  # type: ignore[no-any-return]
        product = functional.linear(x, *layer)
        return product if activation is None else activation.apply(product)

    def _embed(self, tokens: Tokens) -> torch.Tensor:
        ids = torch.from_numpy(tokens.ids).long()
        positions = torch.from_numpy(position_ids(tokens, self._model_type, self._pad))
        types = self._types[0] if tokens.types is None else self._types[torch.from_numpy(tokens.types).long()]
        summed = self._words[ids] + self._positions[positions] + types
        return self._normed(summed, self._embedding_norm)

    def _normed(self, hidden: torch.Tensor, norm: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        return functional.layer_norm(hidden, norm[0].shape, *norm, self._epsilon)


class _Layer:
    def __init__(self, take: _Taker, prefix: str, dtype: torch.dtype) -> None:
        parts = [take.linear(f"{prefix}attention.self.{name}", dtype) for name in ("query", "key", "value")]
        self.qkv = torch.cat([weight for weight, _ in parts]), torch.cat([bias for _, bias in parts])
        self.output = take.linear(f"{prefix}attention.output.dense", dtype)
        self.output_norm = take.norm(f"{prefix}attention.output.LayerNorm")
        self.widen = take.linear(f"{prefix}intermediate.dense", dtype)
        self.narrow = take.linear(f"{prefix}output.dense", dtype)
        self.narrow_norm = take.norm(f"{prefix}output.LayerNorm")


class _Taker:
    """Weights by their name inside the encoder, whatever prefix the checkpoint has ('bert.', 'roberta.', …)."""

    def __init__(self, ref: ModelRef, weights: dict[str, torch.Tensor]) -> None:
        self._ref = ref
        marker = "embeddings.word_embeddings.weight"
        self._prefix = next((name.removesuffix(marker) for name in weights if name.endswith(marker)), "")
        self._weights = weights

    def __call__(self, name: str) -> torch.Tensor:
        weight = self._weights.get(self._prefix + name)
        if weight is None:
            raise ModelError(
                f"model {self._ref.name!r}: {self._files()} is incomplete: it lacks {self._prefix + name!r}, which "
                "config.json calls for. Fetch the model again."
            )
        return weight.float()

    def check_sizes(self, config: dict[str, Any], **actual: int) -> None:
        for name, size in actual.items():
            if config.get(name) not in (None, size):
                raise ModelError(
                    f"model {self._ref.name!r}: {name} is {config[name]} in config.json and {size} in {self._files()}, "
                    "so one of them is damaged or of another model. Fetch the model again."
                )

    def _files(self) -> str:
        return ", ".join(str(self._ref.folder / name) for name, _ in self._ref.weights if "/" not in name)

    def linear(self, name: str, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        return self(f"{name}.weight").to(dtype), self(f"{name}.bias").to(dtype)

    def norm(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        # Checkpoints of 2018 call a norm's weight and bias gamma and beta.
        if f"{self._prefix}{name}.gamma" in self._weights:
            return self(f"{name}.gamma"), self(f"{name}.beta")
        return self(f"{name}.weight"), self(f"{name}.bias")


def _load_weights(ref: ModelRef) -> dict[str, torch.Tensor]:
    """As transformers: model.safetensors, or else every part of a model that was split."""
    names = [name for name, _ in ref.weights if "/" not in name]
    weights: dict[str, torch.Tensor] = {}
    for name in ["model.safetensors"] if "model.safetensors" in names else names:
        weights |= read_weights(ref, name)
    return weights
