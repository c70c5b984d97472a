"""Replies of language models in this process: against transformers' own generate(), one prompt at a time and unpadded,
whatever the batch, its order and its budget, on tiny random models (tiny_language_models.py)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from inlay.backends.base import BatchFailed, Encoded, Instruction, OutOfMemory, Prompt, Reply
from inlay.backends.decoders.decoding import Writer
from inlay.backends.decoders.language_model import TorchLanguageModel
from inlay.backends.decoders.replies import Draft, Language
from inlay.backends.decoders.sampling import drawn
from inlay.backends.load import load_backend
from inlay.backends.sharded import ShardedLanguageModel
from inlay.engine.cancel import Token
from inlay.engine.lane import Lane
from inlay.engine.reply_jobs import ReplyJob
from inlay.errors import DigestError, ModelError
from support.installed_versions import TRANSFORMERS
from support.tiny_language_models import WINDOW, TinyLanguageModels, describe_folder, ends_of
from support.tiny_models import SENTENCES, TEXTS, words

pytest_plugins = ("support.tiny_models", "support.tiny_language_models")

# Both sides compute logits of size 1 to 10 in float32, in batches of another shape; they differ by 1e-5 at most
# (measured). Where the two best tokens lie closer together than this, either may be the likeliest.
TIE = 1e-4

READ_BY_ROW = ("llama", "qwen2", "qwen3", "gpt2", "gemma2")
FAMILIES = (*READ_BY_ROW, "mistral", "bloom", "mamba", "t5", "bart")
SYSTEM = "You sort letters to a shop. Answer in one word."
BODIES = tuple(text for text in TEXTS if text.strip() and len(text.split()) < 60 and len(text) < 400)

Replies = dict[int, Reply | str]


def loaded(models: TinyLanguageModels, family: str, **settings: Any) -> TorchLanguageModel:
    model = load_backend(models.ref(family, **settings))
    assert isinstance(model, TorchLanguageModel)
    return model


def replies(
    model: Any,
    rows: Sequence[Encoded],
    instruction: Instruction,
    *,
    max_batch_tokens: int = 4_096,
    stopped: Callable[[], bool] = lambda: False,
) -> Replies:
    found: Replies = {}

    def done(position: int, reply: Reply | str) -> None:
        assert position not in found
        found[position] = reply

    model.generate(instruction, rows, max_batch_tokens=max_batch_tokens, stopped=stopped, done=done)
    return found


def encoded(model: TorchLanguageModel, instruction: Instruction, texts: Sequence[str] = BODIES) -> list[Encoded]:
    rows = model.encode(instruction, [Prompt(text) for text in texts])
    assert not any(isinstance(row, str) for row in rows), [row for row in rows if isinstance(row, str)]
    return [row for row in rows if isinstance(row, Encoded)]


def with_ids_as_text(model: TorchLanguageModel) -> TorchLanguageModel:
    """Replies are the ids of their tokens, so that they can be compared one by one."""
    model._language = replace(model._language, text=lambda ids: " ".join(map(str, ids)))
    return model


def tokens_of(reply: Reply | str) -> list[int]:
    assert isinstance(reply, Reply), reply
    return [int(number) for number in reply.text.split()]


class Theirs:
    """transformers' own replies and logits."""

    def __init__(self, folder: Any) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.encoder_decoder = json.loads((folder / "config.json").read_text()).get("is_encoder_decoder", False)
        kind = AutoModelForSeq2SeqLM if self.encoder_decoder else AutoModelForCausalLM
        self.model = kind.from_pretrained(folder).eval()
        self.ends = ends_of(self.tokenizer)

    @torch.inference_mode()
    def reply(self, row: Encoded, max_tokens: int) -> list[int]:
        """New tokens, without the one that ended the reply."""
        ids = torch.tensor(row.ids.astype(np.int64))[None]
        start = 0 if self.encoder_decoder else ids.shape[1]
        forced = self.model.generation_config.forced_bos_token_id is not None
        most = max_tokens + forced
        out = self.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, num_beams=1,
                                  max_new_tokens=most, pad_token_id=0)[0, start:].tolist()  # fmt: skip
        new = out[1 + forced :] if self.encoder_decoder else out
        return new[:-1] if new and new[-1] in self.ends else new

    @torch.inference_mode()
    def logits(self, row: Encoded, new: Sequence[int]) -> torch.Tensor:
        """Behind the prompt and so much of a reply."""
        ids = torch.tensor(row.ids.astype(np.int64))[None]
        if not self.encoder_decoder:
            both = torch.cat([ids, torch.tensor([list(new)], dtype=torch.long)], dim=1)
            return self.model(input_ids=both).logits[0, -1]
        config = self.model.generation_config
        start = [config.decoder_start_token_id] + [config.forced_bos_token_id] * (
            config.forced_bos_token_id is not None
        )
        return self.model(input_ids=ids, decoder_input_ids=torch.tensor([[*start, *new]])).logits[0, -1]


