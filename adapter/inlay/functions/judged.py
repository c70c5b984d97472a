"""Questions with fixed answers for a language model.

A model on torch in this process gives the likelihood of each answer in one forward pass, so the scores are
probabilities and nothing is generated. A server that gives log-probabilities says how likely each answer is as the
first token of a reply. Other models, behind an endpoint or in vLLM, reply in words, which count only where they are one
of the answers, and give no scores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from inlay.arrays import Bools, Floats
from inlay.backends.base import MOST_OPTIONS, Choices, Instruction
from inlay.engine.resolve import Resolved
from inlay.functions.contract import NEUTRAL_TEXTS, Ask, softmax
from inlay.functions.example_fit import label_offsets, shares_by_odds
from inlay.functions.examples import NO_EXAMPLES, Examples, shown
from inlay.functions.prompt_files import PromptFile
from inlay.functions.prompts import prompts
from inlay.models.ref import ModelRef
from inlay.store.inputs import Inputs, each_with_each, text_inputs

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
    options are so few and so different that the first token of a reply to in_words tells them apart. examples: of the
    options, or of a statement whose first option is that it holds. Scores move by what fits these best, scored as any
    text; a model without scores reads them in its prompt.
    """

    def __init__(
        self,
        prompt: PromptFile,
        options: Sequence[str],
        words: Sequence[Sequence[str]] | None = None,
        *,
        in_words: PromptFile | None = None,
        by_letter: tuple[PromptFile, Sequence[str]] | None = None,
        examples: Examples = NO_EXAMPLES,
    ) -> None:
        self.prompt = prompt
        self.options = tuple(options)
        self.words = None if words is None else tuple(tuple(group) for group in words)
        self.in_words = in_words or prompt
        self.by_letter = by_letter
        self.examples = examples
        self._replied = shown(self.in_words, examples, self._answer_in_json)

    def gives_scores(self, model: ModelRef) -> bool:
        return model.can("likelihoods") or self._by_shares(model)

    def _by_shares(self, model: ModelRef) -> bool:
        return model.can("shares") and len(self.options) <= MOST_OPTIONS

    def basis(self, model: ModelRef) -> dict[str, Any]:
        """What of the question decides an answer of this model, for the signature."""
        if self._by_shares(model):
            prompt, options = self.by_letter or (self.in_words, self.options)
            return {"prompt": prompt.basis(), "options": list(options), "shares": 1, **self._examples_basis()}
        if not model.can("likelihoods"):
            return {"prompt": self._replied.basis(), "options": list(self.options)}
        basis = {"prompt": self.prompt.basis(), "options": list(self.options), **self._examples_basis()}
        if self.words is None:
            return basis
        words = [group[0] if len(group) == 1 else list(group) for group in self.words]
        return {**basis, "words": words, "neutral": list(NEUTRAL_TEXTS)}

    def _examples_basis(self) -> dict[str, str]:
        return self.examples.basis(() if self.examples.of_statement else self.options)

    def _answer_in_json(self, answer: float) -> str:
        place = int(answer < 0.5) if self.examples.of_statement else int(answer)
        return json.dumps({"answer": self.options[place]}, ensure_ascii=False)

    def __call__(self, texts: Inputs, ask: Ask) -> Judged:
        """texts: in one column, or texts and what each is asked about in two."""
        if self.gives_scores(ask.model):
            found = self._scores(texts, ask)
            scores = self._with_examples(found.rows, texts, ask) if self.examples else found.rows
            return Judged(_best(scores, found.errors), scores, found.errors, found.known)
        schema = object_schema(answer={"enum": list(self.options)})
        values, errors, known = replies_of_schema(self._replied, schema, texts, ask)
        best = [-1 if value is None else self.options.index(value["answer"]) for value in values]
        return Judged(best, None, errors, known)

    def _scores(self, texts: Inputs, ask: Ask) -> Resolved:
        """Shares of the options that sum to 1."""
        return self._likelihoods(texts, ask) if ask.model.can("likelihoods") else self._shares(texts, ask)

    def _likelihoods(self, texts: Inputs, ask: Ask) -> Resolved:
        words = self.words or tuple((option,) for option in self.options)
        places = _in_order(words)
        choices = Choices(self.prompt.system, self.prompt.user, tuple(word for group in words for word in group))
        outcome = ask.likelihoods(choices, texts)
        rows, errors = pooled(outcome.rows, places), dict(outcome.errors)
        if self.words is not None:
            prior, failed = ask.prior(choices, texts)
            rows = rows - pooled(prior, places).mean(axis=0)
            errors = {**failed, **errors}
        return replace(outcome, rows=softmax(rows), errors=errors)

    def _shares(self, texts: Inputs, ask: Ask) -> Resolved:
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
        return replace(replies, rows=scores, errors=dict(replies.errors))

    def _with_examples(self, scores: Floats, texts: Inputs, ask: Ask) -> Floats:
        """The same after they moved by what fits the examples."""
        asked = given = text_inputs(list(self.examples.texts))
        if len(texts.columns) > 1:
            statements, places = texts.column(1).each_once()
            asked = each_with_each(given, statements)
        k = len(asked) // len(given)
        own = ask.own(lambda ask: self._scores(asked, ask), [text for text in self.examples.texts for _ in range(k)])
        if len(texts.columns) == 1:
            return softmax(_logs(scores) + label_offsets(_logs(own), self.examples.places))
        which = np.arange(len(scores)) if places is None else places
        held = shares_by_odds(_log_odds(scores), which, _log_odds(own).reshape(-1, k), self.examples.shares)
        return np.stack([held, 1 - held], axis=1)


def _logs(shares: Floats) -> Floats:
    return np.log(np.maximum(shares, np.float32(1e-6)))


def _log_odds(shares: Floats) -> Floats:
    """Of two options, the first against the second."""
    return np.asarray(_logs(shares)[:, 0] - _logs(shares)[:, 1], dtype=np.float32)


def _best(scores: Floats, errors: Mapping[int, str]) -> list[int]:
    return [-1 if i in errors else int(place) for i, place in enumerate(scores.argmax(axis=1))]


def _in_order(words: Sequence[Sequence[str]]) -> list[list[int]]:
    """The places of each option's words, which stand one after another."""
    ends = np.cumsum([len(group) for group in words])
    return [list(range(end - len(group), end)) for group, end in zip(words, ends.tolist(), strict=True)]


def pooled(rows: Floats, places: Sequence[Sequence[int]]) -> Floats:
    """[…, words] → […, options]: log of the summed likelihoods of each option's words, which are at these places."""
    if all(len(group) == 1 for group in places):
        return rows[..., [place for (place,) in places]]
    return np.stack([np.logaddexp.reduce(rows[..., group], axis=-1) for group in places], axis=-1).astype(np.float32)


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
