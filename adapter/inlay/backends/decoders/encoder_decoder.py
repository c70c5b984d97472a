"""Models that read with an encoder and write with a decoder (T5, BART): replies, and the likelihood of answers.

Their decoders count positions by the length of the cache, the same for all rows, so the rows of a batch start together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutput

from inlay.backends.chat.control_tokens import Ids
from inlay.backends.decoders.option_tree import OptionTree
from inlay.backends.decoders.padding import padded
from inlay.backends.decoders.whole_batches import Batch

# Finished rows leave when they are this share of the batch: copying the cache of the others costs a step.
_LEAVE_SHARE = 1 / 4

# Numbers held at a time in logits of answers.
LOGITS = 1 << 26


class EncoderDecoder:
    """One such model on one device."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self.model = model
        self.device = device
        generation, config = model.generation_config, model.config
        start = generation.decoder_start_token_id
        if start is None:
            start = getattr(config, "decoder_start_token_id", None)
        if start is None:
            start = generation.bos_token_id if generation.bos_token_id is not None else config.pad_token_id
        # Some models (mBART) were trained to write a certain token first, always.
        forced = generation.forced_bos_token_id
        self._start = [int(start)] if forced is None else [int(start), int(forced)]
        self.vocabulary = int(model.get_output_embeddings().weight.shape[0])

    def write(self, batch: Batch) -> None:
        """Writes all replies of a batch."""
        read = self._read([draft.ids for draft in batch.begun])
        tokens = torch.tensor([self._start] * len(batch.drafts), device=self.device)
        while batch.places and not batch.stopped():
            logits = read.step(tokens)
            written = batch.take(logits[:, -1])
            if len(batch.places) <= (1 - _LEAVE_SHARE) * len(batch.drafts):
                places = batch.close_up()
                read.keep(places)
                written = [written[place] for place in places]
            tokens = torch.tensor(written, device=self.device)[:, None]

    @torch.inference_mode()
    def likelihoods(self, rows: Sequence[Ids], tree: OptionTree) -> torch.Tensor:
        """As likelihood.py: float32 [rows, options]."""
        width = max(1, tree.depth)
        per_pass = max(1, LOGITS // (self.vocabulary * len(tree.options) * width))
        parts = [self._scored(rows[i : i + per_pass], tree) for i in range(0, len(rows), per_pass)]
        return torch.cat(parts)

    def _scored(self, rows: Sequence[Ids], tree: OptionTree) -> torch.Tensor:
        """The first token of every option comes from one step after the start token; the others from a row per
        option."""
        read = self._read(rows)
        logits = read.step(torch.tensor([self._start] * len(rows), device=self.device))[:, -1:]
        width = max(1, tree.depth)
        tokens = torch.zeros((len(tree.options), width), dtype=torch.long)
        counts = torch.zeros((len(tree.options), width))
        for i, option in enumerate(tree.options):
            tokens[i, : len(option)] = torch.tensor(option, dtype=torch.long)
            counts[i, : len(option)] = 1
        tokens, counts = tokens.to(self.device), counts.to(self.device)
        first = logits.float().log_softmax(dim=-1)[:, 0, tokens[:, 0]] * counts[:, 0]
        if width == 1:
            return first
        read.repeat(len(tree.options))
        logits = read.step(tokens[:, :-1].repeat(len(rows), 1)).float()
        following = tokens[:, 1:].repeat(len(rows), 1)
        likely = logits.gather(2, following[..., None])[..., 0] - logits.logsumexp(dim=-1)
        rest = (likely * counts[:, 1:].repeat(len(rows), 1)).sum(dim=-1)
        return first + rest.view(len(rows), -1)

    def _read(self, rows: Sequence[Ids]) -> _Read:
        ids, mask = padded(rows)
        on_device = torch.from_numpy(mask).to(self.device)
        encoder = self.model.get_encoder()
        states = encoder(input_ids=torch.from_numpy(ids).to(self.device), attention_mask=on_device).last_hidden_state
        return _Read(self.model, states, on_device)


class _Read:
    """The encoder's output for a batch, and the decoder's cache."""

    def __init__(self, model: Any, states: torch.Tensor, mask: torch.Tensor) -> None:
        self._model = model
        self._states = states
        self._mask = mask
        self._cache: Any = None

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits after each of these tokens: [rows, tokens] → [rows, tokens, vocabulary]."""
        output = self._model(
            encoder_outputs=BaseModelOutput(last_hidden_state=self._states),
            attention_mask=self._mask,
            decoder_input_ids=tokens,
            past_key_values=self._cache,
            use_cache=True,
        )
        self._cache = output.past_key_values
        return output.logits  # type: ignore[no-any-return]

    def keep(self, places: list[int]) -> None:
        index = torch.tensor(places, dtype=torch.long, device=self._mask.device)
        self._states, self._mask = self._states[index], self._mask[index]
        self._cache.batch_select_indices(index)

    def repeat(self, times: int) -> None:
        """Repeats each row, the copies side by side."""
        self._states = self._states.repeat_interleave(times, dim=0)
        self._mask = self._mask.repeat_interleave(times, dim=0)
        self._cache.batch_repeat_interleave(times)
