"""The contract between the engine and whatever runs a model.

Each protocol says which of a model's capabilities (types.py) it serves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter
from typing import Protocol

import numpy as np
import numpy.typing as npt

from inlay.arrays import Floats, Ints
from inlay.models.ref import ModelRef


@dataclass
class Tokens:
    """Token ids of n texts, end to end, without padding.

    ids: int32, all tokens. offsets: int64 of length n + 1; text i is ids[offsets[i]:offsets[i + 1]].
    types: token type ids like ids, or None when the model takes none or all are 0.
    lengths_before: tokens of each text before any cut. prompt_tokens: how many of each text belong to the prompt
    and stay out of pooling (0 for most models). choices: what a language model is asked of these texts. alike: a number
    for each row; rows of the same one hold the same text, and are best read together. None where each has its own.
    """

    ids: npt.NDArray[np.int32]
    offsets: Ints
    types: npt.NDArray[np.int32] | None
    lengths_before: Ints
    prompt_tokens: int = 0
    choices: Choices | None = None
    alike: Ints | None = None

    @property
    def lengths(self) -> Ints:
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1


class OutOfMemory(Exception):
    """The device had no room for this batch; a smaller one may fit."""


class BatchFailed(Exception):
    """A batch of prompts raised `cause`. rows: positions, among the rows that generate() was given, of those that were
    in the batch and have no reply. An OutOfMemory says that fewer of them may do."""

    def __init__(self, rows: Sequence[int], cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.rows = list(rows)
        self.cause = cause


@dataclass(frozen=True)
class Choices:
    """A question about a text, or about a text and a second one, that a language model answers with one of `options`.

    user: the user's part of the prompt, with {text} and, for pairs, {pair} in it, see filled(). What stands for them is
    never read as one of the model's control tokens.
    """

    system: str
    user: str
    options: tuple[str, ...]

    def prompts(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, tags: Sequence[str] | None = None
    ) -> list[Prompt]:
        return filled_rows(self.user, texts, pairs, tags)


@dataclass(frozen=True)
class Instruction:
    """What all prompts of one call have in common.

    max_tokens: of each reply. temperature 0 is greedy. seed: of sampling; a row's draws depend on the seed and its own
    prompt, not on its neighbours. stop: texts that end a reply, which they are no part of. schema: JSON Schema as
    text; every reply is valid for it, or the row fails. whole: a reply that max_tokens has cut off is no answer, so its
    row fails. The engine holds each reply against both; a backend's own care spares replies that would fail.
    """

    system: str = ""
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    schema: str | None = None
    whole: bool = True


@dataclass(frozen=True)
class Prompt:
    """The user's part of one prompt: `text` is the row's own, which may be cut where the model's settings say so;
    `before` and `after` stand around it and are never cut. None of the three is read as control tokens."""

    text: str
    before: str = ""
    after: str = ""

    @property
    def content(self) -> str:
        return f"{self.before}{self.text}{self.after}"


@dataclass(frozen=True)
class Reply:
    """tokens: read for it, the whole prompt. output_tokens: written. truncated: the row's text was cut. ended: the
    model ended the reply by itself, or at a stop text; else max_tokens did, or the end of the model's window."""

    text: str
    tokens: int = 0
    output_tokens: int = 0
    truncated: bool = False
    ended: bool = True


Done = Callable[[int, Reply | str], None]
"""done(position, reply), or done(position, why the row failed): once for each prompt, in any order, from any thread."""


@dataclass(frozen=True)
class Encoded:
    """A prompt as token ids, chat template and all. truncated: the row's text was cut to fit."""

    ids: npt.NDArray[np.int32]
    truncated: bool = False


class LanguageModel(Protocol):
    """A language model that is loaded in this process: 'replies'. It is a Backend too, whose tokenize() takes Choices
    as the prompt and whose run() gives log-likelihoods of the options: 'likelihoods'.

    max_batch_tokens: of a batch, prompts and replies together.
    """

    ref: ModelRef
    device: str
    max_batch_tokens: int

    def encode(self, instruction: Instruction, prompts: Sequence[Prompt]) -> list[Encoded | str]:
        """Each prompt's tokens, or why it cannot be read. Called from any thread."""
        ...

    def generate(
        self,
        instruction: Instruction,
        rows: Sequence[Encoded],
        *,
        max_batch_tokens: int,
        stopped: Callable[[], bool],
        done: Done,
    ) -> None:
        """Replies to every row, in batches within max_batch_tokens unless a single row is larger. Called by one thread
        at a time. Returns early when stopped() says so. Raises BatchFailed; rows that were done stay done."""
        ...


