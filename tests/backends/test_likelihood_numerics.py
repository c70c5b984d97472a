"""How likely given answers are: one pass over many prompts against a full forward pass of transformers for each prompt
and answer, on tiny random models (tiny_language_models.py)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, LlamaConfig, LlamaForCausalLM

import inlay
from inlay.backends.base import Choices, OutOfMemory, Prompt, Tokens
from inlay.backends.decoders import likelihood
from inlay.backends.decoders.causal import CausalReader, common_beginning, reader_of
from inlay.backends.decoders.language_model import TorchLanguageModel
from inlay.backends.decoders.option_tree import option_tree
from inlay.backends.load import load_backend
from inlay.engine.batches import cut_batches
from inlay.engine.cancel import Token
from inlay.engine.lane import Lane
from inlay.engine.number_jobs import NumbersJob, joined, select_rows
from inlay.engine.result_cache import empty_rows
from inlay.functions.contract import NEUTRAL_OF_PAIRS
from support.tiny_language_models import TinyLanguageModels
from support.tiny_models import SENTENCES, TEXTS, words

pytest_plugins = ("support.tiny_models", "support.tiny_language_models")

# Log-likelihoods of -5 to -150 in float32, summed over up to a dozen tokens, from batches of another shape: they differ
# by 1e-4 at most (measured).
TOLERANCE = 1e-3

FAMILIES = ("llama", "qwen2", "qwen3", "gpt2", "gemma2", "mistral", "bloom", "mamba", "t5", "bart")
SYSTEM = "You sort texts into labels."
USER = "Labels:\nbug, praise\n\n<text-{tag}>\n{text}\n</text-{tag}>\n\nAnswer with one label."
OPTIONS = {
    "several tokens": ("praise", "refund request", "a question about delivery"),
    "one token each": ("a", "b", "c", "7"),
    "one begins another": ("bug", "bug report", "bug reports", "praise"),
    "a single one": ("bug",),
    "nothing and something": ("", "bug"),
    "letters outside the vocabulary": ("Überraschung", "電池", "🙂"),
}
BODIES = tuple(text for text in TEXTS if len(text.split()) < 40 and len(text) < 250)


def loaded(models: TinyLanguageModels, family: str, **settings: Any) -> TorchLanguageModel:
    model = load_backend(models.ref(family, **settings))
    assert isinstance(model, TorchLanguageModel)
    return model


def rows_of(tokens: Tokens) -> list[npt.NDArray[np.int32]]:
    return [tokens.ids[a:b] for a, b in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)]


class Theirs:
    def __init__(self, folder: Path, encoder_decoder: bool) -> None:
        kind = AutoModelForSeq2SeqLM if encoder_decoder else AutoModelForCausalLM
        self.model = kind.from_pretrained(folder).eval()
        self.encoder_decoder = encoder_decoder

    @torch.inference_mode()
    def __call__(self, row: npt.NDArray[np.int32], option: Sequence[int]) -> float:
        """A full forward pass over prompt and answer, and the sum of the answer's log-probabilities."""
        ids, answer = [int(number) for number in row], list(option)
        if self.encoder_decoder:
            config = self.model.generation_config
            start = [config.decoder_start_token_id]
            if config.forced_bos_token_id is not None:
                start.append(config.forced_bos_token_id)
            logits = self.model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([start + answer])).logits
            first = len(start) - 1
        else:
            logits = self.model(input_ids=torch.tensor([ids + answer]), use_cache=False).logits
            first = len(ids) - 1
        likely = logits[0].double().log_softmax(dim=-1)
        return float(sum(likely[first + place, token] for place, token in enumerate(answer)))


def expected(
    models: TinyLanguageModels, family: str, rows: Sequence[npt.NDArray[np.int32]], options: Sequence[Sequence[int]]
) -> npt.NDArray[np.float64]:
    theirs = Theirs(models.folder(family), family in ("t5", "bart"))
    return np.array([[theirs(row, option) for option in options] for row in rows])


def close(found: Any, expected: Any) -> None:
    assert np.asarray(found).dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["several tokens", "one begins another"])
def test_likelihoods_are_those_of_full_forward_passes(
    language_models: TinyLanguageModels, family: str, kind: str
) -> None:
    """For mistral, some rows exceed the window of its attention; bloom and mamba cannot be read by row."""
    model = loaded(language_models, family)
    choices = Choices(SYSTEM, USER, OPTIONS[kind])
    tokens = model.tokenize(list(BODIES), None, choices)
    options = model._chat.options(choices)
    if kind == "one begins another":
        options = [[*option, model._chat.end] for option in options]
    found = model.run(tokens)
    close(found, expected(language_models, family, rows_of(tokens), options))
    # Equal for other reasons than their sameness: answers and texts differ.
    assert found.std(axis=0).min() > 0.1 and found.std(axis=1).min() > 0.1
    for i in (0, 5):
        alone = model.tokenize([BODIES[i]], None, choices)
        close(model.run(alone)[0], found[i])


