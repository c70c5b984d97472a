"""transformers' own generate() for decoder-only models whose state is more than keys and values: state-space and
recurrent layers, windows shorter than a row. inlay chooses each token, so sampling, schemas and ends work as elsewhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList

from inlay.backends.chat.control_tokens import Ids
from inlay.backends.decoders.likelihood import summed
from inlay.backends.decoders.option_tree import OptionTree
from inlay.backends.decoders.padding import padded
from inlay.backends.decoders.whole_batches import Batch


class TransformersLoop:
    """One such model on one device."""

    def __init__(self, model: Any, device: torch.device) -> None:
        self._model = model
        self._device = device

    def write(self, batch: Batch) -> None:
        """Writes all replies of a batch."""
        ids, mask = padded([draft.ids for draft in batch.begun], left=True)
        self._model.generate(
            torch.from_numpy(ids).to(self._device),
            attention_mask=torch.from_numpy(mask).to(self._device),
            generation_config=GenerationConfig(  # type: ignore[no-untyped-call]
                max_new_tokens=max(draft.may_write for draft in batch.begun), do_sample=False, pad_token_id=0
            ),
            logits_processor=LogitsProcessorList([_OnlyChosen(batch)]),
            stopping_criteria=StoppingCriteriaList([_Finished(batch)]),
        )

    @torch.inference_mode()
    def likelihoods(self, rows: Sequence[Ids], tree: OptionTree) -> torch.Tensor:
        """As in likelihood.py, with one pass per row, in which every option is a row of the batch."""
        width = max(1, tree.depth)
        options = np.zeros((len(tree.options), width - 1), dtype=np.int64)
        for i, option in enumerate(tree.options):
            options[i, : max(0, len(option) - 1)] = option[:-1]
        steps = _steps_of(tree)
        rows_of_sums = []
        for row in rows:
            prompts = np.tile(row.astype(np.int64), (len(options), 1))
            ids = torch.from_numpy(np.concatenate([prompts, options], axis=1)).to(self._device)
            logits = self._model(input_ids=ids, use_cache=False, **self._only_last(width)).logits[:, -width:]
            rows_of_sums.append(summed(logits.reshape(1, -1, logits.shape[-1]), steps))
        return torch.cat(rows_of_sums)

    def _only_last(self, width: int) -> dict[str, int]:
        """Saves the logits of other tokens, in models that know the option: with transformers 4 not all do."""
        known = "logits_to_keep" in inspect.signature(self._model.forward).parameters
        return {"logits_to_keep": width} if known else {}


def _steps_of(tree: OptionTree) -> OptionTree:
    """The same options without shared nodes: node i * width + t is before token t of option i."""
    width = max(1, tree.depth)
    steps = [
        (number * width + place, token, number)
        for number, option in enumerate(tree.options)
        for place, token in enumerate(option)
    ]
    return OptionTree(tree.options, (), tree.sees, np.array(steps, dtype=np.int64).reshape(-1, 3).T)


class _OnlyChosen(LogitsProcessor):
    """Allows only the token that was chosen for each row."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        tokens = self._batch.take(scores) if self._batch.places else [0] * len(scores)
        allowed = torch.full_like(scores, float("-inf"))
        allowed[torch.arange(len(scores)), torch.tensor(tokens)] = 0.0
        return allowed


class _Finished(StoppingCriteria):
    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:
        stopped = self._batch.stopped()
        over = [stopped or draft is None for draft in self._batch.drafts]
        return torch.tensor(over, dtype=torch.bool, device=input_ids.device)
