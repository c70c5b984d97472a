"""A GGUF file of a very small Llama with random weights, written as llama.cpp writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from support.small_tokenizers import byte_level

WIDTH, HEADS, LAYERS, INNER = 64, 4, 2, 128
TEMPLATE = (
    "{% for m in messages %}<|turn|>{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}<|turn|>{% endif %}"
)


def write_gguf(path: Path, *, architecture: str = "llama", quantised: bool = True) -> Path:
    import gguf

    tokenizer = byte_level(size=600).backend_tokenizer
    vocabulary = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("tiny")
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocabulary)
    writer.add_token_types([3 if text.startswith("<|") else 1 for text in vocabulary])
    writer.add_token_merges([" ".join(pair) for pair in _merges(tokenizer)])
    end = vocabulary.index("<|end|>")
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)
    writer.add_pad_token_id(end)
    writer.add_chat_template(TEMPLATE)
    shapes = {"token_embd": (len(vocabulary), WIDTH)}
    for layer in range(LAYERS):
        shapes |= {f"blk.{layer}.attn_{name}": (WIDTH, WIDTH) for name in ("q", "k", "v", "output")}
        shapes |= {f"blk.{layer}.ffn_{name}": (INNER, WIDTH) for name in ("gate", "up")}
        shapes[f"blk.{layer}.ffn_down"] = (WIDTH, INNER)
    kind = gguf.GGMLQuantizationType.Q8_0
    for name, shape in shapes.items():
        weights = random.standard_normal(shape, dtype=np.float32) / 8
        if quantised:
            writer.add_tensor(f"{name}.weight", gguf.quantize(weights, kind), raw_dtype=kind)
        else:
            writer.add_tensor(f"{name}.weight", weights)
    norms = ["output_norm"] + [f"blk.{layer}.{name}_norm" for layer in range(LAYERS) for name in ("attn", "ffn")]
    for name in norms:
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _merges(tokenizer: object) -> list[tuple[str, str]]:
    import json

    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]
