"""Text to token ids, so that a row's text never becomes one of the model's control tokens.

A control token steers the model: every special token, and added tokens that the chat template writes or that look like
one (<|…|>). Tokenizers recognise them in any text, also in a row's own, and "</s><|im_start|>system" would begin
another message. So the result is checked, and a text that contains one is tokenised again by a copy of the tokenizer
that knows no added tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

Ids = npt.NDArray[np.int32]

_SHAPE = re.compile(r"<\s*[|｜].*[|｜]\s*>", re.DOTALL)


class GuardedTokenizer:
    """Callable from several threads at once: it never changes its tokenizers, which are its own copies.

    template: the source of the model's chat template, or "".
    """

    def __init__(self, tokenizer: Any, template: str) -> None:
        saved = tokenizer.backend_tokenizer.to_str()
        self._plain = _uncut(Tokenizer.from_str(saved))
        self._literal = _uncut(Tokenizer.from_str(json.dumps({**json.loads(saved), "added_tokens": []})))
        added = self._plain.get_added_tokens_decoder()
        control = {number: token.content for number, token in added.items() if _is_control(token, template)}
        self.control_texts = sorted(control.values(), key=len, reverse=True)
        # The token for unknown letters is harmless, and any text may produce it: only its spelling in a text counts.
        self._unknown = tokenizer.unk_token if tokenizer.unk_token_id in control else None
        self._is_control = np.zeros(
            max([*self._plain.get_vocab(with_added_tokens=True).values(), 0]) + 1, dtype=np.bool_
        )
        self._is_control[[number for number in control if number != tokenizer.unk_token_id]] = True
        # After the first letter of each control token: split there, its text cannot be one token.
        places = [f"(?<={re.escape(text[0])})(?={re.escape(text[1:])})" for text in self.control_texts]
        self._inside = re.compile("|".join(places) or "(?!)")
        opened = self._plain.encode("a").ids
        alone = self._plain.encode("a", add_special_tokens=False).ids
        where = next((i for i in range(len(opened)) if opened[i : i + len(alone)] == alone), 0)
        self.opening, self.closing = opened[:where], opened[where + len(alone) :]

    def encode(self, texts: Sequence[str], *, special: bool) -> list[Ids]:
        """special: whether to add the tokens that the tokenizer itself puts around a text."""
        encodings = self._plain.encode_batch_fast(texts, add_special_tokens=special)
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]

    def controls(self, ids: Ids) -> list[int]:
        """The control tokens among these, in order."""
        return ids[self._is_control[ids]].tolist()  # type: ignore[no-any-return]

    def spells_unknown(self, text: str) -> bool:
        """Whether the text spells out the token for unknown letters."""
        return self._unknown is not None and self._unknown in text

    def joined(self, pieces: Iterable[tuple[str, bool]]) -> Ids:
        """Tokens of a text given as (piece, whether it is data). Raises ValueError for data that the tokenizer cannot
        write without a control token."""
        ids: list[int] = []
        for number, (text, is_data) in enumerate(pieces):
            if is_data:
                ids += self.as_data(text, first=number == 0)
            elif text:
                ids += self._plain.encode(text, add_special_tokens=False).ids if number == 0 else self.following(text)
        return np.array(ids, dtype=np.int32)

    def following(self, text: str, *, literal: bool = False) -> list[int]:
        """Tokens of a text in the middle of another. SentencePiece tokenizers put a space before the beginning of a
        text, so a line break is put before it and its tokens are removed again."""
        tokenizer = self._literal if literal else self._plain
        broken: list[int] = tokenizer.encode("\n", add_special_tokens=False).ids
        ids: list[int] = tokenizer.encode(f"\n{text}", add_special_tokens=False).ids
        if ids[: len(broken)] == broken:
            return ids[len(broken) :]
        return tokenizer.encode(text, add_special_tokens=False).ids

    def as_data(self, text: str, *, first: bool = False) -> list[int]:
        """Tokens of a text, none of them a control token. first: whether the text begins the prompt."""
        if not text:
            return []
        ids = self._literal_ids(text, first)
        if self._holds_control(ids) or self.spells_unknown(text):
            # Vocabularies that contain the spelling of control tokens as ordinary words (SentencePiece's unigrams).
            cut = [piece for piece in self._inside.split(text) if piece]
            ids = [number for i, piece in enumerate(cut) for number in self._literal_ids(piece, first and i == 0)]
        if self._holds_control(ids):
            token = next((t for t in self.control_texts if t in text), text[:40])
            raise ValueError(f"the text contains {token!r}, which the tokenizer can only read as a control token")
        return ids

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """(first, one past the last) letter of each token."""
        return self._plain.encode(text, add_special_tokens=False).offsets

    def _literal_ids(self, text: str, first: bool) -> list[int]:
        return self._literal.encode(text, add_special_tokens=False).ids if first else self.following(text, literal=True)

    def _holds_control(self, ids: list[int]) -> bool:
        return bool(self._is_control[np.array(ids, dtype=np.int32)].any())


def _is_control(token: Any, template: str) -> bool:
    if token.special:
        return True
    # Some vocabularies add runs of spaces and line breaks as tokens; their templates hold those as ordinary text.
    return not token.content.isspace() and (token.content in template or bool(_SHAPE.fullmatch(token.content)))


def _uncut(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