def same_or_tied(theirs: Theirs, row: Encoded, mine: list[int], other: list[int]) -> None:
    """Equal, or the two tokens at the first difference are equally likely."""
    if mine == other:
        return
    place = next((i for i, (a, b) in enumerate(zip(mine, other, strict=False)) if a != b), min(len(mine), len(other)))
    logits = theirs.logits(row, mine[:place])
    best = [logits[theirs.ends].max() if place >= len(tokens) else logits[tokens[place]] for tokens in (mine, other)]
    assert abs(best[0] - best[1]) < TIE, (place, mine, other)


# ---- greedy


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_replies_are_those_of_transformers_row_by_row(language_models: TinyLanguageModels, family: str) -> None:
    model = with_ids_as_text(loaded(language_models, family))
    theirs = Theirs(language_models.folder(family))
    instruction = Instruction(SYSTEM, max_tokens=20)
    rows = encoded(model, instruction)
    expected = [theirs.reply(row, 20) for row in rows]
    forwards = replies(model, rows, instruction)
    assert sorted(forwards) == list(range(len(rows)))
    lengths = {reply.output_tokens for reply in forwards.values() if isinstance(reply, Reply)}
    if family != "bart" or TRANSFORMERS >= 5:  # tied, as 4 needs it, BART repeats one token
        assert len(lengths) > 3 and min(lengths) < 8, "the replies of this test are to be of many lengths"
    for place, row in enumerate(rows):
        same_or_tied(theirs, row, tokens_of(forwards[place]), expected[place])
        assert forwards[place].tokens == len(row.ids)  # type: ignore[union-attr]
    # Backwards and in small batches, of which the largest prompt alone exceeds some: the same again.
    backwards = replies(model, rows[::-1], instruction, max_batch_tokens=150)
    for place, row in enumerate(rows):
        same_or_tied(theirs, row, tokens_of(backwards[len(rows) - 1 - place]), expected[place])


def test_which_models_are_read_by_row(language_models: TinyLanguageModels) -> None:
    by_row = {family: loaded(language_models, family)._reader for family in FAMILIES}
    assert {family for family, reader in by_row.items() if reader is not None} == {*READ_BY_ROW, "mistral"}
    assert by_row["mistral"].window == 72 and by_row["gemma2"].window == WINDOW and by_row["llama"].window is None  # type: ignore[union-attr]


@pytest.mark.parametrize("family", ["qwen3", "gpt2", "t5"])
def test_a_reply_does_not_depend_on_its_neighbours(language_models: TinyLanguageModels, family: str) -> None:
    """Without a system's part base models' prompts have nothing in common; chat models' have their scaffold."""
    model = with_ids_as_text(loaded(language_models, family))
    theirs = Theirs(language_models.folder(family))
    instruction = Instruction(max_tokens=12)
    rows = encoded(model, instruction, BODIES[:12])
    together = replies(model, rows, instruction)
    for place, row in enumerate(rows):
        same_or_tied(theirs, row, tokens_of(replies(model, [row], instruction)[0]), tokens_of(together[place]))


