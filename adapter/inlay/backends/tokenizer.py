"""Text to token ids with the Rust tokenizer: no padding, no Python object per token."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from tokenizers import Tokenizer, normalizers

from inlay.arrays import offsets_of
from inlay.backends.base import Tokens
from inlay.backends.model_files import read_config
from inlay.models.ref import ModelRef


class TextTokenizer:
    """Callable from several threads at once; the Rust side releases the interpreter lock."""

    def __init__(self, ref: ModelRef, *, with_types: bool) -> None:
        self._tokenizer = _load(ref)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if ref.lowercase:
            _lowercase(self._tokenizer)
        self._cutting = Tokenizer.from_str(self._tokenizer.to_str())
        self._cutting.enable_truncation(
            ref.max_tokens,
            direction="left" if read_config(ref, "tokenizer_config.json").get("truncation_side") == "left" else "right",
        )
        self._max_tokens = ref.max_tokens
        self._prompt_in_pooling = ref.include_prompt
        self._with_types = with_types
        self._last_special = self._ends_with_special()

    def __call__(self, texts: list[str], pairs: list[str] | None, prompt: str) -> Tokens:
        if prompt:
            texts = [prompt + text for text in texts]
        if pairs is None:
            encodings = self._tokenizer.encode_batch_fast(texts)
        else:
            encodings = self._tokenizer.encode_batch_fast(list(zip(texts, pairs, strict=True)))
        before = np.fromiter((len(e) for e in encodings), dtype=np.int64, count=len(encodings))
        for i in np.flatnonzero(before > self._max_tokens):
            encodings[i] = self._cut(texts[i], None if pairs is None else pairs[i])
        offsets = offsets_of([len(e) for e in encodings])
        total = int(offsets[-1])
        ids = np.fromiter(chain.from_iterable(e.ids for e in encodings), dtype=np.int32, count=total)
        types = None
        if self._with_types and pairs is not None:
            types = np.fromiter(chain.from_iterable(e.type_ids for e in encodings), dtype=np.int32, count=total)
        prompt_tokens = 0 if self._prompt_in_pooling or not prompt else self._prompt_length(prompt)
        return Tokens(ids, offsets, types, before, prompt_tokens)

    def _cut(self, text: str, pair: str | None) -> Any:
        """A copy of the tokenizer cuts long texts: it knows which special tokens to keep at which end, and the original
        must keep counting whole texts."""
        return self._cutting.encode(text) if pair is None else self._cutting.encode(text, pair)

    def _prompt_length(self, prompt: str) -> int:
        """Tokens of the prompt alone, without a closing special token: what sentence-transformers leaves out."""
        return len(self._tokenizer.encode(prompt)) - (1 if self._last_special else 0)

    def _ends_with_special(self) -> bool:
        mask = self._tokenizer.encode("a").special_tokens_mask
        return bool(mask and mask[-1])


def _lowercase(tokenizer: Tokenizer) -> None:
    """Before all other normalising, as sentence-transformers does it: special tokens spelt in a text keep their case,
    and Rust's rules apply, which differ from Python's (a final Σ)."""
    own = tokenizer.normalizer
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *([] if own is None else [own])])


def _load(ref: ModelRef) -> Tokenizer:
    path = ref.folder / "tokenizer.json"
    if path.is_file():
        return Tokenizer.from_file(str(path))
    # Older folders hold only a vocabulary; transformers knows how to turn each kind into a fast tokenizer.
    from inlay.backends.pretrained import load_tokenizer

    tokenizer: Tokenizer = load_tokenizer(ref).backend_tokenizer
    return tokenizer
