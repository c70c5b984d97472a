"""Prompts that a model continues as they are, without its chat template."""

from __future__ import annotations

import numpy as np

from inlay.backends.chat.control_tokens import GuardedTokenizer, Ids


class ContinuedPrompts:
    """closes: whether the tokenizer's closing tokens end a prompt, as those of an encoder."""

    def __init__(self, tokenizer: GuardedTokenizer, *, closes: bool) -> None:
        self._tokenizer = tokenizer
        self._closing = tokenizer.closing if closes else []
        self._end_of_line = tokenizer.following("\n")

    def beginning(self, before: str, text: str) -> Ids:
        """Up to the end of a row's own text, of which nothing is read as a control token. Raises ValueError where it
        cannot be written without one."""
        ids = self._tokenizer.joined([(before, False), (f" {text}", True)])
        return np.array([*self._tokenizer.opening, *ids], dtype=np.int32)

    def ending(self, after: str) -> Ids:
        """From there on."""
        return np.array([*self._tokenizer.following(after), *self._closing], dtype=np.int32)

    def answer(self, text: str) -> list[int]:
        """A text in the place of the answer, with the end of its line. Words of the row: none is a control token."""
        return [*self._tokenizer.as_data(f" {text}"), *self._end_of_line]

    def first_letters(self, text: str, n_tokens: int) -> str:
        """As much of the beginning of a text as so many tokens hold."""
        offsets = self._tokenizer.offsets(text)
        return text if len(offsets) <= n_tokens else text[: offsets[n_tokens - 1][1]] if n_tokens > 0 else ""
