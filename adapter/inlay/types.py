"""Frozen descriptions that the rooms hand to one another. Nothing here loads, opens or computes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Task = Literal["embed", "classify", "nli", "rerank", "generate", "rules"]
"""What a model was made for: text → vector, text → its own labels, premise and hypothesis → entailment,
query and document → relevance, prompt → text (a language model). 'rules' is no model: patterns and checksums."""

SETTINGS = frozenset({"labels", "schema", "aspects"})
"""Names of positional arguments that say how every row is to be answered. All others are row values."""

TooLong = Literal["truncate", "error"]
"""What happens to a text of more tokens than the model takes: cut it (and count it in the ledger), or fail that row."""

OnError = Literal["null", "raise"]

Structured = Literal["json_schema", "json_object", "none"]
"""How a server is told that a reply must be JSON: by a schema, that it is JSON at all, or in the prompt alone."""


@dataclass(frozen=True)
class Argument:
    """One argument of a SQL function. `default` is SQL text, or None for a required argument."""

    name: str
    type: str
    note: str
    default: str | None = None

    @property
    def is_setting(self) -> bool:
        return self.name in SETTINGS


@dataclass(frozen=True)
class FunctionSpec:
    """One file of udfs/: what a SQL function takes, gives and costs, and the macro that defines it.

    typed: the answer is JSON, which the macro turns into a STRUCT of the schema's fields. default_model: the model
    where a call names none. language_model: only a language model answers, so that of the settings is meant.
    """

    name: str
    summary: str
    args: tuple[Argument, ...]
    options: tuple[Argument, ...]
    returns: str
    nulls: str
    pure: bool
    cost: str
    errors: tuple[str, ...]
    example: str
    kind: Literal["scalar", "aggregate", "table"]
    macro: str
    path: Path
    scores: bool = False
    typed: bool = False
    default_model: str | None = None
    language_model: bool = False

    @property
    def is_scalar(self) -> bool:
        return self.kind == "scalar"

    @property
    def is_table(self) -> bool:
        return self.kind == "table"

    @property
    def setting(self) -> str | None:
        """The name of the argument that says how every row is to be answered, where there is one."""
        return next((argument.name for argument in self.args if argument.is_setting), None)

    @property
    def gives(self) -> str:
        """What a person gets: `returns`, or for typed functions what their macro makes of it."""
        return "STRUCT" if self.typed else self.returns

    @property
    def try_name(self) -> str:
        return f"try_{self.name}"

    @property
    def try_returns(self) -> str:
        scores = ", scores MAP(VARCHAR, DOUBLE)" if self.scores else ""
        return f"STRUCT(value {self.returns}, error VARCHAR, confidence DOUBLE{scores}, model VARCHAR, cached BOOLEAN)"


@dataclass(frozen=True)
class ModelSettings:
    """What a user said about a model; anything left None is read from the model's own files."""

    name: str
    source: str
    task: Task | None = None
    backend: str | None = None
    device: str | None = None
    dtype: str | None = None
    max_tokens: int | None = None
    too_long: TooLong | None = None
    pooling: tuple[str, ...] | None = None
    normalize: bool | None = None
    prompts: tuple[tuple[str, str], ...] | None = None
    template: str | None = None
    sha256: str | None = None
    cost_per_million_tokens: float = 0.0
    cost_per_million_output_tokens: float | None = None
    max_output_tokens: int | None = None
    chat_template_options: tuple[tuple[str, Any], ...] = ()
    width: int | None = None
    revision: str | None = None
    tokenizer: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout_s: float | None = None
    retry_s: float | None = None
    structured: Structured | None = None
    batch: bool = False


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks OpenAI's HTTP interface, and how it is to be treated.

    model: its own name for the model. api_key_env: the environment variable that holds the key; None sends none.
    concurrency: requests under way at once. requests_per_minute, tokens_per_minute: kept to on this side; None is no
    limit. timeout_s: for one attempt at one request. retry_s: after this long since its first attempt a request is
    not tried again. structured: see Structured. batch: long jobs go through the provider's Batch API.
    """

    base_url: str
    model: str
    api_key_env: str | None = None
    concurrency: int = 32
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout_s: float = 60.0
    retry_s: float = 300.0
    structured: Structured = "json_schema"
    batch: bool = False


@dataclass(frozen=True)
class Projection:
    """A Dense layer after pooling: its folder inside the model, its activation, whether it adds its input."""

    path: str
    activation: str
    bias: bool
    residual: bool


@dataclass(frozen=True)
class ModelRef:
    """A model described: cheap, picklable, enough to plan with. Loading it is the backend's work.

    width: length of the vector of an embedding model, or the number of labels of a classifier.
    head: what follows pooling, in order: "normalize", "layernorm:<folder>" or a Projection.
    max_tokens: what the model reads at once; of a language model prompt and reply together. max_output_tokens: of a
    reply, where the call says nothing else. tokenizer: folder of the tokenizer of a model behind an endpoint, where one
    was named. cost_per_million_tokens: of what is read; cost_per_million_output_tokens: of what is written.
    labels: a classifier's own, in the order of its logits; multi_label: each label stands for itself (sigmoid).
    fingerprint: SHA-256 over weights, tokenizer, configuration and pooling; equal fingerprints give equal answers.
    """

    name: str
    source: str
    folder: Path
    task: Task
    backend: str
    architecture: str
    model_type: str
    width: int
    max_tokens: int
    too_long: TooLong
    fingerprint: str
    device: str = "auto"
    dtype: str = "auto"
    lowercase: bool = False
    pooling: tuple[str, ...] = ()
    include_prompt: bool = True
    head: tuple[str | Projection, ...] = ()
    prompts: tuple[tuple[str, str], ...] = ()
    labels: tuple[str, ...] = ()
    multi_label: bool = False
    template: str | None = None
    cost_per_million_tokens: float = 0.0
    cost_per_million_output_tokens: float = 0.0
    max_output_tokens: int = 512
    chat_template_options: tuple[tuple[str, Any], ...] = ()
    endpoint: Endpoint | None = None
    tokenizer: Path | None = None
    weights: tuple[tuple[str, str], ...] = field(default=())
    """(file, SHA-256) of every weight file, checked again when the weights are read."""

    @property
    def normalized(self) -> bool:
        return bool(self.head) and self.head[-1] == "normalize"

    def cost(self, tokens: int, output_tokens: int = 0) -> float:
        """Money for so many tokens read and written."""
        return (tokens * self.cost_per_million_tokens + output_tokens * self.cost_per_million_output_tokens) / 1e6

    def prompt(self, purpose: str) -> str:
        return dict(self.prompts).get(purpose, "")


@dataclass(frozen=True)
class RowError:
    """One input that got no answer. `input` is an excerpt of at most 200 characters."""

    function: str
    model: str
    input: str
    error: str


@dataclass(frozen=True)
class LedgerRow:
    """What one call of one statement did. rows counts every row that reached the function, NULL inputs too.
    tokens: read by the model. output_tokens: written by it."""

    statement: int
    function: str
    model: str
    rows: int
    distinct_inputs: int
    known: int
    inferred: int
    failed: int
    truncated: int
    tokens: int
    output_tokens: int
    seconds: float
    device: str
    node: str
    cost: float
