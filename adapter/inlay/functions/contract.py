"""The contract between a SQL function and the session that runs it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from inlay.arrays import Bools, Floats, Ids, Ints
from inlay.backends.base import Choices, Instruction
from inlay.backends.runs import Spans
from inlay.engine.question import Question, numbers_question, replies_question
from inlay.engine.resolve import Resolved, Usage, Work, resolve
from inlay.errors import CannotServeError, ConfigError
from inlay.functions.cascade.guarantee import Certificate
from inlay.functions.head_rows import numbers_by_head
from inlay.functions.prompt_files import PromptFile, prompt_file
from inlay.models.ref import ModelRef
from inlay.store.inputs import Inputs, each_with_each, text_inputs
from inlay.types import Capability

MADE_FOR: Mapping[Capability, str] = {
    "vectors": "an embedding model",
    "own_labels": "a classifier with its own labels",
    "entailment": "an NLI model",
    "relevance": "a cross-encoder",
    "replies": "a language model",
    "prediction": "a trained head",
    "rules": "no model but a set of rules",
}
"""What errors call a model that can do this."""

NEUTRAL_TEXTS = ("N/A", "...", "Something", "This is a text.", "The text.")
"""Texts that no label fits better than another, for Ask.prior()."""

# Where each row has a second text of its own, each of these is one more question about it.
NEUTRAL_OF_PAIRS = 2


@dataclass(frozen=True)
class Call:
    """One call's checked settings. options holds every option by name, None where none was given. proxy: the cheap
    model of a call with targets (functions/cascade.py). prompts_folder: the user's own prompts. heads: by name, those
    that the call's questions name."""

    function: str
    model: ModelRef
    options: Mapping[str, Any]
    labels: Any = None
    proxy: ModelRef | None = None
    prompts_folder: Path | None = None
    heads: Mapping[str, ModelRef] = field(default_factory=dict)
    is_calibrated: bool = False

    def prompt(self, situation: str = "", function: str = "") -> PromptFile:
        """The prompt of the call's function, or of the one whose prompts it shares, for its model."""
        return prompt_file(function or self.function, situation, self.prompts_folder, self.model.name)

    def bound(self, ways: Mapping[Capability, Bind], needs: str, then: str) -> Bound:
        """The call made ready in the first way whose capability its model has. Raises CannotServeError, as cannot(),
        for a model that has none of them."""
        way = self.model.first(ways)
        if way is None:
            raise self.cannot(needs, then)
        return way(self)

    def cannot(self, needs: str, then: str) -> CannotServeError:
        return CannotServeError(
            f"{self.function}: model {self.model.name!r} is {self.model.first(MADE_FOR)}; "
            f"{self.function} needs {needs}. {then}"
        )

    def flag(self, option: str) -> bool:
        """Whether an option is true. Raises ConfigError for a value that is neither true nor false."""
        given = self.options.get(option)
        if given not in (None, True, False):
            raise ConfigError(f"{self.function}: {option} is {given!r}; it must be true or false.")
        return bool(given)

    def number(self, option: str, allowed: Callable[[float], bool], must_be: str) -> float | None:
        """The value of an option, None where it was not given. Raises ConfigError for one that is not allowed, or no
        number."""
        given = self.options.get(option)
        if given is None:
            return None
        try:
            number = float(given)
        except (TypeError, ValueError):
            number = math.nan
        if isinstance(given, bool) or not allowed(number):
            shown = repr(given) if isinstance(given, str) else given
            raise ConfigError(f"{self.function}: {option} is {shown}; it must be {must_be}.")
        return number

    def threshold(self, default: float | None) -> float:
        """The threshold given, or the default; raises ConfigError where there is no honest default."""
        given = self.number("threshold", lambda number: -1 <= number <= 1, "a number from -1 to 1, as scores are")
        if given is None and default is None:
            raise ConfigError(
                f"{self.function}: threshold is missing. {self.model.name!r} is an embedding model: its scores are "
                "cosines, and where yes begins depends on the model and the texts. Look at some scores first "
                f"(ai_similarity, or try_{self.function}), then give threshold := 0.3 or so."
            )
        return cast("float", default if given is None else given)


PENDING = "not inferred yet"
"""Why a row of a dry run has no answer: no model was asked. It is no failure."""


@dataclass
class Answers:
    """One value per row; None where the row failed, with the reason in errors.

    values: Python values, or a float32 matrix [n, width] for vectors. scores: [n, len(labels)] of what the answer
    was chosen by. known: True where no model had to run.
    """

    values: list[Any] | Floats
    errors: dict[int, str]
    known: Bools
    confidence: list[float | None] | None = None
    labels: tuple[str, ...] = ()
    scores: Floats | None = None