Spend = Callable[[int, int], None]
"""spend(tokens, output tokens): called before each request with the most that it may cost. Where it raises, no further
request is sent, those under way are waited for, and then the error is raised."""


class RemoteModel(Protocol):
    """A language model behind an endpoint: 'replies'."""

    ref: ModelRef
    device: str

    def complete(
        self,
        instruction: Instruction,
        prompts: Sequence[Prompt],
        *,
        keys: Sequence[str],
        stopped: Callable[[], bool],
        spend: Spend,
        done: Done,
    ) -> None:
        """Sends one request per prompt; returns when all are done or stopped() returns True. Raises ModelError for what
        is no row's fault: a wrong key, an unknown model. Called from several threads at once, which share the
        endpoint's limits.

        keys: a name for each prompt, which no other prompt ever has; sent as idempotency key and custom id.
        """
        ...


class Embedder(Protocol):
    """An embedding model behind an endpoint: 'vectors'."""

    ref: ModelRef
    device: str

    def embed(
        self,
        texts: Sequence[str],
        *,
        stopped: Callable[[], bool],
        spend: Spend,
        done: Callable[[int, Floats | str, int], None],
    ) -> None:
        """Packs texts into requests; done(position, its vector or why it failed, tokens) once for each. stopped, spend
        and what is raised: as of RemoteModel.complete()."""
        ...


@lru_cache(maxsize=256)
def _pieces(template: str) -> tuple[tuple[str, str | None], ...]:
    """(literal text, name of what stands after it) in turn; as Python's format strings, so {{ is a brace."""
    return tuple((literal, name) for literal, name, _, _ in Formatter().parse(template))


def text_tag(text: str) -> str:
    """The first eight hex digits of the text's SHA-256, which the engine has already for every input."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def filled(template: str, text: str, pair: str | None = None, tag: str | None = None) -> Prompt:
    """The template with a row's values in the places of {text} and {pair}. In that of {tag} stands a digest of the
    text, for marks around it that no text can close by itself, since it would have to hold its own digest. Of the text
    alone: so all that is asked of one text begins alike up to the end of it. tag: that digest, where it is at hand.

    >>> filled("Is {pair} said here? {text} Answer:", "a {pair} b", "c")
    Prompt(text='a {pair} b', before='Is c said here? ', after=' Answer:')
    """
    values = {"pair": "" if pair is None else pair}
    if "{tag}" in template:
        values["tag"] = tag or text_tag(text)
    parts = ["", ""]
    side = 0
    for literal, name in _pieces(template):
        parts[side] += literal
        if name == "text":
            side = 1
        elif name is not None:
            parts[side] += values[name]
    return Prompt(text, parts[0], parts[1])


def filled_rows(
    template: str, texts: Sequence[str], pairs: Sequence[str | None] | None = None, tags: Sequence[str] | None = None
) -> list[Prompt]:
    """One prompt per text. pairs: the second text of each row. tags: the tag of each text, see filled()."""
    nothing = [None] * len(texts)
    return [filled(template, *row) for row in zip(texts, pairs or nothing, tags or nothing, strict=True)]


class Backend(Protocol):
    """A loaded model. `run` is called from the lane's threads only, from `workers` of them at once.

    max_batch_tokens: the token budget of a batch on this device. device: as it stands in the ledger, e.g.
    'cpu bfloat16'.
    """

    ref: ModelRef
    device: str
    max_batch_tokens: int
    workers: int

    def start_worker(self) -> None:
        """Called first in each of the lane's worker threads, where there are several."""
        ...

    def tokenize(
        self, texts: list[str], pairs: list[str] | None, prompt: str | Choices, tags: Sequence[str] | None = None
    ) -> Tokens:
        """Tokens of each text, or of each (text, pair), cut at the model's limit. Called from any thread.

        prompt: the text put before each text, or, for a language model, the question about it. tags: the tag of each
        text, see filled(); computed here where none are given.
        """
        ...

    def run(self, tokens: Tokens) -> Floats:
        """One row of float32 per text: a vector ('vectors'), logits ('own_labels', 'entailment', 'relevance'), or the
        log-likelihood of each of the options that tokens.choices gives ('likelihoods').

        Raises OutOfMemory when a smaller batch may do; any other exception blames at least one row.
        """
        ...
