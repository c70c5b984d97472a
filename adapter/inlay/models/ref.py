"""A model described: what is known about it without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from inlay.models.head_card import HeadCard
from inlay.types import Capability, Structured, Task, TooLong

Way = TypeVar("Way")


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks OpenAI's HTTP interface, and its limits.

    model: the server's name for the model. api_key_env: name of the environment variable with the key; None sends no
    key. concurrency: most requests at once. requests_per_minute, tokens_per_minute: rate limits that inlay keeps; None
    is no limit. timeout_s: time limit of one attempt. retry_s: time after its first attempt during which a request is
    repeated. structured: see Structured. batch: whether long jobs go through the provider's Batch API.
    extra_body: JSON of more fields of each request. headers: more headers. api_key_header: the header that holds the
    key; None is Authorization, with Bearer. link_local: whether the server's name may lead to a link-local address.
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
    extra_body: str = "{}"
    headers: tuple[tuple[str, str], ...] = ()
    api_key_header: str | None = None
    link_local: bool = False


@dataclass(frozen=True)
class Projection:
    """A Dense layer after pooling: its folder inside the model, its activation, whether it adds its input."""

    path: str
    activation: str
    bias: bool
    residual: bool


@dataclass(frozen=True)
class ModelRef:
    """A model described: cheap, picklable, enough to plan with. The backend loads it.

    task: the purpose of the model, as users and manifests read it. capabilities: what it can do, which is what callers
    check; see capabilities.py. width: length of the vector of an embedding model, or the number of labels of a
    classifier. head: what follows pooling, in order: "normalize", "layernorm:<folder>" or a Projection. max_tokens:
    length limit of an input, in tokens; for a language model, of prompt and reply together. max_output_tokens: default
    length limit of a reply, in tokens. tokenizer: folder of the tokenizer of a model behind an endpoint, if the
    settings name one. cost_per_million_tokens, cost_per_million_output_tokens: money for tokens read and written.
    labels: a classifier's labels, in the order of its logits. multi_label: whether labels are independent (sigmoid).
    base, card: of a trained head, the embedding model whose vectors it reads, and what it is. fingerprint: SHA-256 over
    weights, tokenizer, configuration and pooling; equal fingerprints mean equal answers.
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
    base: ModelRef | None = None
    card: HeadCard | None = None
    capabilities: frozenset[Capability] = field(kw_only=True)

    def can(self, capability: Capability) -> bool:
        return capability in self.capabilities

    def first(self, ways: Mapping[Capability, Way]) -> Way | None:
        """The value in `ways` of the first capability that the model has; None where it has none of them."""
        return next((way for capability, way in ways.items() if self.can(capability)), None)

    @property
    def normalized(self) -> bool:
        return bool(self.head) and self.head[-1] == "normalize"

    def cost(self, tokens: int, output_tokens: int = 0) -> float:
        """The money for tokens read and written."""
        return (tokens * self.cost_per_million_tokens + output_tokens * self.cost_per_million_output_tokens) / 1e6

    def prompt(self, purpose: str) -> str:
        return dict(self.prompts).get(purpose, "")
