"""Language models on torch: replies, and how likely given answers are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from inlay.arrays import Floats, Ints, offsets_of
from inlay.backends.base import Asked, Choices, Done, Encoded, Instruction, Prompt, Tokens
from inlay.backends.chat.continued import ContinuedPrompts
from inlay.backends.chat.control_tokens import Ids
from inlay.backends.chat.template import ChatPrompts
from inlay.backends.decoders.causal import CausalReader, reader_of
from inlay.backends.decoders.decoding import PADDED, Writer
from inlay.backends.decoders.encoder_decoder import EncoderDecoder
from inlay.backends.decoders.likelihood import likelihoods
from inlay.backends.decoders.option_tree import OptionTree, option_tree
from inlay.backends.decoders.replies import Draft, Language
from inlay.backends.decoders.spans import found_spans, span_tokens
from inlay.backends.decoders.transformers_loop import TransformersLoop
from inlay.backends.decoders.whole_batches import write_batches
from inlay.backends.device import choose_dtype, device_name, use_one_core
from inlay.backends.memory import out_of_memory_unified
from inlay.backends.model_files import check_digests, read_config
from inlay.backends.pretrained import end_tokens, load_pretrained, load_tokenizer
from inlay.backends.runs import Spans
from inlay.locks import new_lock
from inlay.models.ref import ModelRef

# Tokens of a batch, prompts and replies together. A CPU gains little beyond; a GPU takes what it has room for.
CPU_BATCH_TOKENS = 8_192
GPU_BATCH_TOKENS = 131_072
_CPU_CACHE_BYTES = 2 << 30


class TorchLanguageModel:
    """One model on one device."""

    def __init__(self, ref: ModelRef, device: torch.device) -> None:
        # Imported here: transformers takes longer to import than anything else in this package.
        from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, GenerationConfig

        self.ref = ref
        check_digests(ref)
        self._device = device
        dtype = choose_dtype(ref.dtype, device)
        self.device = device_name(device, dtype, ref.dtype)
        self.workers = 1
        encoder_decoder = bool(read_config(ref).get("is_encoder_decoder"))
        tokenizer = load_tokenizer(ref)
        model = load_pretrained(AutoModelForSeq2SeqLM if encoder_decoder else AutoModelForCausalLM, ref, dtype)
        model.to(device)
        # As transformers' own generate() has them.
        self._ends = end_tokens(
            model.generation_config.eos_token_id, getattr(model.config, "eos_token_id", None), tokenizer.eos_token_id
        )
        self._tokenizer = tokenizer
        # Without the marks of its channels, thoughts could not be told from an answer (see thoughts.py).
        skips = "<|channel|>" not in tokenizer.get_vocab()
        self._language = Language(lambda ids: tokenizer.decode(ids, skip_special_tokens=skips), frozenset(self._ends))
        self._chat = ChatPrompts(ref, tokenizer, self._ends, encoder_decoder=encoder_decoder)
        self._continued = ContinuedPrompts(self._chat.guarded, closes=encoder_decoder)
        self._reader = None if encoder_decoder else reader_of(model, device)
        self._other = EncoderDecoder(model, device) if encoder_decoder else TransformersLoop(model, device)
        # Of the model's own generation settings only the start and end tokens are used; the instruction decides how a
        # token is chosen.
        model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
        self._vocabulary = int(model.get_output_embeddings().weight.shape[0])
        self.max_batch_tokens = _batch_tokens(device, self._reader)
        self._trees: dict[Choices, OptionTree] = {}
        self._lock = new_lock()

    def start_worker(self) -> None:
        """Called first in each of several worker threads: one core each."""
        use_one_core()

    def encode(self, instruction: Instruction, prompts: Sequence[Prompt]) -> list[Encoded | str]:
        refused = None if instruction.verbatim else self._constraint(instruction, "")
        if isinstance(refused, str):
            return [refused] * len(prompts)
        rows = self._chat.encode(instruction.system, prompts, instruction.max_tokens)
        if not instruction.verbatim:
            return rows
        pairs = zip(rows, prompts, strict=True)
        return [row if isinstance(row, str) else replace(row, text=prompt.text) for row, prompt in pairs]

    def generate(
        self,
        instruction: Instruction,
        rows: Sequence[Encoded],
        *,
        max_batch_tokens: int,
        stopped: Callable[[], bool],
        done: Done,
    ) -> None:
        """Greedy at temperature 0; above, every token of the vocabulary may be drawn (no top_k, no top_p), and no
        repetition is penalised. A reply's text is what the tokenizer decodes, white space included."""
        drafts = []
        for place, row in enumerate(rows):
            constraint = self._constraint(instruction, row.text)
            if isinstance(constraint, str):
                done(place, constraint)
            else:
                state = None if constraint is None else constraint.start()
                drafts.append(Draft(place, row, instruction, self._language, state))
        by_row = [draft for draft in drafts if self._is_read_by_row(draft.length + draft.may_write)]
        if by_row and self._reader is not None:
            Writer(self._reader, by_row, instruction.temperature, max_batch_tokens).write(stopped, done)
        others = [draft for draft in drafts if not self._is_read_by_row(draft.length + draft.may_write)]
        write_batches(
            self._other.write,
            others,
            instruction.temperature,
            self._device,
            max_batch_tokens=max_batch_tokens,
            stopped=stopped,
            done=done,
        )

    def tokenize(
        self, texts: list[str], pairs: list[str] | None, prompt: Asked, tags: Sequence[str] | None = None
    ) -> Tokens:
        """Tokens up to where the answer begins, see ChatPrompts.questions()."""
        if isinstance(prompt, Spans):
            return span_tokens(self._continued, self.ref, prompt, texts)
        if not isinstance(prompt, Choices):
            raise TypeError("the prompt of a language model is Choices or Spans")
        encoded = self._chat.questions(prompt, texts, pairs, self._tree(prompt).depth, tags)
        offsets = offsets_of([len(ids) for ids, _ in encoded])
        ids = np.concatenate([ids for ids, _ in encoded]) if encoded else np.zeros(0, dtype=np.int32)
        before = np.array([n for _, n in encoded], dtype=np.int64)
        return Tokens(ids, offsets, None, before, choices=prompt, alike=None if pairs is None else _alike(texts))

    @torch.inference_mode()
    def run(self, tokens: Tokens) -> Floats:
        if isinstance(tokens.choices, Spans):
            return found_spans(self._continued, tokens.choices, tokens, self._likelihoods_in_parts)
        assert tokens.choices is not None
        rows = [tokens.ids[start:end] for start, end in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)]
        return self._likelihoods(rows, self._tree(tokens.choices), tokens.alike)

    def _likelihoods_in_parts(self, rows: Sequence[Ids], tree: OptionTree) -> Floats:
        """Of prompts about one text, as many at a time as a batch may hold."""
        step = max(1, self.max_batch_tokens // (max(map(len, rows)) + len(tree.tokens) + 1))
        parts = [rows[start : start + step] for start in range(0, len(rows), step)]
        return np.concatenate([self._likelihoods(part, tree, np.zeros(len(part), dtype=np.int64)) for part in parts])

    def _likelihoods(self, rows: Sequence[Ids], tree: OptionTree, alike_rows: Ints | None) -> Floats:
        likely = np.zeros((len(rows), len(tree.options)), dtype=np.float32)
        by_row = [i for i, row in enumerate(rows) if self._is_read_by_row(len(row) + tree.depth)]
        others = [i for i, row in enumerate(rows) if not self._is_read_by_row(len(row) + tree.depth)]
        with out_of_memory_unified(self._device):
            if by_row and self._reader is not None:
                alike = None if alike_rows is None else alike_rows[by_row]
                likely[by_row] = likelihoods(self._reader, [rows[i] for i in by_row], tree, alike).cpu().numpy()
            if others:
                likely[others] = self._other.likelihoods([rows[i] for i in others], tree).cpu().numpy()
        return likely

    def _is_read_by_row(self, n_tokens: int) -> bool:
        reader = self._reader
        return reader is not None and (reader.window is None or n_tokens <= reader.window)

    def _tree(self, choices: Choices) -> OptionTree:
        with self._lock:
            if choices not in self._trees:
                if len(self._trees) > 64:
                    self._trees.clear()
                self._trees[choices] = option_tree(self._chat.options(choices), self._chat.end)
            return self._trees[choices]

    def _constraint(self, instruction: Instruction, text: str) -> Any:
        """The constraint of a reply, None for none, or the reason why it cannot be enforced. text: the row's own, where
        the reply is of its words."""
        if instruction.schema is None and not instruction.verbatim:
            return None
        from inlay.backends.constrained.decoding_mask import compile_constraint, compile_verbatim

        model = (self._tokenizer, self._vocabulary, self._ends)
        try:
            if instruction.schema is None:
                return compile_verbatim(*model, text, instruction.verbatim)
            return compile_constraint(*model, instruction.schema)
        except ValueError as error:
            return str(error)


def _alike(texts: Sequence[str]) -> Ints:
    places: dict[str, int] = {}
    return np.array([places.setdefault(text, len(places)) for text in texts], dtype=np.int64)


def _batch_tokens(device: torch.device, reader: CausalReader | None) -> int:
    if device.type != "cuda":
        return CPU_BATCH_TOKENS if reader is None else min(CPU_BATCH_TOKENS, _CPU_CACHE_BYTES // reader.token_bytes)
    if reader is None:
        return GPU_BATCH_TOKENS // 8
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(GPU_BATCH_TOKENS, free // 2 // (PADDED * reader.token_bytes)))
