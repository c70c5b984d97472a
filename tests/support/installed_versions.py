"""Tokenizers and modules made in the same way with every supported transformers and sentence-transformers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

# The major versions, found without an import: 5 and 6 are today's.
DUCKDB = int(version("duckdb").split(".")[0])
TRANSFORMERS = int(version("transformers").split(".")[0])
SENTENCE_TRANSFORMERS = int(version("sentence-transformers").split(".")[0])

Scores = list[tuple[str, float]]


def tokenizer_of(kind: str, vocab: Any, merges: list[tuple[str, str]] | None = None, **options: Any) -> Any:
    """The fast tokenizer of transformers' class `kind`, such as 'BertTokenizer'.

    vocab: token → number, or for Unigram tokens with their log probabilities. transformers 5 takes it as it is; 4 reads
    WordPiece and BPE from files, and Unigram only from SentencePiece's own files or from a finished tokenizer.
    """
    import transformers

    if TRANSFORMERS >= 5:
        given = {"vocab": vocab} if merges is None else {"vocab": vocab, "merges": merges}
        return getattr(transformers, kind)(**given, **options)
    made = getattr(transformers, f"{kind}Fast")
    if isinstance(vocab, list):
        return made(tokenizer_object=_unigram(kind, vocab, **options), **options)
    with tempfile.TemporaryDirectory() as folder:
        if merges is None:
            file = Path(folder, "vocab.txt")
            file.write_text("\n".join(sorted(vocab, key=vocab.__getitem__)), encoding="utf-8")
            return made(vocab_file=str(file), **options)
        Path(folder, "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
        Path(folder, "merges.txt").write_text("\n".join(map(" ".join, merges)), encoding="utf-8")
        return made(vocab_file=f"{folder}/vocab.json", merges_file=f"{folder}/merges.txt", **options)


def _unigram(kind: str, vocab: Scores, extra_ids: int = 0, **_: Any) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    tokens = [token for token, _ in vocab]
    made = Tokenizer(models.Unigram(vocab, unk_id=tokens.index("<unk>"), byte_fallback=False))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    made.decoder = decoders.Metaspace(prepend_scheme="always")
    single, pair = "<s> $A </s>", "<s> $A </s> </s> $B </s>"
    if kind == "T5Tokenizer":
        single, pair = "$A </s>", "$A </s> $B </s>"
        made.add_special_tokens([f"<extra_id_{i}>" for i in range(extra_ids)])
    special = [(token, tokens.index(token)) for token in ("<s>", "</s>") if token in tokens]
    made.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=special)
    return made


# Where a saved sentence-transformers model says how many tokens it reads: (file, key).
TOKEN_LIMIT = (
    ("tokenizer_config.json", "model_max_length")
    if SENTENCE_TRANSFORMERS >= 6
    else ("sentence_bert_config.json", "max_seq_length")
)


def sentence_module(name: str) -> Any:
    """The class of sentence-transformers of that name: 5 has its modules in another place than 6."""
    for home in ("base.modules", "sentence_transformer.modules", "models"):
        try:
            found = getattr(import_module(f"sentence_transformers.{home}"), name, None)
        except ModuleNotFoundError:
            continue
        if found is not None:
            return found
    raise ImportError(f"sentence-transformers has no module {name}")


def pooling(width: int, modes: Sequence[str], *, include_prompt: bool) -> Any:
    """sentence-transformers' Pooling; 5 has a switch for each mode."""
    kind = sentence_module("Pooling")
    if SENTENCE_TRANSFORMERS >= 6:
        return kind(width, list(modes) if len(modes) > 1 else modes[0], include_prompt=include_prompt)
    known = ("mean", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", "cls")
    names = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "weightedmean": "weightedmean_tokens"}
    switches = {f"pooling_mode_{names.get(mode, mode)}": mode in modes for mode in known}
    return kind(width, include_prompt=include_prompt, **switches)