@pytest.mark.parametrize("family", ["qwen3", "gpt2", "bloom", "t5"])
@pytest.mark.parametrize("kind", ["one token each", "a single one", "letters outside the vocabulary"])
def test_answers_of_every_form(language_models: TinyLanguageModels, family: str, kind: str) -> None:
    model = loaded(language_models, family)
    choices = Choices("", "{text}\nLabel:", OPTIONS[kind])
    tokens = model.tokenize(list(SENTENCES), None, choices)
    options = model._chat.options(choices)
    if family == "t5" and kind == "letters outside the vocabulary":
        # Two of them are unknown letters alone, so both are the same, and so each begins the other.
        options = [[*option, model._chat.end] for option in options]
    close(model.run(tokens), expected(language_models, family, rows_of(tokens), options))


@pytest.mark.parametrize("family", ["llama", "bloom", "t5"])
def test_an_empty_answer_is_the_end_of_the_reply(language_models: TinyLanguageModels, family: str) -> None:
    model = loaded(language_models, family)
    choices = Choices(SYSTEM, USER, OPTIONS["nothing and something"])
    tokens = model.tokenize(list(SENTENCES[:4]), None, choices)
    end = model._chat.end
    assert end is not None
    options = [[end], [*model._chat.options(choices)[1], end]]
    close(model.run(tokens), expected(language_models, family, rows_of(tokens), options))
    # Alone, nothing is certain.
    only = Choices(SYSTEM, USER, ("",))
    close(model.run(model.tokenize(["x"], None, only)), [[0.0]])


@pytest.mark.parametrize("family", ["qwen2", "bart"])
def test_pairs_stand_in_their_place(language_models: TinyLanguageModels, family: str) -> None:
    model = loaded(language_models, family)
    choices = Choices(SYSTEM, "Statement: {pair}\n\n{text}\n\nDoes it hold?", ("yes", "no"))
    texts, pairs = list(SENTENCES[:4]), list(SENTENCES[4:8])
    tokens = model.tokenize(texts, pairs, choices)
    written = [
        Prompt(text, f"Statement: {pair}\n\n", "\n\nDoes it hold?") for text, pair in zip(texts, pairs, strict=True)
    ]
    by_hand = model._chat.encode(SYSTEM, written, 1)
    for row, alike in zip(rows_of(tokens), by_hand, strict=True):
        np.testing.assert_array_equal(row, alike.ids)  # type: ignore[union-attr]
    options = model._chat.options(choices)
    close(model.run(tokens), expected(language_models, family, rows_of(tokens), options))


