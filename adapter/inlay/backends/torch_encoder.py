"""Encoders and classifiers on torch through transformers: vectors, logits."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from inlay.backends import packing
from inlay.backends.base import Floats, OutOfMemory, Tokens
from inlay.backends.device import choose_device, choose_dtype, device_name
from inlay.backends.pooling import pool
from inlay.backends.tokenizer import TextTokenizer
from inlay.errors import DigestError, ModelError
from inlay.types import ModelRef, Projection

# Padded tokens of a batch. On CPUs larger batches leave the cache and gain nothing; a GPU wants to be filled.
CPU_BATCH_TOKENS = 4_096
GPU_BATCH_TOKENS = 65_536


class TorchEncoder:
    """One model on one device."""

    def __init__(self, ref: ModelRef) -> None:
        self.ref = ref
        _check_digests(ref)
        self._device = choose_device(ref.device)
        self._dtype = choose_dtype(ref.dtype, self._device)
        self.device = device_name(self._device, self._dtype)
        self.max_batch_tokens = CPU_BATCH_TOKENS if self._device.type == "cpu" else GPU_BATCH_TOKENS
        packing.register()
        self._packed = ref.model_type in packing.PACKABLE
        self._model = _load_model(ref, self._dtype, packing.NAME if self._packed else None).to(self._device)
        config = self._model.config
        self._pad = config.pad_token_id or 0
        # RoBERTa numbers positions from padding_idx + 1.
        self._first_position = self._pad + 1 if ref.model_type in ("roberta", "xlm-roberta", "camembert") else 0
        self._tokenize = TextTokenizer(ref, with_types=getattr(config, "type_vocab_size", 0) > 1)
        self._head = [_load_head_part(ref, part, self._device) for part in ref.head]

    def tokenize(self, texts: list[str], pairs: list[str] | None, prompt: str) -> Tokens:
        return self._tokenize(texts, pairs, prompt)

    @torch.inference_mode()
    def run(self, tokens: Tokens) -> Floats:
        try:
            if self.ref.task == "embed":
                rows = self._vectors(tokens)
            else:
                rows = self._logits(tokens)
            return rows.float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            raise OutOfMemory(str(error).splitlines()[0]) from error
        except RuntimeError as error:
            # The CPU allocator has no exception type of its own.
            if "not enough memory" in str(error) or "can't allocate memory" in str(error):
                raise OutOfMemory(str(error).splitlines()[0]) from error
            raise

    def _vectors(self, tokens: Tokens) -> torch.Tensor:
        hidden = self._packed_hidden(tokens) if self._packed else self._padded_hidden(tokens)
        lengths = torch.from_numpy(tokens.lengths).to(self._device)
        vectors = pool(hidden, lengths, self.ref.pooling, tokens.prompt_tokens)
        for part in self._head:
            vectors = part(vectors)
        return vectors

    def _packed_hidden(self, tokens: Tokens) -> torch.Tensor:
        return self._packed_forward(tokens).last_hidden_state[0]  # type: ignore[no-any-return]

    def _packed_forward(self, tokens: Tokens) -> Any:
        lengths = tokens.lengths
        packing.set_borders(lengths)
        position = np.arange(len(tokens.ids)) - np.repeat(tokens.offsets[:-1], lengths) + self._first_position
        inputs = {"input_ids": self._row(tokens.ids), "position_ids": self._row(position)}
        if tokens.types is not None:
            inputs["token_type_ids"] = self._row(tokens.types)
        return self._model(**inputs)

    def _row(self, values: Any) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values, dtype=np.int64)[None]).to(self._device)

    def _padded_hidden(self, tokens: Tokens) -> torch.Tensor:
        inputs, mask = self._padded_inputs(tokens)
        return self._model(**inputs).last_hidden_state[mask]  # type: ignore[no-any-return]

    def _logits(self, tokens: Tokens) -> torch.Tensor:
        # A classification head reads one place of each text (or pools); the padded form serves every architecture.
        inputs, _ = self._padded_inputs(tokens)
        return self._model(**inputs).logits  # type: ignore[no-any-return]

    def _padded_inputs(self, tokens: Tokens) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        lengths = tokens.lengths
        mask = np.arange(int(lengths.max()))[None, :] < lengths[:, None]
        ids = np.full(mask.shape, self._pad, dtype=np.int64)
        ids[mask] = tokens.ids
        on_device = torch.from_numpy(mask).to(self._device)
        inputs = {"input_ids": torch.from_numpy(ids).to(self._device), "attention_mask": on_device.long()}
        if tokens.types is not None:
            types = np.zeros(mask.shape, dtype=np.int64)
            types[mask] = tokens.types
            inputs["token_type_ids"] = torch.from_numpy(types).to(self._device)
        return inputs, on_device


def _check_digests(ref: ModelRef) -> None:
    for name, recorded in ref.weights:
        with (ref.folder / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != recorded:
            raise DigestError(
                f"model {ref.name!r}: {ref.folder / name} has SHA-256 {found}, but {recorded} was recorded when it "
                "was described. The file changed or is damaged; fetch it again."
            )


def _load_model(ref: ModelRef, dtype: torch.dtype, attention: str | None) -> Any:
    from transformers import AutoModel, AutoModelForSequenceClassification

    kind = AutoModel if ref.task == "embed" else AutoModelForSequenceClassification
    if ref.task != "embed":
        attention = None
    options: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
    if ref.task == "embed" and ref.model_type in ("bert", "roberta", "xlm-roberta", "camembert"):
        options["add_pooling_layer"] = False
    try:
        with _quiet():
            model = kind.from_pretrained(
                str(ref.folder),
                dtype=dtype,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                **options,
            )
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(f"model {ref.name!r}: {ref.folder} cannot be loaded: {error}") from error
    return model.eval()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar and no report on the weights of heads that we leave out on purpose."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _load_head_part(ref: ModelRef, part: str | Projection, device: torch.device) -> Any:
    """What follows pooling, in float32 whatever the encoder's arithmetic."""
    if part == "normalize":
        return lambda vectors: torch.nn.functional.normalize(vectors, dim=-1)
    from safetensors.torch import load_file

    if isinstance(part, str):
        saved = load_file(ref.folder / part.removeprefix("layernorm:") / "model.safetensors")
        weight, bias = saved["norm.weight"].float().to(device), saved["norm.bias"].float().to(device)
        return lambda vectors: torch.nn.functional.layer_norm(vectors, weight.shape, weight, bias)
    saved = {name: tensor.float().to(device) for name, tensor in load_file(ref.folder / part.path / "model.safetensors").items()}
    activation = _activation(ref, part.activation)

    def project(vectors: torch.Tensor) -> torch.Tensor:
        projected = activation(torch.nn.functional.linear(vectors, saved["linear.weight"], saved.get("linear.bias")))
        if part.residual:
            carried = vectors if "residual.weight" not in saved else vectors @ saved["residual.weight"].T
            projected = projected + carried
        return projected

    return project


def _activation(ref: ModelRef, name: str) -> torch.nn.Module:
    """Only torch's own activations: a name from a model's files is never imported from elsewhere."""
    kind = getattr(torch.nn, name, None)
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        raise ModelError(f"model {ref.name!r}: its Dense layer asks for the activation {name!r}, which torch lacks.")
    return kind()
