"""Real tokenizers of every kind that language models come with, trained in a second on a few texts."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from support.random_schemas import NAMES, TEXTS

_JSON = '{"name": "Anna", "age": 31, "tags": ["a", "b"], "ok": true, "none": null, "no": false, "at": "2024-01-31T10:00:00Z"}'
SENTENCES = (
    "The parcel arrived three days late and the box was broken on one side.",
    "Le colis est arrivé en retard, mais le service client était très aimable.",
    "Die Lieferung kam pünktlich, leider fehlte die Anleitung für den Aufbau.",
    "電池はすぐに切れます。 Батарея садится быстро. 🙂👍🏽",
    "https://www.example.com/a-b?c=d&e=%20 someone@example.com b2c7c0f8-0f5d-4f2e-8f55-0c9a3e8f2d11",
    string.printable,
    _JSON,
    _JSON.replace('": ', '":').replace(", ", ","),
    *NAMES,
    *TEXTS,
)


def byte_level(texts: Sequence[str] = SENTENCES, size: int = 1_500) -> Any:
    """BPE over bytes, as of GPT-2, Qwen and Llama 3."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|end|>", "<|turn|>", "<|pad|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return _fast(made, eos_token="<|end|>", pad_token="<|pad|>")


def byte_fallback(texts: Sequence[str] = SENTENCES, size: int = 1_500) -> Any:
    """SentencePiece's BPE, as of Llama 2, Mistral and Gemma: characters with ▁ for blanks, bytes for what is rare."""
    return _fast(_byte_fallback(texts, size), bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def byte_fallback_prefixed(texts: Sequence[str] = SENTENCES, size: int = 1_500) -> Any:
    """The same, where the blank before a text comes from the pre-tokenizer."""
    from tokenizers import normalizers, pre_tokenizers

    made = _byte_fallback(texts, size)
    made.normalizer = normalizers.Sequence([])
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return _fast(made, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def unigram(texts: Sequence[str] = SENTENCES, size: int = 600) -> Any:
    """SentencePiece's unigrams, as of T5: what no piece has is unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.Unigram())
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    alphabet = sorted({character for text in texts for character in text if not character.isspace()})
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=special, unk_token="<unk>", initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(texts, trainer)
    return _fast(made, eos_token="</s>", pad_token="<pad>", unk_token="<unk>")


def unigram_without_braces() -> Any:
    """T5's own vocabulary has no braces."""
    return unigram([text.replace("{", "(").replace("}", ")") for text in SENTENCES])


def word_piece(texts: Sequence[str] = SENTENCES, size: int = 600) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=["[UNK]", "[SEP]"], show_progress=False)
    made.train_from_iterator(texts, trainer)
    return _fast(made, eos_token="[SEP]", unk_token="[UNK]")


CAN_WRITE: tuple[Callable[[], Any], ...] = (byte_level, byte_fallback, byte_fallback_prefixed, unigram)


@cache
def made(kind: Callable[[], Any]) -> Any:
    """The tokenizer of a kind, made once."""
    return kind()


def _byte_fallback(texts: Sequence[str], size: int) -> Any:
    """Trained on words, with the bytes put in afterwards: they are tokens like others, and not special ones."""
    import json

    from tokenizers import Tokenizer, decoders, models, normalizers, trainers

    learned = Tokenizer(models.BPE(unk_token="<unk>"))
    learned.normalizer = normalizers.Replace(" ", "▁")
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    learned.train_from_iterator((f"▁{word}" for text in texts for word in text.split()), trainer)
    file = json.loads(learned.to_str())
    vocabulary = file["model"]["vocab"]
    for byte in range(256):
        vocabulary.setdefault(f"<0x{byte:02X}>", len(vocabulary))
    file["model"].update(byte_fallback=True, fuse_unk=True)
    made = Tokenizer.from_str(json.dumps(file))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(steps)
    return made


def _fast(tokenizer: Any, **special: str) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
