"""How many tokens texts have for a model, counted without its weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from inlay.arrays import Ints
from inlay.backends.base import is_refusal
from inlay.engine.pool import tokenizer_of
from inlay.models.ref import ModelRef

# Tokens of a byte where an endpoint's tokenizer is not at hand; English has about a quarter.
_TOKENS_PER_BYTE = 0.3

_SLICE = 2_048


def count_tokens(model: ModelRef, texts: Sequence[str]) -> tuple[Ints, dict[int, str]]:
    """Tokens of each text before any cut, special tokens included; texts that cannot be read go to errors. Raises
    CannotServeError for a model behind an endpoint whose tokenizer is not at hand."""
    tokenize = tokenizer_of(model)
    counts = np.zeros(len(texts), dtype=np.int64)
    errors: dict[int, str] = {}
    for start in range(0, len(texts), _SLICE):
        part = list(texts[start : start + _SLICE])
        try:
            counts[start : start + len(part)] = tokenize(part, None, "").lengths_before
        except Exception as refusal:
            if not is_refusal(refusal):
                raise
            for offset, text in enumerate(part):  # one text spoiled the slice; find out which
                try:
                    counts[start + offset] = tokenize([text], None, "").lengths_before[0]
                except Exception as error:
                    if not is_refusal(error):
                        raise
                    errors[start + offset] = f"the text cannot be tokenised: {error}"
    return counts, errors


def text_tokens(model: ModelRef, texts: list[str], pairs: list[str] | None, prompt: str | None) -> int:
    """That the model would read of these texts, each with the prompt before it."""
    if not model.can("token_counts"):
        return _guessed([f"{prompt or ''}{text}" for text in texts])
    return int(tokenizer_of(model)(texts, pairs, prompt or "").lengths.sum()) if texts else 0


def prompt_tokens(model: ModelRef, system: str, contents: Sequence[str]) -> int:
    """Of prompts with what stands before each, but for a chat template's own marks."""
    prompts = [f"{system}{content}" for content in contents]
    if not model.can("token_counts"):
        return _guessed(prompts)
    return int(tokenizer_of(model)(prompts, None, "").lengths_before.sum()) if prompts else 0


def _guessed(texts: Sequence[str]) -> int:
    return sum(int(len(text.encode("utf-8", "replace")) * _TOKENS_PER_BYTE) + 1 for text in texts)
