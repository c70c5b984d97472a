"""The questions of ai_decide, as people write them in SQL, and the type of their answers.

    {'team': {'choice': ['billing', 'delivery']},                 one of these
     'urgency': {'levels': ['low', 'mid', 'high']},               the same, in order
     'refund': 'the customer asks for money back',                whether it holds
     'intent': {'head': 'intents'}}                               what a trained head answers

With `question` a choice or levels say in words what is asked; without it their name does. A statement may have a
`threshold`: {'statement': '…', 'threshold': 0.3}.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from inlay.errors import ConfigError
from inlay.functions.labels import Labels, read_labels, spelled_out
from inlay.models.head_card import HeadCard
from inlay.models.ref import ModelRef

Kind = Literal["choice", "levels", "statement", "head"]

_NO_LABELS = Labels((), ())
_EXAMPLE = "{'team': {'choice': ['billing', 'delivery']}, 'refund': 'the customer wants money back'}"
_FORMS = {"choice": {"choice", "question"}, "levels": {"levels", "question"}, "statement": {"statement", "threshold"}}
HOLDS = ("true", "false")


@dataclass(frozen=True)
class Asked:
    """One question. text: what is asked, in words. labels: what an answer may be; those of a choice in the order of
    their text, so that the order in which they are written decides nothing. threshold: of a statement. head: name."""

    name: str
    kind: Kind
    text: str
    labels: Labels = _NO_LABELS
    threshold: float | None = None
    head: str = ""

    def basis(self, heads: Mapping[str, ModelRef]) -> list[Any]:
        """For the signature."""
        about = heads[self.head].fingerprint if self.head else self.threshold
        labels = list(zip(self.labels.names, self.labels.descriptions, strict=True))
        return [self.name, self.kind, self.text, [list(label) for label in labels], about]

    def type(self, heads: Mapping[str, ModelRef]) -> Any:
        """Of the value, as from_json() takes it."""
        if self.kind == "statement":
            return "BOOLEAN"
        if self.kind != "head":
            return "VARCHAR"
        answer = card_of(heads[self.head]).answer
        return [answer.removesuffix("[]")] if answer.endswith("[]") else answer


def card_of(head: ModelRef) -> HeadCard:
    assert head.card is not None
    return head.card


def read_questions(function: str, given: Any) -> tuple[Asked, ...]:
    """Raises ConfigError for what is no mapping of names to questions."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise ConfigError(f"{function}: questions is no JSON: {error}. Write them as in {_EXAMPLE}.") from None
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(f"{function}: questions is {given!r}; it must be a struct such as {_EXAMPLE}.")
    return tuple(_question(function, str(name), asked) for name, asked in given.items())


def structure(questions: tuple[Asked, ...], heads: Mapping[str, ModelRef]) -> str:
    """What from_json() of DuckDB makes of the answers."""
    fields = {
        asked.name: {
            "value": asked.type(heads), "probability": "DOUBLE", "distribution": "MAP(VARCHAR, DOUBLE)",
        }
        for asked in questions
    }  # fmt: skip
    return json.dumps(fields, ensure_ascii=False)


def _question(function: str, name: str, given: Any) -> Asked:
    where = f"{function}: question {name!r}"
    if isinstance(given, str):
        given = {"statement": given}
    if isinstance(given, Mapping):
        given = {key: value for key, value in given.items() if value is not None}
    is_mapping = isinstance(given, Mapping)
    kind: Kind | None = next((kind for kind in get_args(Kind) if is_mapping and kind in given), None)
    if kind is None or not set(given) <= _FORMS.get(kind, {kind}):
        raise ConfigError(
            f"{where} is {given!r}; it must be a statement, or a struct with choice or levels (and perhaps question), "
            "with statement (and perhaps threshold), or with head alone."
        )
    if kind in ("choice", "levels"):
        return _of_labels(where, name, kind, given)
    text = given[kind]
    if not isinstance(text, str) or not text.strip():
        raise ConfigError(f"{where}: {kind} is {text!r}; it must be a text that is not empty.")
    if kind == "head":
        return Asked(name, "head", "", head=text.removeprefix("head:"))
    threshold = given.get("threshold")
    if threshold is not None and not -1 <= float(threshold) <= 1:
        raise ConfigError(f"{where}: threshold is {threshold}; it must be a number from -1 to 1, as scores are.")
    return Asked(name, "statement", text, threshold=None if threshold is None else float(threshold))


def _of_labels(where: str, name: str, kind: Kind, given: Mapping[str, Any]) -> Asked:
    labels = read_labels(where, given[kind])
    if len(labels.names) < 2:
        raise ConfigError(f"{where}: {kind} has {len(labels.names)} label; it takes two to have a choice.")
    if kind == "choice":
        labels = labels.sorted()
    text = given.get("question")
    if text is not None and (not isinstance(text, str) or not text.strip()):
        raise ConfigError(f"{where}: its question is {text!r}; it must be a text that is not empty.")
    return Asked(name, kind, text or "", labels)


def in_words(asked: Asked) -> str:
    """What a choice or levels ask, where there is no question by their name."""
    return asked.text or spelled_out(asked.name)