@pytest.mark.parametrize("family", ["llama", "mamba", "bart"])
@pytest.mark.parametrize("max_tokens", [1, 5])
def test_max_tokens_is_the_calls_own(language_models: TinyLanguageModels, family: str, max_tokens: int) -> None:
    model = with_ids_as_text(loaded(language_models, family))
    long, short = Instruction(SYSTEM, max_tokens=20), Instruction(SYSTEM, max_tokens=max_tokens)
    rows = encoded(model, long, BODIES[:10])
    whole = replies(model, rows, long)
    for place, reply in replies(model, rows, short).items():
        assert isinstance(reply, Reply) and reply.output_tokens <= max_tokens
        assert tokens_of(reply) == tokens_of(whole[place])[: len(tokens_of(reply))]
        assert reply.ended == (whole[place].output_tokens <= max_tokens and whole[place].ended)  # type: ignore[union-attr]


def test_replies_that_outgrow_the_budget_wait_and_go_on(language_models: TinyLanguageModels) -> None:
    model = with_ids_as_text(loaded(language_models, "qwen2"))
    instruction = Instruction(max_tokens=120)
    rows = encoded(model, instruction, SENTENCES)
    # No token ends a reply, so all of them take three times the 32 that are set aside for each.
    language = Language(model._language.text, frozenset())
    found: dict[int, Any] = {}
    drafts = [Draft(i, row, instruction, language, None) for i, row in enumerate(rows)]
    writer = Writer(model._reader, drafts, 0.0, 500)  # type: ignore[arg-type]
    writer.write(lambda: False, lambda i, reply: found.__setitem__(i, reply))
    assert writer._outgrown > 32
    model._language = language
    alone = [replies(model, [row], instruction)[0] for row in rows]
    assert [tokens_of(found[i]) for i in range(len(rows))] == [tokens_of(reply) for reply in alone]


# ---- text, stop texts, schemas


@pytest.mark.parametrize("family", ["llama", "mistral", "t5"])
def test_a_replys_text_is_what_the_tokenizer_decodes(language_models: TinyLanguageModels, family: str) -> None:
    model = loaded(language_models, family)
    theirs = Theirs(language_models.folder(family))
    instruction = Instruction(SYSTEM, max_tokens=12)
    rows = encoded(model, instruction, BODIES[:8])
    for place, reply in replies(model, rows, instruction).items():
        new = theirs.reply(rows[place], 12)
        assert reply.text == theirs.tokenizer.decode(new, skip_special_tokens=True)  # type: ignore[union-attr]
        assert reply.output_tokens == len(new) + reply.ended  # type: ignore[union-attr]


@pytest.mark.parametrize("family", ["llama", "mistral", "bloom", "t5"])
def test_a_stop_text_ends_a_reply_and_is_no_part_of_it(language_models: TinyLanguageModels, family: str) -> None:
    """The stop texts are pieces of the replies themselves, most of them across the border of two tokens."""
    model = loaded(language_models, family)
    whole = Instruction(SYSTEM, max_tokens=20)
    rows = encoded(model, whole, BODIES[:12])
    full = replies(model, rows, whole)
    texts = [full[place].text for place in range(len(rows))]  # type: ignore[union-attr]
    pieces = [text[place : place + 3] for text in texts for place in range(3, len(text) - 3, 5)]
    stops = tuple(piece for piece in pieces if piece.isalpha())[:6]
    assert len(stops) >= 3
    stopped_early = 0
    for place, reply in replies(model, rows, replace(whole, stop=(*stops, ""))).items():
        assert isinstance(reply, Reply)
        cuts = [texts[place].find(stop) for stop in stops if stop in texts[place]]
        assert reply.text == (texts[place][: min(cuts)] if cuts else texts[place])
        if cuts:
            assert reply.ended
            stopped_early += reply.output_tokens < full[place].output_tokens  # type: ignore[union-attr]
    assert stopped_early >= 2


