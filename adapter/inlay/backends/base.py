"""The contract between the engine and whatever runs a model.

Each protocol says which of a model's capabilities (types.py) it serves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from string import Formatter
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from inlay.arrays import Floats, Ints
from inlay.backends.runs import Spans
from inlay.errors import InlayError
from inlay.models.ref import ModelRef


@dataclass
class Tokens:
    """Token ids of n texts, end to end, without padding.

    ids: all tokens, int32. offsets: int64 of length n + 1; text i is ids[offsets[i]:offsets[i + 1]].
    types: token type ids, one per token, or None when the model takes none or all are 0.
    lengths_before: number of tokens in each text before any cut, or a lower bound of it. prompt_tokens: leading tokens
    of each text that belong to the prompt and are left out of pooling (0 for most models). choices: the question to a
    language model about these texts. alike: one number per row; rows with equal numbers contain the same text and are
    best read together. None where all texts differ. texts: as they were read, where answers are made of their words.
    """

    ids: npt.NDArray[np.int32]
    offsets: Ints
    types: npt.NDArray[np.int32] | None
    lengths_before: Ints
    prompt_tokens: int = 0
    choices: Choices | Spans | None = None
    alike: Ints | None = None
    texts: tuple[str, ...] | None = None

    @property
    def lengths(self) -> Ints:
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1


def is_refusal(error: Exception) -> bool:
    """Whether a tokenizer says by it that it cannot read a text. The tokenizers library raises Exception itself, others
    what Python raises for a wrong value; anything else, as from the handler of a signal, is not about a text."""
    kinds = (ArithmeticError, LookupError, TypeError, ValueError)
    return type(error) in (Exception, RuntimeError) or (isinstance(error, kinds) and not isinstance(error, InlayError))


MOST_OPTIONS = 20
"""Servers list as many tokens with their log-probabilities."""


class OutOfMemory(Exception):
    """The device has too little memory for this batch; a smaller one may fit."""


class BatchFailed(Exception):
    """A batch of prompts raised `cause`; after OutOfMemory a smaller batch may succeed.

    rows: positions of the batch's rows without a reply, among the rows given to generate().
    """

    def __init__(self, rows: Sequence[int], cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.rows = list(rows)
        self.cause = cause


@dataclass(frozen=True)
class Choices:
    """A question about a text, or about two texts, that a language model answers with one of `options`.

    user: template of the user's message, with {text} and, for pairs, {pair}; see filled(). The texts put in their
    places are never read as the model's control tokens.
    """

    system: str
    user: str
    options: tuple[str, ...]

    @property
    def width(self) -> int:
        """Numbers for each text."""
        return len(self.options)

    def prompts(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, tags: Sequence[str] | None = None
    ) -> list[Prompt]:
        return filled_rows(self.user, texts, pairs, tags)


@dataclass(frozen=True)
class Instruction:
    """What all prompts of one call have in common.

    max_tokens: length limit of one reply, in tokens. temperature: 0 is greedy. seed: seed of sampling; a row's samples
    depend on the seed and its own prompt, not on other rows. stop: texts that end a reply and are not part of it.
    schema: JSON Schema as text; a reply that is not valid for it fails its row. whole: whether a reply that max_tokens
    has cut off fails its row. The engine checks each reply against the last two; a backend that enforces them wastes
    fewer replies. verbatim: how many runs of words of the row's own text a reply is, one a line; only a model with
    'likelihoods' is asked so. 0: a reply is anything. options: at most MOST_OPTIONS short texts; the reply is JSON of
    the share of each among them, by how likely the model is to begin its reply with it. Only a model with 'shares' is
    asked so.
    """

    system: str = ""
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    schema: str | None = None
    whole: bool = True
    verbatim: int = 0
    options: tuple[str, ...] = ()

    def basis(self) -> dict[str, Any]:
        """As JSON values, for signatures."""
        return {name: value for name, value in asdict(self).items() if value or name not in ("verbatim", "options")}


class Prompt(NamedTuple):
    """The user's message of one prompt: before + text + after. None of the three is read as control tokens.

    text: the row's own text, which may be cut where the model's settings allow it. before, after: never cut.
    """

    text: str
    before: str = ""
    after: str = ""

    @property
    def content(self) -> str:
        return f"{self.before}{self.text}{self.after}"


@dataclass(frozen=True)
class Reply:
    """tokens: tokens read, of the whole prompt. output_tokens: tokens written. truncated: whether the row's text was
    cut. ended: whether the model ended the reply, or a stop text did; otherwise max_tokens or the model's window
    did; None where the server does not say. repaired: whether the text is not quite what the model wrote, see
    json_schema/repairs.py. set_aside: the tokens read and written that spend() was called with for it."""

    text: str
    tokens: int = 0
    output_tokens: int = 0
    truncated: bool = False
    ended: bool | None = True
    repaired: bool = False
    set_aside: tuple[int, int] = field(default=(0, 0), compare=False)


@dataclass(frozen=True)
class Failed:
    """Why a prompt has no reply, and what the attempts took all the same: a cut, withheld or invalid reply is paid for.
    Fields as of Reply."""

    reason: str
    tokens: int = 0
    output_tokens: int = 0
    set_aside: tuple[int, int] = field(default=(0, 0), compare=False)


def before_stop(text: str, stop: Sequence[str]) -> str:
    """Up to the first of the stop texts, whether or not the server has cut there.

    >>> before_stop("a\\nb", ["\\n"])
    'a'
    """
    return text[: min((at for at in (text.find(each) for each in stop) if at >= 0), default=len(text))]


Done = Callable[[int, Reply | Failed | str], None]
"""done(position, reply), or done(position, why there is none; the reason alone where nothing was spent): once per
prompt, in any order, from any thread."""


@dataclass(frozen=True)
class Encoded:
    """A prompt as token ids, chat template included. truncated: whether the row's text was cut to fit. text: the row's
    text, where its own words are what the reply may hold."""

    ids: npt.NDArray[np.int32]
    truncated: bool = False
    text: str = ""


class LanguageModel(Protocol):
    """A language model loaded in this process: 'replies'. It is also a Backend, whose tokenize() takes Choices or
    Spans as the prompt and whose run() returns log-likelihoods of the options, or the numbers of Spans: 'likelihoods'.

    max_batch_tokens: token budget of a batch, prompts and replies together.
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
        """Calls done() for every row, in batches within max_batch_tokens unless a single row is larger. Called by one
        thread at a time. Returns early when stopped() returns True. Raises BatchFailed; finished rows stay finished."""
        ...