@pytest.mark.parametrize("family", [*FAMILIES[:6], "bloom", "t5"])
@pytest.mark.parametrize("read_tokens", [None, 40])
def test_a_text_is_read_once_whatever_is_asked_of_it(
    language_models: TinyLanguageModels, family: str, read_tokens: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(language_models, family)
    reader = model._reader
    if reader is not None and read_tokens is not None:
        monkeypatch.setattr(reader, "read_tokens", read_tokens)
    choices = Choices(SYSTEM, "<text-{tag}>\n{text}\n</text-{tag}>\n\n{pair}\n\nyes or no?", ("yes", "not at all"))
    # Many of one text, few of another, one of most; the last ones differ in nothing but the statement's last word.
    asked = [(BODIES[0], pair) for pair in SENTENCES] + [(BODIES[1], pair) for pair in SENTENCES[:2]]
    asked += [(text, SENTENCES[3]) for text in BODIES[2:6]] + [(BODIES[6], f"{SENTENCES[0]} {end}") for end in "ab"]
    order = np.random.default_rng(3).permutation(len(asked))
    tokens = model.tokenize([asked[i][0] for i in order], [asked[i][1] for i in order], choices)
    read = []
    for name in ("read_alike", "read"):
        if reader is not None:
            own = getattr(reader, name)
            monkeypatch.setattr(
                reader, name, lambda *given, name=name, own=own: (read.append((name, len(given[1]))), own(*given))[1]
            )
    batches = cut_batches(tokens.lengths, 10**6, tokens.alike)
    assert len(batches) == 1
    found = np.empty((len(asked), 2), dtype=np.float32)
    found[batches[0]] = model.run(select_rows(tokens, batches[0]))
    close(found, expected(language_models, family, rows_of(tokens), model._chat.options(choices)))
    if family in ("llama", "qwen3", "gpt2"):
        assert read == [("read_alike", len(asked)), ("read", len({text for text, _ in asked}))]


def test_rows_of_one_text_stand_together_in_a_batch(language_models: TinyLanguageModels) -> None:
    model = loaded(language_models, "llama")
    choices = Choices(SYSTEM, "{text}\n\n{pair}", ("yes", "no"))
    texts, pairs = (list(each) for each in zip(*((t, p) for p in SENTENCES for t in BODIES[:8]), strict=True))
    parts = [model.tokenize(texts[at : at + 16], pairs[at : at + 16], choices) for at in range(0, len(texts), 16)]
    tokens = joined(parts)
    assert tokens.alike is not None
    # Equal numbers in two parts are two texts, or one that was handed over twice; within a part one number, one text.
    assert len(np.unique(tokens.alike)) == sum(len(np.unique(part.alike)) for part in parts)  # type: ignore[arg-type]
    for batch in cut_batches(tokens.lengths, 10**6, tokens.alike):
        numbers = tokens.alike[batch]
        assert len(np.unique(numbers)) == 1 + np.count_nonzero(np.diff(numbers))


@pytest.mark.parametrize("family", ["llama", "t5"])
def test_few_logits_at_a_time_give_the_same(
    language_models: TinyLanguageModels, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(language_models, family)
    choices = Choices(SYSTEM, USER, OPTIONS["one begins another"])
    tokens = model.tokenize(list(SENTENCES), None, choices)
    whole = model.run(tokens)
    monkeypatch.setattr(likelihood, "LOGITS", 1)
    monkeypatch.setattr("inlay.backends.decoders.encoder_decoder.LOGITS", 1)
    close(model.run(tokens), whole)
    if model._reader is not None:
        model._reader.read_tokens = 16
        close(model.run(tokens), whole)


@pytest.mark.parametrize("family", ["gpt2", "bart"])
def test_texts_are_cut_or_refused_where_the_answer_has_no_room(
    language_models: TinyLanguageModels, family: str
) -> None:
    choices = Choices("", "{text}\nLabel:", ("bug report", "praise"))
    texts = ["short", words(150)]
    cutting = loaded(language_models, family, max_tokens=100, too_long="truncate")
    # An encoder's window is the prompt's alone.
    longest = 0 if family == "bart" else max(map(len, cutting._chat.options(choices)))
    tokens = cutting.tokenize(texts, None, choices)
    assert tokens.lengths[1] + longest <= 100 < tokens.lengths_before[1]
    assert tokens.lengths[0] == tokens.lengths_before[0]
    assert rows_of(tokens)[1][-4:].tolist() == rows_of(tokens)[0][-4:].tolist(), "what follows the text is not cut"
    refusing = loaded(language_models, family, max_tokens=100)
    assert refusing.tokenize(texts, None, choices).lengths_before[1] > 100
    small = loaded(language_models, family, max_tokens=9, too_long="truncate")
    with pytest.raises(ValueError, match="without the row's text"):
        small.tokenize(texts, None, Choices("", "{text} is it good or is it bad in all? Label:", ("a",)))


def test_rows_of_other_models_are_not_numbers(language_models: TinyLanguageModels) -> None:
    with pytest.raises(TypeError, match="Choices"):
        loaded(language_models, "gpt2").tokenize(["a"], None, "query: ")


def test_the_engines_lane_runs_questions(language_models: TinyLanguageModels) -> None:
    """Halved on an out-of-memory, bisected down to the row that is at fault."""
    model = loaded(language_models, "qwen3")
    choices = Choices(SYSTEM, USER, OPTIONS["several tokens"])
    tokens = model.tokenize(list(BODIES), None, choices)
    whole = model.run(tokens)
    refused = 0

    def refuse_many(module: Any, args: Any, kwargs: Any) -> None:
        nonlocal refused
        if len(kwargs["input_ids"]) > 4:
            refused += 1
            raise torch.OutOfMemoryError("no room")

    hook = model._reader.model.register_forward_pre_hook(refuse_many, with_kwargs=True)  # type: ignore[union-attr]
    try:
        with pytest.raises(OutOfMemory, match="no room"):
            model.run(tokens)
        tokens.ids[tokens.offsets[3] + 20] = 10**6
        rows = empty_rows(len(tokens), len(whole[0]))
        job = NumbersJob(tokens, Token(), rows, lambda texts, n: None)
        Lane(model).submit(job)
        job.wait()
    finally:
        hook.remove()
    assert refused > 2 and list(job.errors) == [3] and job.errors[3].startswith("IndexError")
    others = [i for i in range(len(BODIES)) if i != 3]
    close(job.rows[others], whole[others])


# ---- pure parts


def test_answers_share_what_they_begin_with() -> None:
    tree = option_tree([[1, 2, 3], [1, 2, 4], [1, 5], [6]], 0)
    assert tree.tokens == (1, 2) and tree.depth == 3
    assert tree.sees.tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert tree.steps.T.tolist() == [
        [0, 1, 0],
        [1, 2, 0],
        [2, 3, 0],
        [0, 1, 1],
        [1, 2, 1],
        [2, 4, 1],
        [0, 1, 2],
        [1, 5, 2],
        [0, 6, 3],
    ]


@pytest.mark.parametrize(
    ("options", "ended"),
    [
        ([[1], [2]], False),
        ([[1, 2], [1, 3]], False),
        ([[1], [1, 2]], True),
        ([[1, 2], [3], [1, 2, 9], [1, 5]], True),
        ([[1], [1]], True),
        ([[]], False),
        ([[], [4]], True),
    ],
)
def test_an_end_follows_only_where_one_answer_begins_another(options: list[list[int]], ended: bool) -> None:
    tree = option_tree(options, 0)
    assert tree.options == tuple((*option, 0) if ended else tuple(option) for option in options)
    assert option_tree(options, None).options == tuple(map(tuple, options))


def test_common_beginnings() -> None:
    def of(*rows: list[int]) -> int:
        return common_beginning([np.array(row, dtype=np.int32) for row in rows])

    assert of([1, 2, 3]) == 2
    assert of([1, 2, 3], [1, 2, 3]) == 2
    assert of([1, 2, 3, 4], [1, 2, 9, 4], [1, 2, 3]) == 2
    assert of([1, 2], [3, 2]) == 0
    assert of([1], [1, 2, 3]) == 0


def test_a_join_over_statements_reads_each_text_once(
    language_models: TinyLanguageModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = {"judge": {"source": str(language_models.folder("llama")), "task": "generate"}}
    bodies = [text for text in BODIES if text.strip()][:12]
    pairs = [(text, said) for text in bodies for said in SENTENCES[:5]]
    with inlay.connect(models=models, progress="off", memory_mb=0) as con:
        shares = [
            detail["confidence"] if detail["value"] else 1 - detail["confidence"]
            for pair in pairs
            for (detail,) in con.execute("select try_ai_filter($1, $2, model := 'judge')", list(pair)).fetchall()
        ]
    # A threshold that no pair is near to, with a good many on either side.
    ordered = np.sort(shares)[10:-10]
    widest = int(np.diff(ordered).argmax())
    threshold = float(ordered[widest : widest + 2].mean())
    read: list[int] = []
    own = CausalReader.read
    monkeypatch.setattr(
        CausalReader,
        "read",
        lambda reader, cache, rows, *more: (read.append(len(rows)), own(reader, cache, rows, *more)),
    )
    with inlay.connect(models=models, progress="off") as con:
        con.execute("create table t as select unnest($1) as body", [bodies])
        con.execute("create table s as select unnest($1) as said", [list(SENTENCES[:5])])
        condition = f"ai_filter(body, said, model := 'judge', threshold := {threshold})"
        found = con.sql(f"select body, said from t join s on {condition}").fetchall()
    assert set(found) == {pair for pair, share in zip(pairs, shares, strict=True) if share >= threshold}
    # Once more where two batches share a text.
    n = len(bodies) + NEUTRAL_OF_PAIRS
    assert n <= sum(read) < n + len(read) < 20


@pytest.mark.parametrize("seed", [0, 1])
def test_what_all_logits_have_in_common_does_not_turn_the_fast_path_off(seed: int) -> None:
    # In half precision a shift of all logits is off by more than any of their differences, as in real weights.
    torch.manual_seed(seed)
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig(vocab_size=500, hidden_size=64, intermediate_size=128, num_hidden_layers=4, **heads)
    model = LlamaForCausalLM(config).to(torch.bfloat16).eval()
    with torch.no_grad():
        model.get_output_embeddings().weight += 0.6 * torch.randn(64).to(torch.bfloat16)
    assert reader_of(model, torch.device("cpu")) is not None