@dataclass
class Ask:
    """A model for one call. usage: of all its questions together. is_pending: in a dry run, the call's own texts
    (labels, criteria) have no numbers yet, so every answer is pending."""

    model: ModelRef
    work: Work
    usage: Usage = field(default_factory=Usage)
    is_pending: bool = False

    def vectors(self, texts: Inputs, purpose: str = "document") -> Resolved:
        """Unit-length vectors. purpose: 'document' or 'query', where the model has a prompt for it."""
        outcome = self.raw_vectors(texts, purpose, keep=self.work.keep_numbers)
        if not self.model.normalized:
            outcome.rows = unit_rows(outcome.rows)
        return outcome

    def raw_vectors(self, texts: Inputs, purpose: str, *, keep: bool = True) -> Resolved:
        """Vectors as the model returns them, the answers of ai_embed: always stored where there is a store."""
        return self._resolved(numbers_question(self.model, self.model.prompt(purpose)), texts, keep)

    def logits(self, texts: Inputs) -> Resolved:
        """Of texts, or of pairs in two columns."""
        if self.model.base is not None:  # a head's numbers are made of the vectors, which alone are kept
            return numbers_by_head(texts, self, replace(self, model=self.model.base))
        question = numbers_question(self.model, pair=len(texts.columns) > 1)
        return self._resolved(question, texts, self.work.keep_numbers)

    def likelihoods(self, choices: Choices, texts: Inputs) -> Resolved:
        """The log-likelihood of each option, of texts or of pairs in two columns."""
        question = numbers_question(self.model, choices, pair=len(texts.columns) > 1)
        return self._resolved(question, texts, self.work.keep_numbers)

    def spans(self, spans: Spans, texts: Inputs) -> Resolved:
        """For each question the run of the text's words that answers it, see Spans.width."""
        return self._resolved(numbers_question(self.model, spans), texts, self.work.keep_numbers)

    def prior(self, choices: Choices, texts: Inputs) -> tuple[Floats, dict[int, str]]:
        """([neutral texts, rows or 1, options] log-likelihoods of each option where the text says nothing; why rows
        have none). Of pairs, each row's own second text is asked about."""
        ask = self.on_the_way()
        if len(texts.columns) == 1:
            outcome = ask.likelihoods(choices, _own_texts(NEUTRAL_TEXTS))
            return self._own(outcome, NEUTRAL_TEXTS)[:, None], {}
        seconds, which = texts.column(1).each_once()
        outcome = ask.likelihoods(choices, each_with_each(_own_texts(NEUTRAL_TEXTS[:NEUTRAL_OF_PAIRS]), seconds))
        failed = {place % len(seconds): reason for place, reason in outcome.errors.items()}
        rows = cast("Floats", outcome.rows).reshape(NEUTRAL_OF_PAIRS, len(seconds), -1)
        places = np.arange(len(seconds)) if which is None else which
        errors = {i: failed[place] for i, place in enumerate(places.tolist()) if place in failed}
        self.is_pending = self.is_pending or PENDING in failed.values()
        return rows[:, places], errors

    def complete(self, instruction: Instruction, prompts: Inputs, *, is_last: bool = True) -> Resolved:
        """A language model's replies, None where there is none. prompts: see prompts.py. is_last: whether rows have
        their answers after this."""
        ask = self if is_last else self.on_the_way()
        return ask._resolved(replies_question(self.model, instruction), prompts, True)

    def fixed(self, texts: list[str], purpose: str = "query") -> Floats:
        """Vectors of the call's own texts (labels): these must not fail."""
        return self._own(self.on_the_way().vectors(_own_texts(tuple(texts)), purpose), texts)

    def own(self, numbers: Callable[[Ask], Resolved], texts: Sequence[str]) -> Floats:
        """Numbers of what is the call's own, as fixed(). texts: of each row of them, for the error."""
        return self._own(numbers(self.on_the_way()), texts)

    def on_the_way(self) -> Ask:
        """The same, of which no row is done by itself."""
        return replace(
            self, work=replace(self.work, on_progress=lambda share, tokens: self.work.progressed(0.0, tokens))
        )

    def _own(self, outcome: Resolved, texts: Sequence[str]) -> Floats:
        """The numbers of the call's own texts, which must not fail."""
        for place, reason in outcome.errors.items():
            if reason != PENDING:
                raise ConfigError(
                    f"{texts[place]!r} of the call cannot be read by model {self.model.name!r}: {reason}."
                )
            self.is_pending = True
        return cast("Floats", outcome.rows)

    def _resolved(self, question: Question, inputs: Inputs, keep: bool) -> Resolved:
        outcome = resolve(question, inputs, self.work, keep=keep, usage=self.usage)
        outcome.errors.update(dict.fromkeys(np.flatnonzero(outcome.pending).tolist(), PENDING))
        return outcome


