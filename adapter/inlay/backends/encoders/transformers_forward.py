"""Every architecture that transformers knows: hidden states of encoders, logits of classifiers.

Encoders whose attention can be replaced run padding-free (packing.py); all others run padded, with the same answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from inlay.backends.base import Tokens
from inlay.backends.encoders import packing
from inlay.backends.encoders.packed_rows import position_ids
from inlay.backends.model_files import read_config
from inlay.backends.pretrained import load_pretrained
from inlay.models.ref import ModelRef


class TransformersForward:
    """A model loaded through transformers on one device."""

    def __init__(self, ref: ModelRef, dtype: torch.dtype, device: torch.device) -> None:
        packing.register()
        self._device = device
        # On a GPU one padded attention call over texts of near-equal length beats many small ones.
        self._packed = ref.can("vectors") and device.type == "cpu" and _can_be_packed(ref)
        self._model = _load_model(ref, dtype, packing.NAME if self._packed else None).to(device)
        config = self._model.config
        self._pad = config.pad_token_id or 0
        self._model_type = ref.model_type

    def hidden(self, tokens: Tokens) -> torch.Tensor:
        """Last hidden states of all tokens, [total tokens, hidden]."""
        return self._packed_hidden(tokens) if self._packed else self._padded_hidden(tokens)

    def logits(self, tokens: Tokens) -> torch.Tensor:
        """[texts, labels]. A head reads one position of each text, or pools; padded input works for every
        architecture."""
        inputs, _ = self._padded_inputs(tokens)
        return self._model(**inputs).logits  # type: ignore[no-any-return]

    def _packed_hidden(self, tokens: Tokens) -> torch.Tensor:
        packing.set_borders(tokens.lengths)
        positions = position_ids(tokens, self._model_type, self._pad)
        inputs = {"input_ids": self._row(tokens.ids), "position_ids": self._row(positions)}
        if tokens.types is not None:
            inputs["token_type_ids"] = self._row(tokens.types)
        return self._model(**inputs).last_hidden_state[0]  # type: ignore[no-any-return]

    def _row(self, values: Any) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values, dtype=np.int64)[None]).to(self._device)

    def _padded_hidden(self, tokens: Tokens) -> torch.Tensor:
        inputs, mask = self._padded_inputs(tokens)
        return self._model(**inputs).last_hidden_state[mask]  # type: ignore[no-any-return]

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


def _can_be_packed(ref: ModelRef) -> bool:
    """Not a decoder, whose tokens attend only to earlier ones: in packed attention they attend to the whole text. Nor a
    model whose attention this version of transformers has no place to replace; until 5 that is most encoders."""
    if ref.model_type not in packing.PACKABLE or read_config(ref).get("is_decoder"):
        return False
    from transformers import CONFIG_MAPPING, MODEL_MAPPING

    kind = MODEL_MAPPING[CONFIG_MAPPING[ref.model_type]]
    return bool(getattr(kind, "_supports_attention_backend", False))


def _load_model(ref: ModelRef, dtype: torch.dtype, attention: str | None) -> Any:
    from transformers import AutoModel, AutoModelForSequenceClassification

    kind = AutoModel if ref.can("vectors") else AutoModelForSequenceClassification
    options: dict[str, Any] = {} if attention is None else {"attn_implementation": attention}
    if ref.can("vectors") and ref.model_type in ("bert", "roberta", "xlm-roberta", "camembert"):
        options["add_pooling_layer"] = False

    def may_lack(key: str) -> bool:
        return ref.can("vectors") and key.startswith("pooler.")  # embedding models never use it

    return load_pretrained(kind, ref, dtype, may_lack=may_lack, **options)
