"""An engine that runs no model: it counts what one would have to run.

In the place of Inference while a plan is made. What is known is answered; what is not is counted once per distinct
input over the whole plan, its tokens by the model's own tokenizer, and comes back as a row without an answer.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inlay.arrays import Bools, Ints
from inlay.backends.base import Choices, Instruction, Prompt
from inlay.engine.generation import Completions, Generation, completion_keys
from inlay.engine.inference import TOKENIZE_ROWS, Inference, Outcome, about_model, numbers_keys, row_width
from inlay.engine.pool import tokenizer_of
from inlay.engine.result_cache import empty_rows
from inlay.models.ref import ModelRef

NOT_INFERRED = "not inferred yet"

# Texts of each model that are kept as a sample, for measuring its speed.
SAMPLE = 128

# Prompts of each language model that are kept for the same; a reply takes as long as a hundred texts to embed.
REPLY_SAMPLE = 16

# Tokens of a byte where an endpoint's tokenizer is not at hand; English has about a quarter.
_TOKENS_PER_BYTE = 0.3


@dataclass
class Needed:
    """What one model would have to run. sample: some of the inputs, as (texts, pairs, prompt)."""

    ref: ModelRef
    inputs: int = 0
    tokens: int = 0
    sample: list[tuple[str, str | None, str | Choices]] = field(default_factory=list)


@dataclass
class NeededReplies:
    """What one language model would have to write. sample: some of the prompts, each with what all share."""

    ref: ModelRef
    prompts: int = 0
    tokens: int = 0
    most_output_tokens: int = 0
    sample: list[tuple[Instruction, Prompt]] = field(default_factory=list)


class FirstAsked:
    """Which call of a plan asks first for what nobody knows: the one that is to have it computed. Thread-safe."""

    def __init__(self) -> None:
        self._owners: dict[bytes, int | None] = {}
        self._lock = threading.Lock()

    def count(self, keys: list[bytes], missing: list[int], owner: int | None) -> tuple[list[int], Bools]:
        """(places among the missing that are counted now; for every key whether it is known once it is asked)."""
        known = np.ones(len(keys), dtype=np.bool_)
        new = []
        with self._lock:
            for place in missing:
                if keys[place] not in self._owners:
                    self._owners[keys[place]] = owner
                    new.append(place)
                # What another call asks for will be known by then.
                known[place] = self._owners[keys[place]] != owner
        return new, known


class Foresight(Inference):
    """The same questions as Inference, counted instead of computed."""

    def __init__(self, inference: Inference) -> None:
        super().__init__(inference.memory, inference.store, store_vectors=inference.store_vectors)
        self.needed: dict[str, Needed] = {}
        self.replies: dict[str, NeededReplies] = {}
        self._first_asked = FirstAsked()
        self._lock = threading.Lock()

    def count_tokens(self, ref: ModelRef, texts: list[str]) -> tuple[Ints, dict[int, str]]:
        return np.asarray(tokenizer_of(ref)(texts, None, "").lengths_before), {}

    def run(
        self,
        ref: ModelRef,
        texts: list[str],
        pairs: list[str] | None = None,
        *,
        prompt: str | Choices = "",
        owner: int | None = None,
        **_: Any,
    ) -> Outcome:
        question, keys = numbers_keys(ref, prompt, texts, pairs)
        rows = empty_rows(len(keys), row_width(ref, prompt))
        missing, _own = self.memory.lookup(keys, rows, None)
        shelf = self._shelf(ref, question)
        if shelf is not None and missing:
            missing = self._from_store(shelf, keys, missing, rows, None)
        places, known = self._first_asked.count(keys, missing, owner)
        tokens = 0
        for start in range(0, len(places), TOKENIZE_ROWS):
            part = places[start : start + TOKENIZE_ROWS]
            second = None if pairs is None else [pairs[m] for m in part]
            tokens += self._tokens(ref, [texts[m] for m in part], second, prompt)
        with self._lock:
            needed = self.needed.setdefault(ref.name, Needed(ref))
            needed.inputs += len(places)
            needed.tokens += tokens
            for m in places[: SAMPLE - len(needed.sample)]:
                needed.sample.append((texts[m], None if pairs is None else pairs[m], prompt))
        return Outcome(rows, dict.fromkeys(missing, NOT_INFERRED), known, tokens, 0)

    def _tokens(self, ref: ModelRef, texts: list[str], pairs: list[str] | None, prompt: str | Choices) -> int:
        """That the model would read."""
        if isinstance(prompt, Choices):
            second: Sequence[str | None] = [None] * len(texts) if pairs is None else pairs
            asked = [prompt.prompt(text, pair) for text, pair in zip(texts, second, strict=True)]
            return prompt_tokens(ref, prompt.system, asked)
        if _counts_nowhere(ref):
            return _guessed_tokens([f"{prompt}{text}" for text in texts])
        return int(tokenizer_of(ref)(texts, pairs, prompt).lengths.sum())


def prompt_tokens(ref: ModelRef, system: str, prompts: Sequence[Prompt]) -> int:
    """Of prompts with what stands before each, but for a chat template's own marks."""
    said = [f"{system}{prompt.content}" for prompt in prompts]
    if _counts_nowhere(ref):
        return _guessed_tokens(said)
    return int(tokenizer_of(ref)(said, None, "").lengths_before.sum()) if said else 0


