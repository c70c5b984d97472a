"""What a user may set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inlay.types import Structured, Task, TooLong


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
