"""The vLLM backend as far as it goes without vLLM, which needs a GPU: requests, refusals, and the order of replies.

The engine here is a stand-in with the three methods that are used of vLLM's own.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import llguidance
import numpy as np
import pytest

from inlay.backends.base import Choices, Encoded, Instruction, Reply
from inlay.backends.load import load_backend
from inlay.backends.vllm_model import VLLMModel, engine_arguments, reply_as_finished, request, schema_problem
from inlay.errors import CannotServeError, MissingExtraError
from inlay.json_schema import read_schema
from inlay.json_schema.grammar import grammar_of
from inlay.models.capabilities import capabilities_of
from inlay.models.ref import ModelRef

LARGE = ModelRef(
    name="large",
    source="./models/large",
    folder=Path("models/large"),
    task="generate",
    backend="vllm",
    capabilities=capabilities_of("generate", "vllm"),
    architecture="LlamaForCausalLM",
    model_type="llama",
    width=0,
    max_tokens=8_192,
    too_long="truncate",
    fingerprint="0" * 64,
    dtype="bfloat16",
)
SCHEMA = read_schema("ai_extract", "name VARCHAR, born DATE").text


def ids(*numbers: int) -> Any:
    return np.array(numbers, dtype=np.int32)


class Engine:
    """Ends one request in each step, in the order given. outcomes: (text, finish_reason) by name."""

    def __init__(self, outcomes: dict[str, tuple[str, str]]) -> None:
        self.left = dict(outcomes)
        self.aborted: list[str] = []

    def step(self) -> list[Any]:
        name = next(iter(self.left))
        text, reason = self.left.pop(name)
        written = SimpleNamespace(text=text, token_ids=list(text), finish_reason=reason)
        under_way = [SimpleNamespace(request_id=other, finished=False, outputs=[]) for other in self.left]
        return [*under_way, SimpleNamespace(request_id=name, finished=True, outputs=[written])]


def replies(instruction: Instruction, outcomes: dict[str, tuple[str, str]], stop_after: int = 99) -> list[Any]:
    rows = [Encoded(ids(1, 2, 3), truncated=True), Encoded(ids(1, 2)), Encoded(ids(1))]
    told: list[Any] = []
    requests = {"a": 0, "b": 1, "c": 2}

    def done(place: int, reply: Reply | str) -> None:
        told.append((place, reply))

    reply_as_finished(Engine(outcomes), instruction, rows, requests, lambda: len(told) >= stop_after, done)
    assert sorted([*requests.values(), *(place for place, _ in told)]) == [0, 1, 2], "each is told once, or left"
    return told


def test_a_reply_is_told_in_the_step_that_ends_it() -> None:
    outcomes = {"c": ("third", "stop"), "a": ("first", "length"), "b": ("", "stop")}
    assert replies(Instruction(), outcomes) == [
        (2, Reply("third", tokens=1, output_tokens=5)),
        (0, Reply("first", tokens=3, output_tokens=5, truncated=True, ended=False)),
        (1, Reply("", tokens=2, output_tokens=0)),
    ]


def test_a_reply_of_a_schema_that_was_cut_is_none() -> None:
    outcomes = {"a": ('{"name":"An', "length"), "b": ("{}", "stop"), "c": ("", "abort")}
    told = replies(Instruction(schema=SCHEMA, max_tokens=7), outcomes)
    assert told[0] == (0, "the reply was cut at max_tokens = 7 before it was complete")
    assert told[1] == (1, Reply("{}", tokens=2, output_tokens=2))
    assert told[2] == (2, "vLLM stopped the reply: abort")


def test_what_is_stopped_is_left_untold() -> None:
    outcomes = {"b": ("x", "stop"), "c": ("y", "stop"), "a": ("z", "stop")}
    assert [place for place, _ in replies(Instruction(), outcomes, stop_after=2)] == [1, 2]
    assert replies(Instruction(), outcomes, stop_after=0) == []


def test_an_instruction_becomes_a_request() -> None:
    asked = request(Instruction(max_tokens=9, temperature=0.5, stop=("\n", "")), ids(1, 2))
    assert (asked.max_tokens, asked.temperature, asked.stop, asked.grammar) == (9, 0.5, ("\n",), None)
    held = request(Instruction(stop=("\n",), schema=SCHEMA), ids(1, 2))
    assert held.stop == () and held.grammar == grammar_of(SCHEMA).text


def test_draws_follow_from_the_seed_and_the_prompt() -> None:
    seeds = {request(Instruction(seed=seed), prompt).seed for seed in range(20) for prompt in (ids(1, 2), ids(2, 1))}
    assert len(seeds) == 40 and all(0 <= seed < 2**31 for seed in seeds)
    assert request(Instruction(seed=3), ids(1)) == request(Instruction(seed=3), ids(1))


def test_vllm_reads_the_grammar_as_it_is() -> None:
    """vLLM hands a grammar to llguidance by this call, which would rewrite what it does not take for Lark."""
    assert llguidance.grammar_from("grammar", grammar_of(SCHEMA).text) == llguidance.LLMatcher.grammar_from_lark(
        grammar_of(SCHEMA).text
    )


def test_a_schema_that_cannot_be_enforced_is_said() -> None:
    assert schema_problem(None) is None and schema_problem(SCHEMA) is None
    for schema, reason in (
        ('{"type":"string","pattern":"a(?=b)"}', "the schema cannot be enforced: "),
        ('{"type":"number","minimum":1,"exclusiveMaximum":1}', "no number is between its bounds"),
    ):
        problem = schema_problem(schema)
        assert problem is not None and reason in problem and "\n" not in problem


def test_the_engine_reads_the_folder_and_keeps_common_beginnings() -> None:
    arguments = engine_arguments(LARGE)
    assert arguments["model"] == str(LARGE.folder) and arguments["max_model_len"] == 8_192
    assert arguments["enable_prefix_caching"] and arguments["dtype"] == "bfloat16"
    assert arguments["trust_remote_code"] is False


def test_vllm_does_not_judge() -> None:
    model = VLLMModel.__new__(VLLMModel)  # made without vLLM: what is refused needs no engine
    model.ref = LARGE
    with pytest.raises(CannotServeError, match=r"writes replies and does not compute how likely .* backend = 'torch'"):
        model.tokenize(["a"], None, Choices("", "{text}", ("yes", "no")))


def test_other_kinds_of_models_are_not_for_vllm() -> None:
    with pytest.raises(
        CannotServeError, match="model 'large' has task 'embed', and backend = 'vllm' runs only language"
    ):
        load_backend(replace(LARGE, task="embed"))


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")
def test_without_vllm_the_command_that_installs_it_is_said() -> None:
    with pytest.raises(MissingExtraError, match=r"needs the package 'vllm', .* pip install 'inlay\[vllm\]'"):
        load_backend(LARGE)
