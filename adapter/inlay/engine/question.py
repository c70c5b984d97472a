"""What is asked of which model, apart from the inputs.

The question of a model's numbers and that of its replies are made here; a SQL function's own, whose answers are made of
these, by whoever binds its call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from inlay import __version__
from inlay.backends.base import Asked, Choices, Instruction
from inlay.backends.runs import Spans
from inlay.engine.answers import AnswerCodec, Numbers, Texts
from inlay.models.ref import ModelRef
from inlay.store.keys import Keys, signature
from inlay.store.result_set import ResultSet
from inlay.store.results import Store


@dataclass(frozen=True)
class Question:
    """name: of the results, for people who read the store. parts: everything but the input that can change an answer,
    as JSON values; hashed, it is the signature. answers: how they are held. asked: of a model's numbers the prompt
    before each text, or the question to a language model; of replies the instruction; None where a function answers."""

    name: str
    model: ModelRef
    parts: Mapping[str, Any]
    answers: AnswerCodec
    asked: Asked | Instruction | None = None

    @cached_property
    def signature(self) -> str:
        return signature(self.parts)

    def cache_keys(self, keys: Keys) -> list[bytes]:
        """What each input is known by in memory: the signature and the input's own key."""
        signed, raw = bytes.fromhex(self.signature), np.ascontiguousarray(keys).tobytes()
        return [signed + raw[start : start + 32] for start in range(0, len(raw), 32)]

    def result_set_in(self, store: Store) -> ResultSet:
        return store.result_set(self.name, self.signature, self.parts, self.about)

    @property
    def about(self) -> dict[str, Any]:
        """What a manifest says beside the question, for people."""
        model = {"name": self.model.name, "source": self.model.source, "task": self.model.task}
        width = {"width": self.answers.width} if isinstance(self.answers, Numbers) else {}
        return {"model": model, "created_by": f"inlay {__version__}", **width}


def numbers_question(model: ModelRef, prompt: Asked = "", *, pair: bool = False) -> Question:
    """One row of numbers for each text, or for each (text, pair). dtype is what was asked for: with 'auto', machines of
    different precision share results, within the tolerance that docs/models.md states."""
    parts = {
        "numbers": 1,
        "model": model.fingerprint,
        "dtype": model.dtype,
        "too_long": model.too_long,
        "prompt": prompt if isinstance(prompt, str) else asdict(prompt),
        "pair": pair,
    }
    if isinstance(prompt, Choices | Spans):
        name = "likelihoods" if isinstance(prompt, Choices) else "spans"
        return Question(name, model, parts, Numbers(prompt.width), prompt)
    return Question("vectors" if model.can("vectors") else "logits", model, parts, Numbers(model.width), prompt)


def replies_question(model: ModelRef, instruction: Instruction) -> Question:
    """One text for each prompt. Inputs are what stands before a row's own text, that text, and what comes after."""
    parts = {
        "completion": 1,
        "model": model.fingerprint,
        "dtype": model.dtype,
        "too_long": model.too_long,
        "max_tokens_read": model.max_tokens,
        "instruction": instruction.basis(),
    }
    return Question("completions", model, parts, Texts(instruction.schema), instruction)