@pytest.mark.parametrize("family", ["qwen3", "bloom", "bart"])
def test_a_schema_holds_every_reply(language_models: TinyLanguageModels, family: str) -> None:
    model = load_backend(language_models.ended_by_one(family))
    schema = {
        "type": "object",
        "properties": {"kind": {"enum": ["bug", "praise"]}, "urgent": {"type": "boolean"}},
        "required": ["kind", "urgent"],
        "additionalProperties": False,
    }
    instruction = Instruction(max_tokens=60, schema=json.dumps(schema), temperature=1.5, seed=4)
    rows = encoded(model, instruction, BODIES[:10])
    values = [json.loads(reply.text) for reply in replies(model, rows, instruction).values()]  # type: ignore[union-attr]
    assert all(set(value) == {"kind", "urgent"} and value["kind"] in ("bug", "praise") for value in values)
    assert len({json.dumps(value) for value in values}) > 1
    cut = replies(model, rows, replace(instruction, max_tokens=3))
    assert {(each.reason, each.output_tokens) for each in cut.values()} == {  # type: ignore[union-attr]
        ("the reply was cut at max_tokens = 3 before it was complete", 3)
    }


def test_a_schema_that_cannot_be_enforced_is_said_of_every_row(language_models: TinyLanguageModels) -> None:
    model = loaded(language_models, "qwen3")
    impossible = Instruction(schema=json.dumps({"type": "string", "pattern": "(?=a)b"}))
    told = model.encode(impossible, [Prompt("a"), Prompt("b")])
    assert all(isinstance(each, str) for each in told)
    rows = encoded(model, Instruction(max_tokens=9), ["a", "b"])
    assert replies(model, rows, impossible) == {0: told[0], 1: told[1]}


# ---- sampling


@pytest.mark.parametrize("family", ["llama", "bloom", "t5"])
def test_a_draw_depends_on_seed_and_prompt_alone(language_models: TinyLanguageModels, family: str) -> None:
    model = loaded(language_models, family)
    instruction = Instruction(SYSTEM, max_tokens=10, temperature=0.8, seed=3)
    rows = encoded(model, instruction, BODIES[:10])
    together = replies(model, rows, instruction)
    backwards = replies(model, rows[::-1], instruction, max_batch_tokens=200)
    alone = [replies(model, [row], instruction)[0] for row in rows]
    assert [together[i] for i in range(10)] == [backwards[9 - i] for i in range(10)] == alone
    others = replies(model, rows, replace(instruction, seed=4))
    assert sum(together[i] != others[i] for i in range(10)) >= 8
    greedy = replies(model, rows, replace(instruction, temperature=0))
    # Near 0 the likeliest is drawn, and no number overflows.
    assert replies(model, rows, replace(instruction, temperature=1e-9)) == greedy


@pytest.mark.parametrize("vocabulary", [5, 700])
def test_tokens_are_drawn_as_often_as_they_are_likely(vocabulary: int) -> None:
    n, temperature = 20_000, 1.7
    logits = torch.randn(vocabulary, generator=torch.Generator().manual_seed(1)) * 2
    logits[3] = float("-inf")
    probability = torch.softmax(logits.double() / temperature, dim=-1).numpy()
    uniforms = np.random.default_rng(5).random(n)
    tokens = drawn(logits.expand(n, -1), temperature, uniforms.tolist())
    counts = np.bincount(tokens, minlength=vocabulary)
    assert counts[3] == 0
    likely = probability > 5 / n
    # Pearson's sum has about `likely` degrees of freedom and a standard deviation of sqrt(2 * that); 5 of those are
    # never seen by chance.
    pearson = ((counts - n * probability)[likely] ** 2 / (n * probability[likely])).sum()
    assert pearson < likely.sum() + 5 * np.sqrt(2 * likely.sum())


def test_the_ends_of_the_uniform_numbers_draw_possible_tokens() -> None:
    logits = torch.full((2, 600), float("-inf"))
    logits[:, [10, 590]] = 0.0
    assert drawn(logits, 1.0, [0.0, float(np.nextafter(1.0, 0.0))]) == [10, 590]


# ---- failures, stopping, memory


@pytest.mark.parametrize("family", ["qwen3", "bloom", "t5"])
def test_a_row_that_makes_the_model_raise_fails_alone(language_models: TinyLanguageModels, family: str) -> None:
    model = loaded(language_models, family)
    instruction = Instruction(max_tokens=6)
    good = encoded(model, instruction, SENTENCES)
    poison = replace(good[3], ids=np.append(good[3].ids[:-2], [10**6, 5]).astype(np.int32))
    rows = [*good[:3], poison, *good[4:]]
    with pytest.raises(BatchFailed) as failed:
        replies(model, rows, instruction)
    assert 3 in failed.value.rows and isinstance(failed.value.cause, IndexError)
    found = through_lane(model, instruction, rows)
    expected = replies(model, good, instruction)
    assert isinstance(found[3], str) and found[3].startswith("IndexError")
    assert {i: found[i] for i in found if i != 3} == {i: expected[i] for i in expected if i != 3}


