"""Examples of a call: texts with their right answers, for every kind of model that judges.

An embedding model's prototypes move towards them, the scores of an NLI model and of a language model that gives some
move by what fits them best (example_fit.py); one that only replies reads them before each text. In a prompt they harm a
small model: SmolLM2 135M was right in 35 % of 300 texts where it is in 74 without. Their order decides nothing: they
are put in one of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inlay.arrays import Floats, Ints
from inlay.backends.base import MOST_OPTIONS
from inlay.errors import ConfigError
from inlay.functions.contract import Ask, Call
from inlay.functions.prompt_files import PromptFile, escaped

MOST_IN_A_PROMPT = 32
"""A model that replies reads them anew for each text."""

_LEAST_OF_A_SIDE = 2.0


@dataclass(frozen=True)
class Examples:
    """texts, and of each its answer: the place of its label, or of a statement (of_statement) how well it holds, 0 to
    1."""

    texts: tuple[str, ...] = ()
    answers: tuple[float, ...] = ()
    of_statement: bool = False

    def __bool__(self) -> bool:
        return bool(self.texts)

    @property
    def places(self) -> Ints:
        return np.array(self.answers, dtype=np.int64)

    @property
    def shares(self) -> Floats:
        return np.array(self.answers, dtype=np.float32)

    def vectors(self, ask: Ask) -> Floats:
        return ask.fixed(list(self.texts), "document")

    def basis(self, names: Sequence[str] = ()) -> dict[str, str]:
        """For the signature. names: of the labels, whose order decides nothing."""
        if not self:
            return {}
        answers = [names[int(answer)] if names else answer for answer in self.answers]
        written = json.dumps(sorted(zip(self.texts, answers, strict=True)))
        return {"examples": hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()}


NO_EXAMPLES = Examples()


def label_examples(call: Call, names: Sequence[str]) -> Examples:
    """The call's examples of labels. Raises ConfigError for what is no list of them."""

    def place(label: Any) -> float:
        if label not in names:
            raise ConfigError(
                f"{call.function}: an example has the label {label!r}; it must be one of {', '.join(names)}."
            )
        return names.index(label)

    return _read(call, place, f"'{names[0]}'", len(names))


def statement_examples(call: Call) -> Examples:
    """The call's examples of a statement that holds or not, or of how well it does, 0 to 1. Raises ConfigError, also
    where they are all of one side, which says nothing of where the other begins."""

    def share(label: Any) -> float:
        known = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
        try:
            number = known[label.lower()] if isinstance(label, str) and label.lower() in known else float(label)
        except (TypeError, ValueError):
            number = -1.0
        if not 0 <= number <= 1:
            raise ConfigError(
                f"{call.function}: an example has the label {label!r}; it must be true, false or a number from 0 to 1."
            )
        return number

    examples = _read(call, share, "true", 2)
    yes = sum(examples.answers)
    if examples and min(yes, len(examples.answers) - yes) < _LEAST_OF_A_SIDE:
        raise ConfigError(
            f"{call.function}: examples has {yes:g} of {len(examples.answers)} that hold; it takes two at least that "
            "do and two that do not, or nothing says where the one ends and the other begins."
        )
    return replace(examples, of_statement=True) if examples else examples


def refuse_examples(call: Call) -> None:
    """Of a model that has learned its labels."""
    if call.options.get("examples") is not None:
        raise ConfigError(
            f"{call.function}: examples are for models that take any labels; {call.model.name!r} has learned its own. "
            "Train a head from labelled rows instead: CALL inlay_train('name', 'rows', text := 'text', …)."
        )


def _read(call: Call, answer: Callable[[Any], float], example: str, n_options: int) -> Examples:
    given = call.options.get("examples")
    if given is None:
        return Examples()
    if isinstance(given, str):
        raise ConfigError(
            f"{call.function}: examples is the name of a relation, {given!r}, which planned statements read "
            "(inlay.connect(), inlay.sql(con, …), dbt). Elsewhere give the rows: examples := (SELECT list({'text': "
            "text, 'label': label}) FROM …)."
        )
    how = f"[{{'text': 'it broke', 'label': {example}}}]"
    if not isinstance(given, list | tuple) or not given:
        raise ConfigError(f"{call.function}: examples is {given!r}; it must be a list that is not empty: {how}.")
    found: set[tuple[str, float]] = set()
    for row in given:
        if not isinstance(row, Mapping) or set(row) != {"text", "label"} or not isinstance(row["text"], str):
            raise ConfigError(f"{call.function}: examples holds {row!r}; each must be as in {how}.")
        if not row["text"].strip() or row["label"] is None:
            raise ConfigError(f"{call.function}: examples holds {row!r}, which lacks its text or its label.")
        found.add((row["text"], answer(row["label"])))
    has_scores = call.model.can("likelihoods") or (call.model.can("shares") and n_options <= MOST_OPTIONS)
    if call.model.can("replies") and not has_scores and len(found) > MOST_IN_A_PROMPT:
        raise ConfigError(
            f"{call.function}: examples has {len(found)} that differ; {call.model.name!r} reads all of them "
            f"before each text, so {MOST_IN_A_PROMPT} are the most. Give fewer, or name an embedding model."
        )
    # In an order that no label has a part in: the last ones before a text count most for a language model.
    rows = sorted(found, key=lambda row: (hashlib.sha256(row[0].encode("utf-8", "surrogatepass")).digest(), row[1]))
    return Examples(tuple(text for text, _ in rows), tuple(share for _, share in rows))


def shown(prompt: PromptFile, examples: Examples, answer: Callable[[float], str]) -> PromptFile:
    """The prompt with the examples before what it asks, each as the text would be asked about, with its answer."""
    if not examples:
        return prompt
    blocks = [
        f"{prompt.about(text)} {escaped(answer(share))}"
        for text, share in zip(examples.texts, examples.answers, strict=True)
    ]
    return replace(prompt, user="\n\n".join([*blocks, prompt.user]))
