"""Replies of a text's own words: whatever a model prefers, what it writes is there, word for word."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from inlay.backends.constrained.decoding_mask import compile_verbatim, fill_masks
from support.small_tokenizers import byte_fallback, byte_level

TEXTS = (
    "We need a table for 5 at 18:30, please.",
    'She said "no", twice\nand left \\ the {room}.',
    "電池はすぐに切れます。 Батарея 🙂👍🏽 садится",
    "x",
    "a  b\t\tc\r\n",
)


@pytest.fixture(scope="module", params=[byte_level, byte_fallback], ids=lambda made: made.__name__)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("pieces", [1, 3])
def test_every_piece_is_a_run_of_the_texts_words(tokenizer: Any, text: str, pieces: int) -> None:
    end = tokenizer.eos_token_id
    constraint = compile_verbatim(tokenizer, len(tokenizer), [end], text, pieces)
    random = torch.Generator().manual_seed(7)
    for _ in range(6):
        state, ids = constraint.start(), []
        while not state.finished and len(ids) < 200:
            logits = torch.randn((1, len(tokenizer)), generator=random)
            logits[0, end] += 3
            fill_masks([state], logits)
            ids.append(int(logits.argmax()))
            state.advance(ids[-1])
        assert state.finished and state.problem is None
        reply = tokenizer.decode([token for token in ids if token != end])
        lines = reply.split("\n") if pieces > 1 else [reply]
        assert 1 <= len(lines) <= pieces
        for line in lines:
            assert line.strip() and line.strip() in text


def test_a_word_is_not_cut() -> None:
    tokenizer = byte_level()
    end = tokenizer.eos_token_id
    state = compile_verbatim(tokenizer, len(tokenizer), [end], "parcel", 1).start()
    for token in tokenizer("par", add_special_tokens=False)["input_ids"]:
        state.advance(token)
    logits = torch.zeros((1, len(tokenizer)))
    fill_masks([state], logits)
    assert logits[0, end] == float("-inf")


def test_a_blank_text_has_no_words(tokenizer: Any) -> None:
    with pytest.raises(ValueError, match="no words"):
        compile_verbatim(tokenizer, len(tokenizer), [tokenizer.eos_token_id], " \n ", 1)
