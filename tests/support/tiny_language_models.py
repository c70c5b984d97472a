"""Tiny language models with random weights, real tokenizers and chat templates, in the manner of tiny_models.py.

Use: `pytest_plugins = ["tiny_models", "tiny_language_models"]` in a test module gives the fixture `language_models`; ask
it for the folder of a family. Every ninth token of a vocabulary ends a reply, as models with several end tokens have it,
so that replies are of many lengths. (PYTEST_DONT_REWRITE, as there.)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from inlay.models.describe import describe
from inlay.models.ref import ModelRef
from inlay.settings.schema import ModelSettings
from support.installed_versions import TRANSFORMERS, tokenizer_of
from support.tiny_models import SENTENCES, TinyModels, _byte_bpe, _seeded, _unigram, write_json

WINDOW = 256
"""Positions of every tiny language model."""

LLAMA_CHAT = """\
{{- bos_token }}
{%- for message in messages %}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"""

QWEN_CHAT = """\
{%- if messages[0].role != 'system' %}{{- '<|im_start|>system\\nYou help.<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
{%- if message.role == 'assistant' %}
{{- '<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' + message.content + '<|im_end|>\\n' }}
{%- else %}
{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{% endif %}
{%- endif %}"""

# Refuses a system's part, and writes a space before each reply.
MISTRAL_CHAT = """\
{{- bos_token }}
{%- for message in messages %}
{%- if message['role'] == 'user' %}{{- '[INST] ' + message['content'] + ' [/INST]' }}
{%- elif message['role'] == 'assistant' %}{{- ' ' + message['content'] + eos_token }}
{%- else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}
{%- endfor %}"""

# Drops a system's part without a word.
GEMMA_CHAT = """\
{{- bos_token }}
{%- for message in messages if message['role'] != 'system' %}
{{- '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user') + '\\n' }}
{{- message['content'] | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<start_of_turn>model\\n' }}{% endif %}"""


def _fast(backend: Any, **names: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=WINDOW, **names)


def _byte_tokenizer(*special: str, ordinary: tuple[str, ...] = (), bos: str | None = None, **names: str) -> Any:
    """Byte-level BPE. ordinary: tokens that are added but not special. bos: put before every text."""
    from tokenizers import decoders, processors

    _, _, backend = _byte_bpe(*special)
    backend.decoder = decoders.ByteLevel()
    backend.add_tokens(list(ordinary))
    if bos is not None:
        backend.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, backend.token_to_id(bos))]
        )
        names["bos_token"] = bos
    return _fast(backend, **names)


def _metaspace_tokenizer(*special: str, ordinary: tuple[str, ...] = ()) -> Any:
    """BPE of SentencePiece's kind: ▁ for spaces, one before a text, bytes for unknown letters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    backend = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<unk>", "<s>", "</s>", *special],
        initial_alphabet=["▁", "\n", *map(chr, range(33, 127))],
        show_progress=False,
    )
    backend.train_from_iterator([word for sentence in SENTENCES for word in sentence.split()], trainer)
    saved = json.loads(backend.to_str())
    vocabulary = saved["model"]["vocab"]
    for byte in range(256):
        vocabulary.setdefault(f"<0x{byte:02X}>", len(vocabulary))
    backend = Tokenizer.from_str(json.dumps(saved))
    backend.add_tokens(list(ordinary))
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", backend.token_to_id("<s>"))]
    )
    return _fast(backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def _llama_tokenizer() -> Any:
    special = ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>")
    return _byte_tokenizer(*special, bos="<|begin_of_text|>", eos_token="<|eot_id|>")


def _qwen_tokenizer() -> Any:
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
    ordinary = ("<think>", "</think>", "<tool_call>", "<|fim_prefix|>")
    return _byte_tokenizer(*special, ordinary=ordinary, eos_token="<|im_end|>", pad_token="<|endoftext|>")


def _gpt2_tokenizer() -> Any:
    return _byte_tokenizer("<|endoftext|>", eos_token="<|endoftext|>")


def _gemma_tokenizer() -> Any:
    turns = ("<start_of_turn>", "<end_of_turn>")
    return _metaspace_tokenizer(*turns, ordinary=("\n\n", "\n\n\n", "<table>"))


def _t5_tokenizer() -> Any:
    # Some pieces are control tokens that the vocabulary itself holds, as in the published models.
    vocab = _unigram("<pad>", "</s>", "<unk>")
    return tokenizer_of("T5Tokenizer", vocab, extra_ids=4, model_max_length=WINDOW)


def _bart_tokenizer() -> Any:
    vocab, merges, _ = _byte_bpe("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    return tokenizer_of("BartTokenizer", vocab, merges, model_max_length=WINDOW)


@dataclass(frozen=True)
class LanguageFamily:
    """options: of the transformers configuration. chat: the template, None for a base model. spread: of the weights,
    where the architecture's own initialisation is too narrow for replies that do not repeat one word. forced_bos: the
    token that a reply begins with."""

    config: str
    tokenizer: Callable[[], Any]
    options: dict[str, Any] = field(default_factory=dict)
    chat: str | None = None
    spread: float | None = None
    forced_bos: int | None = None


_SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": WINDOW,
    "initializer_range": 0.3,
}
_HEADS = {"head_dim": 8}
_SEQ2SEQ = {"d_model": 32, "max_position_embeddings": WINDOW, "is_encoder_decoder": True}

LANGUAGE_FAMILIES: dict[str, LanguageFamily] = {
    "llama": LanguageFamily("LlamaConfig", _llama_tokenizer, _SMALL, LLAMA_CHAT),
    "qwen2": LanguageFamily("Qwen2Config", _qwen_tokenizer, {**_SMALL, "tie_word_embeddings": True}, QWEN_CHAT),
    "qwen3": LanguageFamily("Qwen3Config", _qwen_tokenizer, {**_SMALL, **_HEADS}, QWEN_CHAT),
    "gpt2": LanguageFamily(
        "GPT2Config",
        _gpt2_tokenizer,
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": WINDOW, "initializer_range": 0.3},
    ),
    # A window that some prompts of the tests exceed.
    "mistral": LanguageFamily(
        "MistralConfig", lambda: _metaspace_tokenizer(), {**_SMALL, "sliding_window": 72}, MISTRAL_CHAT
    ),
    # Every other layer has a window, longer than any prompt here; scores and logits are capped.
    "gemma2": LanguageFamily(
        "Gemma2Config",
        _gemma_tokenizer,
        {**_SMALL, **_HEADS, "sliding_window": WINDOW, "query_pre_attn_scalar": 8, "tie_word_embeddings": False},
        GEMMA_CHAT,
    ),
    # Distances to other tokens are told to attention by a mask of its own kind.
    "bloom": LanguageFamily(
        "BloomConfig", _gpt2_tokenizer, {"hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3}
    ),
    "mamba": LanguageFamily(
        "MambaConfig",
        _gpt2_tokenizer,
        {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "initializer_range": 0.3},
    ),
    "t5": LanguageFamily(
        "T5Config",
        _t5_tokenizer,
        {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "n_positions": WINDOW,
         "decoder_start_token_id": 0, "tie_word_embeddings": False},
        spread=0.5,
    ),
    "bart": LanguageFamily(
        "BartConfig",
        _bart_tokenizer,
        {**_SEQ2SEQ, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
         "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "init_std": 0.3,
         "forced_eos_token_id": None, "tie_word_embeddings": TRANSFORMERS < 5},  # 4 saves no untied copies
        spread=0.5,
        forced_bos=0,
    ),
}  # fmt: skip


class TinyLanguageModels:
    """Folders of tiny language models. Do not change them."""

    def __init__(self, tiny_models: TinyModels) -> None:
        self._tiny = tiny_models

    def folder(self, family: str) -> Path:
        """config.json, generation_config.json, model.safetensors, tokenizer files and the chat template."""

        def make(folder: Path) -> None:
            import torch
            import transformers

            made = LANGUAGE_FAMILIES[family]
            tokenizer = made.tokenizer()
            ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
            config = getattr(transformers, made.config)(vocab_size=len(tokenizer), **ids, **made.options)
            kind = transformers.AutoModelForCausalLM
            if config.is_encoder_decoder:
                kind = transformers.AutoModelForSeq2SeqLM
            with _seeded(f"language model {family}"):
                model = kind.from_config(config)
                if made.spread is not None:
                    for weights in model.parameters():
                        if weights.ndim > 1:
                            torch.nn.init.normal_(weights, 0.0, made.spread)
            model.generation_config.eos_token_id = ends_of(tokenizer)
            model.generation_config.forced_bos_token_id = made.forced_bos
            model.save_pretrained(folder)
            tokenizer.chat_template = made.chat
            tokenizer.save_pretrained(folder)

        return self._tiny._once(f"language-{family}", make)

    def ref(self, family: str, **settings: Any) -> ModelRef:
        """The model described, in float32 on the CPU, whatever else [models] may say of it."""
        return describe_folder(self.folder(family), **settings)

    def ended_by_one(self, family: str) -> ModelRef:
        """The same model, whose replies only its tokenizer's own end token ends."""
        folder = self.copy(family)
        ends = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))["eos_token_id"]
        change_json(folder / "generation_config.json", eos_token_id=ends[0])
        return describe_folder(folder)

    def with_template(self, family: str, template: str) -> Path:
        """The same model with another chat template."""
        folder = self._tiny.copy(self.folder(family))
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
        return folder

    def copy(self, family: str) -> Path:
        """A folder that the caller may change."""
        return self._tiny.copy(self.folder(family))


def describe_folder(folder: Path, **settings: Any) -> ModelRef:
    said = ModelSettings(**{"name": folder.name, "source": str(folder), "task": "generate", **settings})
    return describe(said, device="cpu", dtype="float32")


def ends_of(tokenizer: Any) -> list[int]:
    """The tokenizer's own end token first; Gemma's turns have one of their own."""
    turn = tokenizer.get_vocab().get("<end_of_turn>")
    return [tokenizer.eos_token_id, *([] if turn is None else [turn]), *range(40, len(tokenizer), 9)]


def change_json(path: Path, **changed: Any) -> None:
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **changed})


@pytest.fixture(scope="session")
def language_models(tiny_models: TinyModels) -> TinyLanguageModels:
    return TinyLanguageModels(tiny_models)
