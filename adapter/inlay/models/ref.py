"""A model described: what is known of it without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from inlay.types import Capability, Structured, Task, TooLong

Way = TypeVar("Way")


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

    task: what the model was made for, as users and manifests read it. capabilities: what can be asked of it, which is
    what decides; see capabilities.py.
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
    capabilities: frozenset[Capability] = field(kw_only=True)

    def can(self, capability: Capability) -> bool:
        return capability in self.capabilities

    def first(self, ways: Mapping[Capability, Way]) -> Way | None:
        """What stands in `ways` for the first capability that the model has; None where it has none of them."""
        return next((way for capability, way in ways.items() if self.can(capability)), None)

    @property
    def normalized(self) -> bool:
        return bool(self.head) and self.head[-1] == "normalize"

    def cost(self, tokens: int, output_tokens: int = 0) -> float:
        """Money for so many tokens read and written."""
        return (tokens * self.cost_per_million_tokens + output_tokens * self.cost_per_million_output_tokens) / 1e6

    def prompt(self, purpose: str) -> str:
        return dict(self.prompts).get(purpose, "")