@pytest.mark.parametrize("family", ["llama", "bart"])
def test_a_device_without_room_is_asked_for_less(language_models: TinyLanguageModels, family: str) -> None:
    model = loaded(language_models, family)
    instruction = Instruction(max_tokens=6)
    rows = encoded(model, instruction, SENTENCES)
    expected = replies(model, rows, instruction)
    inner = model._other.model if family == "bart" else model._reader.model  # type: ignore[union-attr]

    def refuse_many(module: Any, args: Any, kwargs: Any) -> None:
        ids = kwargs.get("input_ids", kwargs.get("decoder_input_ids"))
        if ids is not None and len(ids) > 2:
            raise torch.OutOfMemoryError("no room for so many\nand a second line")

    hook = inner.register_forward_pre_hook(refuse_many, with_kwargs=True)
    try:
        with pytest.raises(BatchFailed) as failed:
            replies(model, rows, instruction)
        assert isinstance(failed.value.cause, OutOfMemory) and str(failed.value.cause) == "no room for so many"
        assert through_lane(model, instruction, rows) == expected
    finally:
        hook.remove()


def through_lane(model: TorchLanguageModel, instruction: Instruction, rows: Sequence[Encoded]) -> Replies:
    cancel = Token()
    job = ReplyJob(instruction, rows, range(len(rows)), cancel)
    Lane(model).submit(job)
    return {position: reply for batch in job.finished.batches(cancel) for position, reply in batch}


@pytest.mark.parametrize("family", ["qwen3", "bloom", "t5"])
def test_generation_stops_when_it_is_told_to(language_models: TinyLanguageModels, family: str) -> None:
    model = loaded(language_models, family)
    instruction = Instruction(max_tokens=30)
    rows = encoded(model, instruction, SENTENCES)
    looks = iter(range(100))
    found = replies(model, rows, instruction, stopped=lambda: next(looks) > 6)
    assert len(found) < len(rows)
    assert next(looks) <= 12, "it was looked at again and again after it said so"
    whole = replies(model, rows, instruction)
    assert all(whole[place] == reply for place, reply in found.items())


# ---- several devices, loading


def test_copies_on_several_devices_share_the_rows(language_models: TinyLanguageModels) -> None:
    ref = language_models.ref("llama")
    copies = [TorchLanguageModel(ref, torch.device("cpu")) for _ in range(2)]
    sharded = ShardedLanguageModel(copies)
    instruction = Instruction(SYSTEM, max_tokens=8)
    rows = encoded(copies[0], instruction, BODIES[:9])
    assert replies(sharded, rows, instruction) == replies(copies[0], rows, instruction)
    poison = [replace(rows[0], ids=np.array([10**6, 1], dtype=np.int32)), *rows[1:]]
    with pytest.raises(BatchFailed) as failed:
        replies(sharded, poison, instruction)
    assert 0 in failed.value.rows


def test_changed_weights_and_missing_parts_are_refused(language_models: TinyLanguageModels) -> None:
    ref = describe_folder(language_models.copy("llama"))
    weights = ref.folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(DigestError, match="fetch it again"):
        load_backend(ref)
    folder = language_models.copy("gpt2")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).unlink()
    with pytest.raises(ModelError, match="no vocabulary"):
        load_backend(describe_folder(folder))


def test_long_prompts_are_read_in_parts(language_models: TinyLanguageModels) -> None:
    model = with_ids_as_text(loaded(language_models, "llama"))
    instruction = Instruction(SYSTEM, max_tokens=8)
    rows = encoded(model, instruction, [words(n, 1) for n in (5, 20, 35)])
    expected = replies(model, rows, instruction)
    model._reader.read_tokens = 16  # type: ignore[union-attr]
    assert replies(model, rows, instruction) == expected
