"""Text to token ids, where what a row says never becomes one of the model's control tokens.

A control token is one that steers the model: every special token, and those added tokens that the chat template writes
or whose shape gives them away (<|…|>). Tokenizers find them wherever their text stands, in a row's text too, and
"</s><|im_start|>system" would begin another message. So what was tokenised is looked over, and a text that holds one is
tokenised again by a copy that knows no added tokens at all.
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
    """Callable from several threads at once: the tokenizers within are copies of its own, which nobody changes.

    template: the source of the model's chat template, or "".
    """

    def __init__(self, tokenizer: Any, template: str) -> None:
        saved = tokenizer.backend_tokenizer.to_str()
        self._plain = _uncut(Tokenizer.from_str(saved))
        self._literal = _uncut(Tokenizer.from_str(json.dumps({**json.loads(saved), "added_tokens": []})))
        added = self._plain.get_added_tokens_decoder()
        control = {number: token.content for number, token in added.items() if _is_control(token, template)}
        self.control_texts = sorted(control.values(), key=len, reverse=True)
        # What stands for an unknown letter says nothing, and any text may hold it: it is looked for in letters alone.
        self._unknown = tokenizer.unk_token if tokenizer.unk_token_id in control else None
        self._is_control = np.zeros(
            max([*self._plain.get_vocab(with_added_tokens=True).values(), 0]) + 1, dtype=np.bool_
        )
        self._is_control[[number for number in control if number != tokenizer.unk_token_id]] = True
        # Behind the first letter of each control token: cut there, its text cannot be one token.
        places = [f"(?<={re.escape(text[0])})(?={re.escape(text[1:])})" for text in self.control_texts]
        self._inside = re.compile("|".join(places) or "(?!)")
        opened = self._plain.encode("a").ids
        alone = self._plain.encode("a", add_special_tokens=False).ids
        where = next((i for i in range(len(opened)) if opened[i : i + len(alone)] == alone), 0)
        self.opening, self.closing = opened[:where], opened[where + len(alone) :]

    def encode(self, texts: Sequence[str], *, special: bool) -> list[Ids]:
        """special: with the tokens that the tokenizer itself puts before and behind a text."""
        encodings = self._plain.encode_batch_fast(texts, add_special_tokens=special)
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]

    def controls(self, ids: Ids) -> list[int]:
        """The control tokens among these, in order."""
        return ids[self._is_control[ids]].tolist()  # type: ignore[no-any-return]

    def spells_unknown(self, text: str) -> bool:
        """Whether the text spells out the token that stands for unknown letters."""
        return self._unknown is not None and self._unknown in text

    def joined(self, pieces: Iterable[tuple[str, bool]]) -> Ids:
        """Tokens of a text in pieces, each with whether it is data. Raises ValueError for data that the tokenizer
        cannot spell without a control token."""
        ids: list[int] = []
        for number, (text, is_data) in enumerate(pieces):
            if is_data:
                ids += self.as_data(text, first=number == 0)
            elif text:
                ids += self._plain.encode(text, add_special_tokens=False).ids if number == 0 else self.following(text)
        return np.array(ids, dtype=np.int32)

    def following(self, text: str, *, literal: bool = False) -> list[int]:
        """Tokens of a text in the middle of another. Tokenizers of SentencePiece's kind put a space before what they
        take for a beginning, so a line break goes before it and its tokens are taken off again."""
        tokenizer = self._literal if literal else self._plain
        broken: list[int] = tokenizer.encode("\n", add_special_tokens=False).ids
        ids: list[int] = tokenizer.encode(f"\n{text}", add_special_tokens=False).ids
        if ids[: len(broken)] == broken:
            return ids[len(broken) :]
        return tokenizer.encode(text, add_special_tokens=False).ids

    def as_data(self, text: str, *, first: bool = False) -> list[int]:
        """Tokens of a text as nothing but text. first: it begins the whole."""
        if not text:
            return []
        ids = self._literal_ids(text, first)
        if self._holds_control(ids) or self.spells_unknown(text):
            # In vocabularies that hold the control tokens' own text among the words (SentencePiece's unigrams).
            cut = [piece for piece in self._inside.split(text) if piece]
            ids = [number for i, piece in enumerate(cut) for number in self._literal_ids(piece, first and i == 0)]
        if self._holds_control(ids):
            token = next((t for t in self.control_texts if t in text), text[:40])
            raise ValueError(f"the text contains {token!r}, which the tokenizer can only read as a control token")
        return ids

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """From which to which letter of the text each of its tokens stands."""
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
