"""Text to token ids with the Rust tokenizer: no padding, no Python object per token."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from tokenizers import Tokenizer, normalizers

from inlay.arrays import offsets_of
from inlay.backends.base import Tokens
from inlay.backends.model_files import read_config
from inlay.errors import ModelError
from inlay.models.ref import ModelRef

# Characters for each token that a model reads, from which on a text is not read to its end to be cut.
_FAR = 16


class TextTokenizer:
    """Callable from several threads at once; the Rust side releases the interpreter lock.

    whole: count the tokens of every text to its end. Otherwise a very long text is read no further than what is kept of
    it, and the number of its tokens is a lower bound, larger than what the model reads.
    """

    def __init__(self, ref: ModelRef, *, with_types: bool, whole: bool = False) -> None:
        self._tokenizer = _load(ref)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if ref.lowercase:
            _lowercase(self._tokenizer)
        self._cutting = Tokenizer.from_str(self._tokenizer.to_str())
        self._keeps_end = read_config(ref, "tokenizer_config.json").get("truncation_side") == "left"
        self._cutting.enable_truncation(ref.max_tokens, direction="left" if self._keeps_end else "right")
        self._whole = whole
        self._max_tokens = ref.max_tokens
        self._prompt_in_pooling = ref.include_prompt
        self._with_types = with_types
        self._last_special = self._ends_with_special()

    def __call__(self, texts: list[str], pairs: list[str] | None, prompt: str) -> Tokens:
        if prompt:
            texts = [prompt + text for text in texts]
        if not self._whole and pairs is None:
            texts = [self._near(text) for text in texts]
        elif not self._whole and pairs is not None:
            texts, pairs = self._near_pairs(texts, pairs)
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

    def _near(self, text: str) -> str:
        """The part of a text that has all tokens that are kept of it. It ends where a word does, if the text has words,
        and has some tokens more than are kept, since the last ones may differ from those of the whole text."""
        size = _FAR * self._max_tokens
        while size < len(text):
            part = _last_words(text, size) if self._keeps_end else _first_words(text, size)
            if len(self._tokenizer.encode(part)) > self._max_tokens + self._max_tokens // 4 + 8:
                return part
            size *= 4
        return text

    def _near_pairs(self, texts: list[str], pairs: list[str]) -> tuple[list[str], list[str]]:
        """Which of two texts keeps more tokens depends on which has more as a whole. So a long one is cut only beside
        one that is sure to have fewer than what is left of it."""
        return (
            [self._near(text) if self._is_short(pair) else text for text, pair in zip(texts, pairs, strict=True)],
            [self._near(pair) if self._is_short(text) else pair for text, pair in zip(texts, pairs, strict=True)],
        )

    def _is_short(self, text: str) -> bool:
        """A token has a byte at least."""
        return len(text) <= self._max_tokens and len(text.encode("utf-8", "replace")) <= self._max_tokens

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


def _first_words(text: str, size: int) -> str:
    end = max(text.rfind(" ", size // 2, size), text.rfind("\n", size // 2, size))
    return text[: size if end < 0 else end]


def _last_words(text: str, size: int) -> str:
    start = len(text) - size
    places = [place for place in (text.find(blank, start, start + size // 2) for blank in " \n") if place >= 0]
    return text[min(places, default=start) :]


def _lowercase(tokenizer: Tokenizer) -> None:
    """Before all other normalising, as sentence-transformers does it: special tokens spelt in a text keep their case,
    and Rust's rules apply, which differ from Python's (a final Σ)."""
    own = tokenizer.normalizer
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *([] if own is None else [own])])


def _load(ref: ModelRef) -> Tokenizer:
    path = ref.folder / "tokenizer.json"
    if path.is_file():
        try:
            read = Tokenizer.from_file(str(path))
            read.encode("a")  # one without a token for what it does not know cannot
            return read
        except Exception as error:  # which is all that the Rust side raises
            raise ModelError(f"model {ref.name!r}: {path} is no tokenizer: {error}. Fetch the model again.") from error
    # Older folders hold only a vocabulary; transformers knows how to turn each kind into a fast tokenizer.
    from inlay.backends.pretrained import load_tokenizer

    tokenizer: Tokenizer = load_tokenizer(ref).backend_tokenizer
    return tokenizer
