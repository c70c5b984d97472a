"""An engine that runs no model: it counts what one would have to run.

In the place of Inference while a plan is made. What is known is answered; what is not is counted once per distinct
input over the whole plan, its tokens by the model's own tokenizer, and comes back as a row without an answer.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inlay.backends.base import Ints, Tokens
from inlay.backends.load import load_tokenizer
from inlay.engine.inference import TOKENIZE_ROWS, Inference, Outcome, numbers_keys
from inlay.store.memory import empty_rows
from inlay.types import ModelRef

NOT_INFERRED = "not inferred yet"

# Texts of each model that are kept as a sample, for measuring its speed.
SAMPLE = 128


@dataclass
class Needed:
    """What one model would have to run. sample: some of the inputs, as (texts, pairs, prompt)."""

    ref: ModelRef
    inputs: int = 0
    tokens: int = 0
    sample: list[tuple[str, str | None, str]] = field(default_factory=list)


class Foresight(Inference):
    """The same questions as Inference, counted instead of computed."""

    def __init__(self, inference: Inference) -> None:
        super().__init__(inference.memory, inference.store, store_vectors=inference.store_vectors)
        self.needed: dict[str, Needed] = {}
        self._counted: dict[bytes, int | None] = {}
        self._tokenizers: dict[str, Any] = {}
        self._lock = threading.Lock()

    def count_tokens(self, ref: ModelRef, texts: list[str]) -> tuple[Ints, dict[int, str]]:
        return np.asarray(self._tokenize(ref, texts, None, "").lengths_before), {}

    def run(
        self,
        ref: ModelRef,
        texts: list[str],
        pairs: list[str] | None = None,
        *,
        prompt: str = "",
        owner: int | None = None,
        **_: Any,
    ) -> Outcome:
        question, keys = numbers_keys(ref, prompt, texts, pairs)
        rows = empty_rows(len(keys), ref.width)
        missing, _own = self.memory.lookup(keys, rows, None)
        shelf = self._shelf(ref, question)
        if shelf is not None and missing:
            missing = self._from_store(shelf, keys, missing, rows, None)
        known = np.ones(len(keys), dtype=np.bool_)
        known[missing] = False
        new: dict[bytes, int] = {}
        with self._lock:
            for m in missing:
                if keys[m] not in self._counted:
                    self._counted[keys[m]] = owner
                    new[keys[m]] = m
                # What another call asks for will be known by then.
                known[m] = self._counted[keys[m]] != owner
        tokens = 0
        places = list(new.values())
        for start in range(0, len(places), TOKENIZE_ROWS):
            part = places[start : start + TOKENIZE_ROWS]
            second = None if pairs is None else [pairs[m] for m in part]
            tokens += int(self._tokenize(ref, [texts[m] for m in part], second, prompt).lengths.sum())
        with self._lock:
            needed = self.needed.setdefault(ref.name, Needed(ref))
            needed.inputs += len(places)
            needed.tokens += tokens
            for m in places[: SAMPLE - len(needed.sample)]:
                needed.sample.append((texts[m], None if pairs is None else pairs[m], prompt))
        return Outcome(rows, dict.fromkeys(missing, NOT_INFERRED), known, tokens, 0)

    def _tokenize(self, ref: ModelRef, texts: list[str], pairs: list[str] | None, prompt: str) -> Tokens:
        with self._lock:
            if ref.fingerprint not in self._tokenizers:
                self._tokenizers[ref.fingerprint] = load_tokenizer(ref)
            tokenize = self._tokenizers[ref.fingerprint]
        found: Tokens = tokenize(texts, pairs, prompt)
        return found


def measure(inference: Inference, needed: Needed, cancel: Any) -> float | None:
    """Runs the sample and returns tokens a second, after the model was loaded; None without a sample. The results are
    kept, so nothing is computed for the estimate alone."""
    groups: dict[tuple[bool, str], list[tuple[str, str | None]]] = defaultdict(list)
    for text, pair, prompt in needed.sample:
        groups[pair is not None, prompt].append((text, pair))
    seconds, tokens = 0.0, 0
    inference.load(needed.ref)
    for (paired, prompt), inputs in groups.items():
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
    return tokens / seconds if seconds and tokens else None