def _counts_nowhere(ref: ModelRef) -> bool:
    """Whether the model is behind an endpoint and its tokenizer not at hand."""
    return ref.endpoint is not None and ref.tokenizer is None


def _guessed_tokens(texts: Sequence[str]) -> int:
    return sum(int(len(text.encode("utf-8", "replace")) * _TOKENS_PER_BYTE) + 1 for text in texts)


class ForeseenGeneration(Generation):
    """The same questions as Generation, counted instead of asked."""

    def __init__(self, foresight: Foresight) -> None:
        super().__init__(foresight)
        self._foresight = foresight
        self._first_asked = FirstAsked()
        self._lock = threading.Lock()

    def run(
        self,
        ref: ModelRef,
        instruction: Instruction,
        prompts: Sequence[Prompt],
        *,
        owner: int | None = None,
        **_: Any,
    ) -> Completions:
        question, keys = completion_keys(ref, instruction, prompts)
        texts: list[Any] = [None] * len(keys)
        missing, _own = self.memory.lookup(keys, texts, None)
        if self.store is not None and missing:
            shelf = self.store.shelf("completions", question, about_model(ref))
            missing = self._from_store(shelf, keys, missing, texts, None)
        new, known = self._first_asked.count(keys, missing, owner)
        asked = [prompts[m] for m in new]
        tokens = prompt_tokens(ref, instruction.system, asked)
        with self._lock:
            needed = self._foresight.replies.setdefault(ref.name, NeededReplies(ref))
            needed.prompts += len(asked)
            needed.tokens += tokens
            needed.most_output_tokens += len(asked) * instruction.max_tokens
            needed.sample += [(instruction, prompt) for prompt in asked[: REPLY_SAMPLE - len(needed.sample)]]
        return Completions(texts, dict.fromkeys(missing, NOT_INFERRED), known, tokens)


@dataclass(frozen=True)
class Sampled:
    """tokens_per_second: read and written, 0 without a sample. reply_tokens: of one reply, on average; None where none
    was written."""

    tokens_per_second: float
    reply_tokens: float | None


def measure(inference: Inference, needed: Needed | None, replies: NeededReplies | None, cancel: Any) -> Sampled:
    """Runs a sample, after the model was loaded. The results are kept: nothing is computed for the estimate alone."""
    seconds, tokens, written, n_replies = 0.0, 0, 0, 0
    groups: dict[tuple[bool, str | Choices], list[tuple[str, str | None]]] = defaultdict(list)
    for text, pair, prompt in needed.sample if needed is not None else ():
        groups[pair is not None, prompt].append((text, pair))
    for (paired, prompt), inputs in groups.items():
        assert needed is not None
        began = time.perf_counter()
        outcome = inference.run(
            needed.ref,
            [text for text, _ in inputs],
            [str(pair) for _, pair in inputs] if paired else None,
            prompt=prompt,
            cancel=cancel,
        )
        seconds += time.perf_counter() - began
        tokens += outcome.tokens
    asked: dict[Instruction, list[Prompt]] = defaultdict(list)
    for instruction, each in replies.sample if replies is not None else ():
        asked[instruction].append(each)
    for instruction, prompts in asked.items():
        assert replies is not None
        began = time.perf_counter()
        found = Generation(inference).run(replies.ref, instruction, prompts, cancel=cancel)
        seconds += time.perf_counter() - began
        tokens += found.tokens + found.output_tokens
        written += found.output_tokens
        n_replies += len(prompts)
    return Sampled(tokens / seconds if seconds else 0.0, written / n_replies if n_replies else None)
