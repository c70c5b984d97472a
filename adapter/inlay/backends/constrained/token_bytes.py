"""The bytes of a tokenizer's tokens where llguidance does not know them, and texts that no tokens spell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from llguidance import TokenizerWrapper


def wrapped(tokenizer: Any, n_tokens: int, eos_id: int) -> Any:
    """A tokenizer for LLTokenizer. tokenizer: a PreTrainedTokenizerFast whose decoder turns each token into text by
    itself: SentencePiece's unigrams, or BPE over bytes. n_tokens: size of the vocabulary, at least the tokenizer's own;
    further tokens are empty.

    Raises ValueError for others: WordPiece puts blanks between tokens when it decodes, so a reply is not the
    concatenation of its tokens.
    """
    kinds, blank = _decoders(json.loads(tokenizer.backend_tokenizer.to_str()).get("decoder"))
    if "ByteLevel" not in kinds and blank is None:
        raise ValueError(
            f"the decoder of the tokenizer is {' and '.join(kinds) or 'missing'}, so a schema cannot be enforced; it "
            "can for byte-level BPE and SentencePiece"
        )
    added = tokenizer.backend_tokenizer.get_added_tokens_decoder()
    pieces: list[bytes] = []
    for token in range(len(tokenizer)):
        text = "" if token in added and added[token].special else tokenizer.convert_ids_to_tokens(token) or ""
        if token in added:
            pieces.append(text.encode())
        elif "ByteLevel" in kinds:
            pieces.append(bytes(_BYTES[each] for each in text if each in _BYTES))
        elif "ByteFallback" in kinds and len(text) == 6 and text.startswith("<0x"):
            pieces.append(bytes([int(text[3:5], 16)]))
        else:
            pieces.append(text.replace(blank or " ", " ").encode())
    pieces += [b""] * (n_tokens - len(pieces))
    return TokenizerWrapper(_Pieces(tokenizer, pieces, eos_id))


def pieces_of(reader: Any, eos_ids: Sequence[int]) -> frozenset[bytes] | None:
    """The bytes of every token; None where every byte is a token, so that any text can be written."""
    kept = set(range(reader.vocab_size)) - set(eos_ids)
    tokens = (token for token in kept if not reader.is_special_token(token))
    pieces = frozenset(reader.decode_bytes([token]) for token in tokens)
    return None if all(bytes([byte]) in pieces for byte in range(256) if byte not in _NOT_IN_UTF8) else pieces


def unwritable(pieces: frozenset[bytes] | None, texts: Iterable[str]) -> str | None:
    """The first of the texts that no sequence of tokens spells, or None."""
    if pieces is None:
        return None
    return next((text for text in sorted(texts) if not _is_made_of(pieces, text.encode())), None)


def _is_made_of(pieces: frozenset[bytes], text: bytes) -> bool:
    longest = max(map(len, pieces), default=0)
    reached = {0}
    for end in range(1, len(text) + 1):
        if any(start in reached and text[start:end] in pieces for start in range(max(0, end - longest), end)):
            reached.add(end)
    return len(text) in reached


def _decoders(decoder: Any) -> tuple[list[str], str | None]:
    """The names of a decoder's steps, and the character that it writes for a blank, if any."""
    if decoder is None:
        return [], None
    if decoder["type"] == "Sequence":
        parts = [_decoders(part) for part in decoder["decoders"]]
        return [kind for kinds, _ in parts for kind in kinds], next((blank for _, blank in parts if blank), None)
    if decoder["type"] == "Metaspace":
        return ["Metaspace"], decoder["replacement"]
    if decoder["type"] == "Replace" and decoder["content"] == " ":
        return ["Replace"], decoder["pattern"].get("String")
    return [decoder["type"]], None


class _Pieces:
    """A tokenizer as llguidance's TokenizerWrapper wants it."""

    def __init__(self, tokenizer: Any, pieces: Sequence[bytes], eos_id: int) -> None:
        self.tokens = pieces
        self.eos_token_id = eos_id
        self.bos_token_id = None
        self.special_token_ids = [token for token, piece in enumerate(pieces) if not piece]
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def _byte_characters() -> dict[str, int]:
    """GPT-2's characters for bytes: printable ones represent themselves, 256, 257 … the others."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    return {chr(byte): byte for byte in printing} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES = _byte_characters()
_NOT_IN_UTF8 = {0xC0, 0xC1, *range(0xF5, 0x100)}
