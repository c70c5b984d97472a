"""Encoders and classifiers on torch: vectors, logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from inlay.arrays import Floats
from inlay.backends.base import Asked, Tokens
from inlay.backends.device import choose_dtype, device_name, use_one_core
from inlay.backends.encoders.head import load_head_part
from inlay.backends.encoders.lean_bert import LeanBert, is_lean
from inlay.backends.encoders.pooling import pool
from inlay.backends.memory import out_of_memory_unified
from inlay.backends.model_files import check_digests, read_config
from inlay.backends.tokenizer import TextTokenizer
from inlay.models.ref import ModelRef

# Tokens of a batch. On CPUs larger batches leave the cache and gain nothing; a GPU wants to be filled.
CPU_BATCH_TOKENS = 4_096
GPU_BATCH_TOKENS = 65_536


class TorchEncoder:
    """One model on one device.

    On a CPU several threads run batches side by side, each on one core (`workers`): that is faster than all cores
    on one batch, whose attention and elementwise parts are too small to share.
    """

    def __init__(self, ref: ModelRef, device: torch.device) -> None:
        self.ref = ref
        check_digests(ref)
        self._device = device
        self._dtype = choose_dtype(ref.dtype, self._device)
        self.device = device_name(self._device, self._dtype, ref.dtype)
        on_cpu = self._device.type == "cpu"
        self.max_batch_tokens = CPU_BATCH_TOKENS if on_cpu else GPU_BATCH_TOKENS
        self.workers = torch.get_num_threads() if on_cpu else 1
        if on_cpu and is_lean(ref):
            self._hidden: Callable[[Tokens], torch.Tensor] = LeanBert(ref, self._dtype)
        else:
            # Imported here: transformers takes longer to import than a small model takes to answer.
            from inlay.backends.encoders.transformers_forward import TransformersForward

            forward = TransformersForward(ref, self._dtype, self._device)
            self._hidden, self._logits = forward.hidden, forward.logits
        self._tokenize = TextTokenizer(ref, with_types=read_config(ref).get("type_vocab_size", 0) > 1)
        self._head = [load_head_part(ref, part, self._device) for part in ref.head]

    def start_worker(self) -> None:
        """Called first in each of several worker threads: one core each."""
        use_one_core()

    def tokenize(
        self, texts: list[str], pairs: list[str] | None, prompt: Asked, tags: Sequence[str] | None = None
    ) -> Tokens:
        assert isinstance(prompt, str)  # Choices are for language models
        return self._tokenize(texts, pairs, prompt)

    @torch.inference_mode()
    def run(self, tokens: Tokens) -> Floats:
        with out_of_memory_unified(self._device):
            rows = self._vectors(tokens) if self.ref.can("vectors") else self._logits(tokens)
            return rows.float().cpu().numpy()

    def _vectors(self, tokens: Tokens) -> torch.Tensor:
        lengths = torch.from_numpy(tokens.lengths).to(self._device)
        vectors = pool(self._hidden(tokens), lengths, self.ref.pooling, tokens.prompt_tokens)
        for part in self._head:
            vectors = part(vectors)
        return vectors
