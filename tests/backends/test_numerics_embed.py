"""Vectors: inlay's against sentence-transformers' and transformers' own, on tiny random models.

The models stand in tiny_models.py: every architecture that the padding-free path serves and two that it does not,
every pooling, everything that may follow it. Real weights are another file's matter.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer

import inlay
from inlay.arrays import Floats
from inlay.backends.encoders import packing
from inlay.backends.encoders.lean_bert import LEAN, LeanBert, is_lean
from inlay.backends.encoders.transformers_forward import TransformersForward
from inlay.backends.tokenizer import TextTokenizer
from inlay.engine.resolve import Resolved
from inlay.models.describe import describe
from inlay.models.ref import ModelRef
from inlay.settings.schema import ModelSettings
from support.asking import numbers
from support.installed_versions import SENTENCE_TRANSFORMERS, TRANSFORMERS
from support.tiny_models import (
    AFTER,
    FAMILIES,
    MAX_TOKENS,
    POOLING_MODES,
    SENTENCES,
    TEXTS,
    TinyModels,
    words,
    write_json,
)

pytest_plugins = ("support.tiny_models",)

# Tolerances are relative to the largest number of a row, where that is above 1.
#
# Both sides compute in float32, but sum in another order: no padding here, batches of another shape there. That leaves
# 2e-6 at most in these two layers (measured); a wrong token, position or mask moves numbers by tenths.
TOLERANCE = 1e-5

# bfloat16 keeps 8 bits: one rounding is 0.4 %. A batch of another shape sums in another order, which moves some of the
# roundings: by 0.01 at most in pooled vectors, 0.02 in single tokens, and 3e-4 in a vector's direction (measured).
# Three times that is allowed, since other processors have other kernels.
BFLOAT16_TOLERANCE = 0.03
BFLOAT16_TOKEN_TOLERANCE = 0.06
BFLOAT16_COSINE = 0.999


def described(folder: Path, *, dtype: str = "float32", **said: Any) -> ModelRef:
    return describe(ModelSettings("tiny", str(folder), **said), device="cpu", dtype=dtype)


def embed(ref: ModelRef, texts: list[str], purpose: str = "document") -> Resolved:
    """Through the engine, with nothing known beforehand."""
    outcome = numbers(ref, texts, prompt=ref.prompt(purpose))
    assert not outcome.errors
    return outcome


def sentence_transformer(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def assert_equal(found: Floats, expected: Floats, tolerance: float = TOLERANCE) -> None:
    assert found.shape == expected.shape
    scale = np.maximum(1, np.abs(expected).max(axis=1, keepdims=True))
    np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=tolerance)


def assert_same_direction(found: Floats, expected: Floats) -> None:
    cosine = (found * expected).sum(axis=1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)
    assert cosine.min() > BFLOAT16_COSINE


# ---- architectures, poolings, what follows them


@pytest.mark.parametrize("family", FAMILIES)
def test_every_architecture_gives_the_vectors_of_sentence_transformers(tiny_models: TinyModels, family: str) -> None:
    folder = tiny_models.sentence(family)
    model = sentence_transformer(folder)
    outcome = embed(described(folder), list(TEXTS))
    assert_equal(outcome.rows, model.encode(list(TEXTS)))
    # The texts reach past the limit, so the comparison above includes how each tokenizer cuts.
    lengths = [len(ids) for ids in model.tokenizer(sorted(set(TEXTS)), truncation=False)["input_ids"]]
    assert outcome.usage.truncated == sum(length > MAX_TOKENS for length in lengths) > 0
    assert any(128 < length < MAX_TOKENS for length in lengths)


@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize(
    "mode", [*POOLING_MODES, ("cls", "max", "mean"), ("lasttoken", "mean_sqrt_len_tokens", "weightedmean")], ids=str
)
def test_every_pooling_gives_the_vectors_of_sentence_transformers(
    tiny_models: TinyModels, family: str, mode: str | tuple[str, ...]
) -> None:
    folder = tiny_models.sentence(family, mode)
    ref = described(folder)
    assert ref.width == (32 if isinstance(mode, str) else 96)
    assert_equal(embed(ref, list(TEXTS)).rows, sentence_transformer(folder).encode(list(TEXTS)))


@pytest.mark.parametrize("family", ["mpnet", "modernbert"])
@pytest.mark.parametrize("mode", ["cls", "lasttoken", "max"])
def test_padded_architectures_pool_like_sentence_transformers(tiny_models: TinyModels, family: str, mode: str) -> None:
    folder = tiny_models.sentence(family, mode)
    assert_equal(embed(described(folder), list(TEXTS)).rows, sentence_transformer(folder).encode(list(TEXTS)))


@pytest.mark.parametrize(
    "after",
    [(name,) for name in AFTER] + [("dense tanh", "layer norm", "normalize"), ("dense identity", "dense gelu")],
    ids=" then ".join,
)
def test_what_follows_pooling_gives_the_vectors_of_sentence_transformers(
    tiny_models: TinyModels, after: tuple[str, ...]
) -> None:
    folder = tiny_models.sentence("bert", ("mean", "cls"), after=after)
    model = sentence_transformer(folder)
    ref = described(folder)
    expected = model.encode(list(TEXTS))
    assert ref.width == expected.shape[1]
    assert ref.normalized == (after[-1] == "normalize")
    assert_equal(embed(ref, list(TEXTS)).rows, expected)


# ---- prompts


# sentence-transformers 5 strips a prompt where nothing follows it; 6 does not, and neither does inlay.
PROMPTED = TEXTS if SENTENCE_TRANSFORMERS >= 6 else tuple(text for text in TEXTS if text)
PROMPTS = {"query": "Represent this question for search: ", "document": "passage: "}


@pytest.mark.parametrize("include_prompt", [True, False], ids=["prompt pooled", "prompt left out"])
@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet"])
def test_prompts_go_before_queries_and_documents(tiny_models: TinyModels, family: str, include_prompt: bool) -> None:
    if SENTENCE_TRANSFORMERS < 6 and not include_prompt and family == "roberta":
        pytest.skip("sentence-transformers 5 counts the tokens of a prompt without the blank at its end")
    folder = tiny_models.sentence(family, prompts=PROMPTS, include_prompt=include_prompt)
    model, ref = sentence_transformer(folder), described(folder)
    queries, documents = (embed(ref, list(PROMPTED), purpose).rows for purpose in ("query", "document"))
    assert_equal(queries, model.encode_query(list(PROMPTED)))
    assert_equal(documents, model.encode_document(list(PROMPTED)))
    assert np.abs(queries - documents).max() > 0.01


@pytest.mark.parametrize("mode", POOLING_MODES)
def test_a_prompt_is_left_out_of_every_pooling(tiny_models: TinyModels, mode: str) -> None:
    if SENTENCE_TRANSFORMERS < 6 and mode == "cls":
        pytest.skip("sentence-transformers 5 takes the first token, the prompt's or not")
    folder = tiny_models.sentence("bert", mode, prompts=PROMPTS, include_prompt=False)
    expected = sentence_transformer(folder).encode_query(list(PROMPTED))
    assert_equal(embed(described(folder), list(PROMPTED), "query").rows, expected)


def test_a_model_with_other_prompt_names_gets_no_prompt(tiny_models: TinyModels) -> None:
    # sentence-transformers 6.2 looks for 'passage' only where there is no 'document', and adds an empty one itself.
    folder = tiny_models.sentence("bert", prompts={"passage": "passage: "})
    assert_equal(
        embed(described(folder), list(SENTENCES)).rows, sentence_transformer(folder).encode_document(list(SENTENCES))
    )


def test_prompts_in_the_settings_replace_those_of_the_folder(tiny_models: TinyModels) -> None:
    folder = tiny_models.sentence("bert", prompts=PROMPTS)
    ref = described(folder, prompts=(("query", "search: "),))
    model = sentence_transformer(folder)
    assert_equal(embed(ref, list(SENTENCES), "query").rows, model.encode(list(SENTENCES), prompt="search: "))
    assert_equal(embed(ref, list(SENTENCES), "document").rows, model.encode(list(SENTENCES), prompt=""))


# ---- older folders, plain encoders, tokenizer settings


@pytest.mark.parametrize(
    "switches", [["mean_tokens"], ["cls_token"], ["max_tokens", "mean_tokens", "lasttoken"], []], ids=str
)
def test_folders_of_older_versions_give_the_vectors_of_sentence_transformers(
    tiny_models: TinyModels, switches: list[str]
) -> None:
    if not switches and SENTENCE_TRANSFORMERS < 6:
        pytest.skip("sentence-transformers 5 reads no folder without a pooling mode")
    folder = tiny_models.old_sentence(switches)
    ref = described(folder)
    assert ref.max_tokens == 100
    assert_equal(embed(ref, list(TEXTS)).rows, sentence_transformer(folder).encode(list(TEXTS)))


@pytest.mark.skipif(SENTENCE_TRANSFORMERS < 6, reason="sentence-transformers 5 lowers as str.lower() does")
def test_do_lower_case_lowers_as_sentence_transformers_does(tiny_models: TinyModels) -> None:
    # Not as str.lower() does: [SEP] stays a special token, and a Σ at the end of a word becomes σ.
    lowered, cased = (tiny_models.old_sentence(["mean_tokens"], lowercase=lower) for lower in (True, False))
    texts = [*TEXTS, *(text.upper() for text in TEXTS)]
    found = embed(described(lowered), texts).rows
    assert_equal(found, sentence_transformer(lowered).encode(texts))
    assert np.abs(found - embed(described(cased), texts).rows).max() > 0.01


def test_texts_are_cut_at_the_side_that_the_tokenizer_names(tiny_models: TinyModels) -> None:
    folder = tiny_models.copy(tiny_models.sentence("roberta"))
    path = folder / "tokenizer_config.json"
    write_json(path, {**json.loads(path.read_text()), "truncation_side": "left"})
    found = embed(described(folder), list(TEXTS)).rows
    assert_equal(found, sentence_transformer(folder).encode(list(TEXTS)))
    assert np.abs(found - embed(described(tiny_models.sentence("roberta")), list(TEXTS)).rows).max() > 0.01


def test_max_tokens_in_the_settings_cuts_earlier(tiny_models: TinyModels) -> None:
    folder = tiny_models.sentence("bert")
    model = sentence_transformer(folder)
    model.max_seq_length = 16
    assert_equal(embed(described(folder, max_tokens=16), list(TEXTS)).rows, model.encode(list(TEXTS)))


def test_a_decoder_keeps_its_causal_attention(tiny_models: TinyModels) -> None:
    folder = tiny_models.copy(tiny_models.sentence("bert"))
    path = folder / "config.json"
    write_json(path, {**json.loads(path.read_text()), "is_decoder": True})
    found = embed(described(folder), list(TEXTS)).rows
    assert_equal(found, sentence_transformer(folder).encode(list(TEXTS)))
    assert np.abs(found - embed(described(tiny_models.sentence("bert")), list(TEXTS)).rows).max() > 0.01


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mode", ["mean", "cls"])
def test_a_plain_encoder_with_declared_pooling_gives_what_transformers_gives(
    tiny_models: TinyModels, family: str, mode: str
) -> None:
    folder = tiny_models.encoder(family)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    expected = []
    for text in TEXTS:
        inputs = tokenizer(text, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**inputs).last_hidden_state[0]
        expected.append((hidden.mean(dim=0) if mode == "mean" else hidden[0]).numpy())
    wanted = np.stack(expected)
    assert_equal(embed(described(folder, pooling=(mode,)), list(TEXTS)).rows, wanted)
    unit = wanted / np.linalg.norm(wanted, axis=1, keepdims=True)
    assert_equal(embed(described(folder, pooling=(mode,), normalize=True), list(TEXTS)).rows, unit)


def test_a_folder_with_only_a_vocabulary_gives_the_vectors_of_sentence_transformers(tiny_models: TinyModels) -> None:
    folder = tiny_models.copy(tiny_models.sentence("bert"))
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    (folder / "vocab.txt").write_text(
        "\n".join(sorted(vocabulary, key=vocabulary.__getitem__)) + "\n", encoding="utf-8"
    )
    (folder / "tokenizer.json").unlink()
    assert_equal(embed(described(folder), list(TEXTS)).rows, sentence_transformer(folder).encode(list(TEXTS)))


# ---- SQL


def test_ai_embed_gives_the_vectors_of_sentence_transformers(tiny_models: TinyModels) -> None:
    folder = tiny_models.sentence("roberta", after=("normalize",), prompts=PROMPTS)
    model = sentence_transformer(folder)
    with inlay.connect(model=str(folder), device="cpu", dtype="float32") as con:
        con.execute("create table texts as select unnest(range(len(?))) as n, unnest(?) as body", [list(PROMPTED)] * 2)
        documents = con.sql("select ai_embed(body, on_blank := 'answer')::float[32] from texts order by n").fetchall()
        queries = con.sql(
            "select ai_embed(body, task := 'query', on_blank := 'answer')::float[32] from texts order by n"
        ).fetchall()
        assert con.sql("select ai_embed(null) is null").fetchall() == [(True,)]
    assert_equal(np.array([row[0] for row in documents], dtype=np.float32), model.encode_document(list(PROMPTED)))
    assert_equal(np.array([row[0] for row in queries], dtype=np.float32), model.encode_query(list(PROMPTED)))


# ---- answers do not depend on the batch


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_answers_do_not_depend_on_how_rows_are_batched(tiny_models: TinyModels, family: str, dtype: str) -> None:
    ref = described(tiny_models.sentence(family), dtype=dtype)
    texts = sorted(set(TEXTS))
    together = embed(ref, texts).rows
    order = random.Random(7).sample(range(len(texts)), len(texts))
    permuted = np.empty_like(together)
    permuted[order] = embed(ref, [texts[i] for i in order]).rows
    alone = np.concatenate([embed(ref, [text]).rows for text in texts])
    for other in (permuted, alone):
        if dtype == "float32":
            assert_equal(other, together)
        else:
            assert_equal(other, together, BFLOAT16_TOLERANCE)
            assert_same_direction(other, together)


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_keeps_the_direction_of_float32(tiny_models: TinyModels, family: str) -> None:
    folder = tiny_models.sentence(family)
    exact = embed(described(folder), list(TEXTS)).rows
    assert_same_direction(embed(described(folder, dtype="bfloat16"), list(TEXTS)).rows, exact)


def test_equal_texts_get_bit_equal_vectors(tiny_models: TinyModels) -> None:
    ref = described(tiny_models.sentence("bert"), dtype="bfloat16")
    rows = embed(ref, [SENTENCES[0], words(40), SENTENCES[0], SENTENCES[0]]).rows
    assert (rows[0] == rows[2]).all()
    assert (rows[0] == rows[3]).all()


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(max_size=80), min_size=1, max_size=12),
    family=st.sampled_from(["bert", "roberta", "xlm-roberta"]),
)
def test_any_texts_give_the_vectors_of_sentence_transformers(
    tiny_models: TinyModels, loaded: dict[str, tuple[ModelRef, SentenceTransformer]], texts: list[str], family: str
) -> None:
    if family not in loaded:
        folder = tiny_models.sentence(family, "weightedmean")
        loaded[family] = described(folder), sentence_transformer(folder)
    ref, model = loaded[family]
    if SENTENCE_TRANSFORMERS < 6:  # strips them itself
        texts = [text.strip() for text in texts]
    assert_equal(embed(ref, texts).rows, model.encode(texts))


@pytest.fixture(scope="module")
def loaded() -> dict[str, tuple[ModelRef, SentenceTransformer]]:
    return {}


# ---- without padding: inlay's own forward pass, and transformers' with attention replaced


def test_every_architecture_run_without_padding_stands_in_these_tests() -> None:
    assert set(FAMILIES) >= packing.PACKABLE | LEAN


def padded_forward(ref: ModelRef, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> TransformersForward:
    with monkeypatch.context() as patched:
        patched.setattr(packing, "PACKABLE", frozenset())
        return TransformersForward(ref, dtype, torch.device("cpu"))


# Mixed lengths as they come, several of a length side by side, lengths above 128, a text alone, an empty one.
BATCHES = (list(TEXTS), [words(9)] * 3 + [words(140, seed=i) for i in range(4)], [words(150)], [""])


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", sorted(packing.PACKABLE))
def test_replaced_attention_equals_padding(
    tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch, family: str, dtype: torch.dtype
) -> None:
    ref = described(tiny_models.sentence(family))
    cuts: list[int] = []
    set_borders = packing.set_borders
    monkeypatch.setattr(packing, "set_borders", lambda lengths: (cuts.append(len(lengths)), set_borders(lengths)))
    packed, padded = TransformersForward(ref, dtype, torch.device("cpu")), padded_forward(ref, monkeypatch, dtype)
    tokenize = TextTokenizer(ref, with_types=False)
    for texts in BATCHES:
        tokens = tokenize(texts, None, "")
        found, expected = packed.hidden(tokens).float().numpy(), padded.hidden(tokens).float().numpy()
        assert len(found) == len(tokens.ids)
        if dtype == torch.float32:
            assert_equal(found, expected)
        else:
            assert_equal(found, expected, BFLOAT16_TOKEN_TOLERANCE)
    # Models of transformers 4 take no attention of ours, so they are padded there.
    assert cuts == ([len(texts) for texts in BATCHES] if TRANSFORMERS >= 5 else [])


@torch.inference_mode()
@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"])
@pytest.mark.parametrize("family", sorted(LEAN))
def test_the_lean_forward_equals_transformers(
    tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch, family: str, activation: str
) -> None:
    folder = tiny_models.copy(tiny_models.sentence(family))
    path = folder / "config.json"
    write_json(path, {**json.loads(path.read_text()), "hidden_act": activation})
    ref = described(folder)
    assert is_lean(ref)
    lean, padded = LeanBert(ref, torch.float32), padded_forward(ref, monkeypatch, torch.float32)
    tokenize = TextTokenizer(ref, with_types=False)
    for texts in BATCHES:
        tokens = tokenize(texts, None, "")
        assert_equal(lean(tokens).numpy(), padded.hidden(tokens).numpy())


@torch.inference_mode()
@pytest.mark.parametrize("family", sorted(LEAN))
def test_the_lean_forward_in_bfloat16_stays_nearer_to_float32_than_transformers(
    tiny_models: TinyModels, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    ref = described(tiny_models.sentence(family))
    tokens = TextTokenizer(ref, with_types=False)(list(TEXTS), None, "")
    exact = padded_forward(ref, monkeypatch, torch.float32).hidden(tokens).numpy()
    lean = LeanBert(ref, torch.bfloat16)(tokens).numpy()
    theirs = padded_forward(ref, monkeypatch, torch.bfloat16).hidden(tokens).float().numpy()
    assert_equal(lean, exact, BFLOAT16_TOKEN_TOLERANCE)
    assert np.abs(lean - exact).mean() < np.abs(theirs - exact).mean()


@pytest.mark.parametrize("change", [{"hidden_act": "silu"}, {"is_decoder": True}], ids=str)
@pytest.mark.parametrize("family", sorted(LEAN))
def test_what_the_lean_forward_does_not_serve_runs_through_transformers(
    tiny_models: TinyModels, family: str, change: dict[str, Any]
) -> None:
    folder = tiny_models.copy(tiny_models.sentence(family))
    path = folder / "config.json"
    write_json(path, {**json.loads(path.read_text()), **change})
    assert not is_lean(described(folder))
    found = embed(described(folder), list(TEXTS)).rows
    assert_equal(found, sentence_transformer(folder).encode(list(TEXTS)))
    assert np.abs(found - embed(described(tiny_models.sentence(family)), list(TEXTS)).rows).max() > 0.01


@pytest.mark.parametrize("unsaid", ["pad_token_id", "layer_norm_eps", "hidden_act"])
@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_what_a_config_leaves_out_is_the_default_of_its_family(
    tiny_models: TinyModels, family: str, unsaid: str
) -> None:
    folder = tiny_models.copy(tiny_models.sentence(family))
    path = folder / "config.json"
    write_json(path, {key: value for key, value in json.loads(path.read_text()).items() if key != unsaid})
    assert_equal(embed(described(folder), list(TEXTS)).rows, sentence_transformer(folder).encode(list(TEXTS)))


@pytest.mark.parametrize("family", ["bert", "roberta", "electra", "mpnet"])
def test_weights_in_several_files_give_the_same_vectors(tiny_models: TinyModels, family: str) -> None:
    whole = tiny_models.sentence(family)
    folder = tiny_models.copy(whole)
    (folder / "model.safetensors").unlink()
    AutoModel.from_pretrained(whole).save_pretrained(folder, max_shard_size="30KB")
    ref = described(folder)
    assert len(ref.weights) > 1
    # The last bits of a sum of floats differ with where its memory lies; other weights differ in the first digits.
    np.testing.assert_allclose(embed(ref, list(TEXTS)).rows, embed(described(whole), list(TEXTS)).rows, atol=1e-6)


def test_another_weight_file_beside_the_models_own_is_not_read(tiny_models: TinyModels) -> None:
    whole = tiny_models.sentence("bert")
    folder = tiny_models.copy(whole)
    halved = {name: tensor / 2 for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(halved, folder / "model_half.safetensors", metadata={"format": "pt"})
    assert (embed(described(folder), list(TEXTS)).rows == embed(described(whole), list(TEXTS)).rows).all()


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"bert.{name}",
        lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
    ],
    ids=["of a model with a head", "of 2018"],
)
def test_weights_under_older_names_give_the_same_vectors(tiny_models: TinyModels, rename: Callable[[str], str]) -> None:
    whole = tiny_models.sentence("bert")
    folder = tiny_models.copy(whole)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {rename(name): tensor for name, tensor in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    assert (embed(described(folder), list(TEXTS)).rows == embed(described(whole), list(TEXTS)).rows).all()


FAR_TEXTS = (
    words(4_000),
    "\n".join(words(9, seed=i) for i in range(400)),
    " " * 20_000 + words(1_000),
    words(3) + " " * 20_000 + words(1_000),
    "a" * 3_000,
    "電池はすぐに切れます。" * 300,
    "🙂👍🏽é" * 600,
    words(100),
    "",
)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", ["bert", "roberta", "xlm-roberta", "modernbert"])
def test_a_long_text_is_read_as_far_as_it_is_kept(tiny_models: TinyModels, family: str, side: str) -> None:
    folder = tiny_models.copy(tiny_models.sentence(family))
    path = folder / "tokenizer_config.json"
    write_json(path, {**(json.loads(path.read_text()) if path.exists() else {}), "truncation_side": side})
    ref = described(folder)
    near, whole = TextTokenizer(ref, with_types=False), TextTokenizer(ref, with_types=False, whole=True)
    texts = list(FAR_TEXTS)
    for pairs in (None, texts[::-1], ["short"] * len(texts)):
        found, expected = near(texts, pairs, "query: "), whole(texts, pairs, "query: ")
        assert (found.offsets == expected.offsets).all()
        for row, (start, end) in enumerate(itertools.pairwise(found.offsets)):
            assert (found.ids[start:end] == expected.ids[start:end]).all(), (row, pairs and pairs[row][:9])
        assert (found.lengths_before <= expected.lengths_before).all()
        assert ((found.lengths_before > found.lengths) == (expected.lengths_before > expected.lengths)).all()
    assert len(near._near(texts[0])) < 0.2 * len(texts[0])
