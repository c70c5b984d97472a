"""What a server has shown of itself, by which a cut that it does not mention is seen."""

from __future__ import annotations

import re

# Tokens of a letter of ASCII, and of any other letter: English has 0.2 to 0.3, other scripts 0.3 to 1 and more.
_ASCII_TOKENS, _OTHER_TOKENS = 0.25, 0.5
# Of the same letter many times over a token may hold a hundred.
_RUN = re.compile(r"(.)\1{3,}", re.DOTALL)

# Less than a sixteenth of a token a byte of English, which no vocabulary has.
_FIRST_FLOOR = 0.25
# Another script may have several times the tokens of English, so a server that has only seen it has no higher floor.
_MOST = 1.0
# The template's marks outweigh a shorter prompt.
_LEAST_LETTERS = 1_000


class Habits:
    """endings: whether the server has ever said how a reply ended."""

    def __init__(self) -> None:
        self.endings = False
        self._lowest: float | None = None

    def has_cut(self, prompt: str, tokens_read: int) -> bool:
        """Whether the server has read only a part of a prompt: where it counts far fewer tokens than any prompt has had
        that it read whole."""
        lowest = self._lowest
        floor = _FIRST_FLOOR if lowest is None else min(lowest, _MOST) / 2
        if lowest is not None and tokens_read >= lowest * _expected(prompt):
            return False  # nothing to learn, either
        letters = _RUN.sub(r"\1\1\1", prompt)
        share = tokens_read / max(1.0, _expected(letters))
        if share < floor:
            return True
        if len(letters) >= _LEAST_LETTERS:
            self._lowest = share if lowest is None else min(lowest, share)
        return False


def _expected(text: str) -> float:
    """About how many tokens a text has."""
    n_ascii = len(text.encode("ascii", "ignore"))
    return _ASCII_TOKENS * n_ascii + _OTHER_TOKENS * (len(text) - n_ascii)
