"""dtype = 'int8': the numbers of the same model whose matrices were rounded by hand, and the memory that is saved."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch

from inlay.backends import device
from inlay.backends.base import Choices
from inlay.backends.decoders.language_model import TorchLanguageModel
from inlay.backends.load import load_backend, weights_bytes
from inlay.errors import CannotServeError, MissingExtraError
from inlay.models.describe import describe
from inlay.settings.schema import ModelSettings
from support.tiny_language_models import TinyLanguageModels
from support.tiny_models import TinyModels

pytest_plugins = ("support.tiny_models", "support.tiny_language_models")

TEXTS = ["a lamp", "The parcel came three days late and the box was broken.", "x"]
CHOICES = Choices("", "{text}\n\nGood or bad?", ("good", "bad", "neither of both"))


def linear_layers(model: Any) -> dict[str, torch.nn.Linear]:
    """All but the one that makes logits."""
    return {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and layer is not model.get_output_embeddings()
    }


def inside(model: Any) -> Any:
    return getattr(model._other, "model", None) or model._other._model


@pytest.fixture
def torchao(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products in float32 on every machine, so that they can be compared."""
    pytest.importorskip("torchao", reason="torchao is not installed: pip install 'inlay[int8]'")
    monkeypatch.setattr(device, "cpu_multiplies_bf16", lambda: False)


@pytest.mark.usefixtures("torchao")
@pytest.mark.parametrize("family", ["llama", "qwen2", "t5"])
def test_a_language_model_computes_with_rounded_weights(family: str, language_models: TinyLanguageModels) -> None:
    ours, theirs = (
        load_backend(language_models.ref(family, device="cpu", dtype=dtype)) for dtype in ("int8", "float32")
    )
    assert isinstance(ours, TorchLanguageModel) and isinstance(theirs, TorchLanguageModel)
    before = theirs.run(theirs.tokenize(TEXTS, None, CHOICES))
    layers = linear_layers(inside(ours))
    assert len(layers) >= 12
    for name, layer in linear_layers(inside(theirs)).items():
        rounded = layers[name].weight.dequantize()
        steps = layer.weight.abs().amax(dim=1, keepdim=True) / 127
        assert 0 < ((rounded - layer.weight).abs() / steps).max() < 0.6
        with torch.no_grad():
            layer.weight.copy_(rounded)
    expected = theirs.run(theirs.tokenize(TEXTS, None, CHOICES))
    found = ours.run(ours.tokenize(TEXTS, None, CHOICES))
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert not np.allclose(found, before, atol=2e-3)
    assert ours.device == "cpu float32 int8"


@pytest.mark.usefixtures("torchao")
@pytest.mark.parametrize("family", ["bert", "electra"])
def test_an_encoder_does_too(family: str, tiny_models: TinyModels) -> None:
    exact, ours = (
        load_backend(describe(ModelSettings("m", str(tiny_models.sentence(family))), device="cpu", dtype=dtype))
        for dtype in ("float32", "int8")
    )
    a, b = (backend.run(backend.tokenize(TEXTS, None, "")) for backend in (exact, ours))
    cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosines.min() > 0.99 and cosines.max() < 1 - 1e-7


@pytest.mark.usefixtures("torchao")
@pytest.mark.parametrize("family", ["llama", "qwen2", "t5"])
def test_the_size_is_known_before_it_is_loaded(family: str, language_models: TinyLanguageModels) -> None:
    ref = language_models.ref(family, device="cpu", dtype="int8")
    model = inside(load_backend(ref))
    held = {}
    from torchao.utils import TorchAOBaseTensor

    for weight in model.parameters():
        parts = [weight]
        if isinstance(weight, TorchAOBaseTensor):
            parts = [getattr(weight, name) for name in weight.__tensor_flatten__()[0]]
        held |= {part.data_ptr(): part.nbytes for part in parts}
    assert 0.85 < weights_bytes(ref) / sum(held.values()) < 1.15  # of each row's scale it knows nothing


def test_without_torchao_the_command_is_named(
    language_models: TinyLanguageModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchao", None)
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(
        MissingExtraError, match=r"dtype = 'int8' needs the package 'torchao.*pip install 'inlay\[int8\]'"
    ):
        load_backend(language_models.ref("llama", device="cpu", dtype="int8"))


@pytest.mark.usefixtures("torchao")
def test_a_model_without_linear_layers_is_refused(language_models: TinyLanguageModels) -> None:
    with pytest.raises(CannotServeError, match="no linear layers that torchao makes int8"):
        load_backend(language_models.ref("gpt2", device="cpu", dtype="int8"))
