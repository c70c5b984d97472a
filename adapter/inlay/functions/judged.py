"""Questions with fixed answers for a language model.

A model on torch in this process gives the likelihood of each answer in one forward pass, so the scores are
probabilities and nothing is generated. A server that gives log-probabilities says how likely each answer is as the
first token of a reply. Other models, behind an endpoint or in vLLM, reply in words, which count only where they are one
of the answers, and give no scores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from inlay.arrays import Bools, Floats
from inlay.backends.base import MOST_OPTIONS, Choices, Instruction
from inlay.functions.contract import NEUTRAL_TEXTS, Ask, softmax
from inlay.functions.prompt_files import PromptFile
from inlay.functions.prompts import prompts
from inlay.models.ref import ModelRef
from inlay.store.inputs import Inputs

YES_NO = ("yes", "no")

LETTERS = "ABCDEFGHIJKLMNOPQRST"

_FIRST_TOKENS = 4
"""A reply's first token may be a blank, or a mark."""

# Both spellings count: which of them a model writes first depends on the prompt and the model, and not on the text.
YES_NO_WORDS = (("yes", "Yes"), ("no", "No"))


@dataclass(frozen=True)
class Judged:
    """best: for each text the place of its answer among the options, -1 where there is none. scores: [n, options]
    shares that sum to 1; None where the model replied."""

    best: list[int]
    scores: Floats | None
    errors: dict[int, str]
    known: Bools

    def confidence(self) -> list[float | None] | None:
        if self.scores is None:
            return None
        return [None if place < 0 else float(self.scores[i, place]) for i, place in enumerate(self.best)]


class Judge:
    """Asks which of the options answers a question about each text, or each pair.

    words: for each option, in their order, the words whose likelihoods are summed; from them is taken what they have
    where the text says nothing (contextual calibration, Zhao et al. 2021): a model finds some words likely after any
    text. None: the options themselves, as likely as they are. in_words: the prompt for a model that replies; None: the
    same. by_letter: the prompt in which each option has a letter, and the options in the order of these; None: the
    options are so few and so different that the first token of a reply to in_words tells them apart.
    """

    def __init__(
        self,
        prompt: PromptFile,
        options: Sequence[str],
        words: Sequence[Sequence[str]] | None = None,
        *,
        in_words: PromptFile | None = None,
        by_letter: tuple[PromptFile, Sequence[str]] | None = None,
    ) -> None:
        self.prompt = prompt
        self.options = tuple(options)
        self.words = None if words is None else tuple(tuple(group) for group in words)
        self.in_words = in_words or prompt
        self.by_letter = by_letter

    def gives_scores(self, model: ModelRef) -> bool:
        return model.can("likelihoods") or self._by_shares(model)

    def _by_shares(self, model: ModelRef) -> bool:
        return model.can("shares") and len(self.options) <= MOST_OPTIONS

    def basis(self, model: ModelRef) -> dict[str, Any]:
        """What of the question decides an answer of this model, for the signature."""
        if self._by_shares(model):
            prompt, options = self.by_letter or (self.in_words, self.options)
            return {"prompt": prompt.basis(), "options": list(options), "shares": 1}
        if not model.can("likelihoods"):
            return {"prompt": self.in_words.basis(), "options": list(self.options)}
        basis = {"prompt": self.prompt.basis(), "options": list(self.options)}
        if self.words is None:
            return basis
        words = [group[0] if len(group) == 1 else list(group) for group in self.words]
        return {**basis, "words": words, "neutral": list(NEUTRAL_TEXTS)}

    def __call__(self, texts: Inputs, ask: Ask) -> Judged:
        """texts: in one column, or texts and what each is asked about in two."""
        if ask.model.can("likelihoods"):
            words = self.words or tuple((option,) for option in self.options)
            choices = Choices(self.prompt.system, self.prompt.user, tuple(word for group in words for word in group))
            outcome = ask.likelihoods(choices, texts)
            rows, errors = _pooled(outcome.rows, words), dict(outcome.errors)
            if self.words is not None:
                prior, failed = ask.prior(choices, texts)
                rows = rows - _pooled(prior, words).mean(axis=0)
                errors = {**failed, **errors}
            scores = softmax(rows)
            return Judged(_best(scores, errors), scores, errors, outcome.known)
        if self._by_shares(ask.model):
            return self._shares(texts, ask)
        schema = object_schema(answer={"enum": list(self.options)})
        values, errors, known = replies_of_schema(self.in_words, schema, texts, ask)
        best = [-1 if value is None else self.options.index(value["answer"]) for value in values]
        return Judged(best, None, errors, known)

    def _shares(self, texts: Inputs, ask: Ask) -> Judged:
        prompt, options = self.by_letter or (self.in_words, self.options)
        words = options if self.by_letter is None else LETTERS[: len(options)]
        share = {"type": "number", "minimum": 0, "maximum": 1}
        schema = {"type": "array", "items": share, "minItems": len(options), "maxItems": len(options)}
        instruction = Instruction(
            prompt.system, _FIRST_TOKENS, schema=json.dumps(schema), whole=False, options=tuple(words)
        )
        replies = ask.complete(instruction, prompts(prompt.user, texts))
        nothing = [0.0] * len(options)
        rows = [nothing if reply is None else json.loads(reply) for reply in replies.rows]
        scores = np.array(rows, dtype=np.float32).reshape(-1, len(options))
        scores = scores[:, [list(options).index(option) for option in self.options]]
        return Judged(_best(scores, replies.errors), scores, dict(replies.errors), replies.known)


def _best(scores: Floats, errors: Mapping[int, str]) -> list[int]:
    return [-1 if i in errors else int(place) for i, place in enumerate(scores.argmax(axis=1))]


def _pooled(rows: Floats, words: Sequence[Sequence[str]]) -> Floats:
    """[…, words] → […, options]: log of the summed likelihoods of each option's words."""
    if all(len(group) == 1 for group in words):
        return rows
    ends = np.cumsum([len(group) for group in words])
    parts = np.split(rows, ends[:-1], axis=-1)
    return np.stack([np.logaddexp.reduce(part, axis=-1) for part in parts], axis=-1).astype(np.float32)


def object_schema(**properties: Any) -> dict[str, Any]:
    """JSON Schema of an object with these fields and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def replies_of_schema(
    prompt: PromptFile, schema: Mapping[str, Any], texts: Inputs, ask: Ask
) -> tuple[list[Any], dict[int, str], Bools]:
    """(value of each reply, None where it failed; why; what was known). A reply is short, but a model may think first,
    so it has the length that the model's settings allow."""
    text = json.dumps(schema, ensure_ascii=False)
    instruction = Instruction(prompt.system, max_tokens=ask.model.max_output_tokens, schema=text)
    replies = ask.complete(instruction, prompts(prompt.user, texts))
    return [None if reply is None else json.loads(reply) for reply in replies.rows], replies.errors, replies.known


def yes_scores(judged: Judged) -> Floats:
    """Of YES_NO questions: the share of yes, or 1 and 0 where the model only says which."""
    if judged.scores is not None:
        return judged.scores[:, 0]
    return np.array([1.0 if place == 0 else 0.0 for place in judged.best], dtype=np.float32)