Spend = Callable[[int, int], None]
"""spend(tokens, output tokens): called before each request with the most that it may use. Where it raises, no further
request is sent; running ones are finished, then the error is raised."""


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
        """Sends many texts per request. done(position, vector or reason of the failure, tokens): called once per text.
        stopped, spend and errors: see RemoteModel.complete()."""
        ...


@lru_cache(maxsize=256)
def _sides(template: str) -> tuple[str, str]:
    """What stands before {text} and what comes after it, each a format string again."""
    sides, at = ["", ""], 0
    for literal, name, _, _ in Formatter().parse(template):
        sides[at] += literal.replace("{", "{{").replace("}", "}}")
        if name == "text":
            at = 1
        elif name is not None:
            sides[at] += f"{{{name}}}"
    return sides[0], sides[1]


def is_same_for_all(template: str) -> bool:
    """Whether prompts differ in their text alone."""
    return not any(name not in (None, "text") for _, name, _, _ in Formatter().parse(template))


def text_tag(text: str) -> str:
    """The first eight hex digits of the text's SHA-256, which the engine has already for every input."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def filled(template: str, text: str, pair: str | None = None, tag: str | None = None) -> Prompt:
    """The template with a row's values in place of {text}, {pair} and {tag}.

    {tag} is for marks around the text. It is a digest of the text, so no text can imitate its own closing mark. It
    depends on the text alone, so all prompts about one text begin with the same tokens. tag: text_tag(text), if known.

    >>> filled("Is {pair} in here? {text} Answer:", "a {pair} b", "c")
    Prompt(text='a {pair} b', before='Is c in here? ', after=' Answer:')
    """
    before, after = _sides(template)
    values = {"pair": pair or "", "tag": (tag or text_tag(text)) if "{tag}" in template else ""}
    return Prompt(text, before.format_map(values), after.format_map(values))


def filled_rows(
    template: str, texts: Sequence[str], pairs: Sequence[str | None] | None = None, tags: Sequence[str] | None = None
) -> list[Prompt]:
    """One prompt per text. pairs: the second text of each row. tags: the tag of each text, see filled()."""
    nothing = [None] * len(texts)
    return [filled(template, *row) for row in zip(texts, pairs or nothing, tags or nothing, strict=True)]


Asked = str | Choices | Spans
"""What numbers are asked for: with a text before each text, or by a question to a language model."""


class Backend(Protocol):
    """A loaded model. `run` is called from the lane's threads only, from `workers` of them at once.

    max_batch_tokens: token budget of a batch on this device. device: name of the device in the ledger, e.g.
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
        self, texts: list[str], pairs: list[str] | None, prompt: Asked, tags: Sequence[str] | None = None
    ) -> Tokens:
        """Tokens of each text, or of each (text, pair), cut at the model's limit. Called from any thread.

        prompt: the text put before each text, or, for a language model, the question about it. tags: the tag of each
        text, see filled(); computed here where none are given.
        """
        ...

    def run(self, tokens: Tokens) -> Floats:
        """One row of float32 per text: a vector ('vectors'), logits ('own_labels', 'entailment', 'relevance'), or the
        log-likelihood of each option of tokens.choices, or the numbers of its Spans ('likelihoods').

        Raises OutOfMemory when a smaller batch may fit; any other exception means that at least one row is at fault.
        """
        ...