@lru_cache(maxsize=64)
def _own_texts(texts: tuple[str, ...]) -> Inputs:
    """Cached, since every chunk of a statement has the same ones, so that they are hashed once."""
    return text_inputs(texts)


class Answer(Protocol):
    """Answers distinct rows: inputs with a column for each row value."""

    def __call__(self, inputs: Inputs, ask: Ask) -> Answers: ...


@dataclass(frozen=True)
class Routed:
    """The answers of a cascade to distinct inputs.

    asked: those that the exact model answered. values: the proxy's answers to the others. known: whether the proxy's
    numbers were known. certificates: (the question in words, its certificate), one for each question.
    """

    asked: Bools
    values: list[Any]
    known: Bools
    certificates: list[tuple[str, Certificate]]


AskInputs = Callable[[Ints], list[Any]]
"""The exact model's answers to the inputs at these positions, None where it has none."""


class Cascade(Protocol):
    """Answers distinct inputs within targets. proxy: the cheap model, which `ask` reaches. ids: a number that
    identifies each input. counts: how many rows have it."""

    @property
    def proxy(self) -> ModelRef: ...

    def __call__(self, inputs: Inputs, ask: Ask, exact: AskInputs, *, ids: Ids, counts: Ints, seed: int) -> Routed: ...


@dataclass(frozen=True)
class Closeness:
    """For a call whose answer is computed from the cosine of its two row values' vectors and rises with it, so that the
    pairs above a bound can be found without computing every pair.

    purposes: of each row value, as for Ask.vectors. score: from cosines to the numbers that the call compares or
    returns. cosine: from such a number back to its cosine. least: the lowest score that is TRUE; None where the score
    itself is the answer.
    """

    purposes: tuple[str, str] = ("document", "document")
    score: Callable[[Floats], Floats] = field(default=lambda cosines: cosines)
    cosine: Callable[[float], float] = field(default=lambda score: score)
    least: float | None = None


@dataclass(frozen=True)
class Bound:
    """A call that is ready to answer.

    answer: by the exact model, targets or not. cascade: how the call is answered within its targets where all inputs of
    a statement are available; None without targets. basis: everything but the model and the input that decides the
    exact answer, as JSON values; a version number represents the code. None where the answer is the model's own numbers
    (ai_embed); those are then stored, for texts with `prompt` before them. closeness: None where the answer is not
    computed from a cosine alone. adapted: of a call whose answers depend on all its inputs together, the call made
    ready for these inputs and no others; `answer` then refuses. is_silent: whether an answer may be None since it is
    not sure enough.
    """

    answer: Answer
    basis: Mapping[str, Any] | None
    prompt: str = ""
    cascade: Cascade | None = None
    closeness: Closeness | None = None
    adapted: Callable[[Inputs, Ask], Bound] | None = None
    is_silent: bool = False


Bind = Callable[[Call], Bound]


def by_left_row(errors_of_pairs: Mapping[int, str], known: Bools, k: int) -> tuple[dict[int, str], Bools]:
    """(the first error, whether all was known), for each left row of inputs that each_with_each() paired with k right
    rows."""
    errors: dict[int, str] = {}
    for position, reason in errors_of_pairs.items():
        errors.setdefault(position // k, reason)
    return errors, np.asarray(known.reshape(-1, k).all(axis=1), dtype=np.bool_)


def cosines(left: Floats, right: Floats) -> Floats:
    """Of each row with its own row. Another way to compute them would differ in the last bits, and so would answers."""
    return np.asarray(np.einsum("ij,ij->i", left, right).clip(-1, 1), dtype=np.float32)


def unit_rows(rows: Floats) -> Floats:
    """Each row at length 1; one without any length stays as it is."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, np.float32(1e-12)), dtype=np.float32)


def softmax(scores: Floats) -> Floats:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), dtype=np.float32)


def sigmoid(scores: Floats) -> Floats:
    # By tanh, which never overflows.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scores)), dtype=np.float32)


def numbers(scores: Floats, errors: Mapping[int, str]) -> list[float | None]:
    """Python floats, None where the row failed."""
    return [None if i in errors else float(score) for i, score in enumerate(scores)]
