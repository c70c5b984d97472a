"""A model behind an endpoint, described from the settings alone: no request is sent before the first row."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from urllib.parse import urlsplit

from inlay.errors import ConfigError
from inlay.models.capabilities import capabilities_of
from inlay.models.declared import declared
from inlay.models.locate import find_folder
from inlay.models.ref import Endpoint, ModelRef
from inlay.settings.schema import ModelSettings

PREFIX = "openai:"
FORM = "endpoint/1"

# The window assumed where the settings do not set it: the server refuses a longer prompt.
_WINDOW_TOKENS = 128_000
_EMBEDDING_TOKENS = 8_192


def describe_endpoint(settings: ModelSettings) -> ModelRef:
    """The model that the settings describe, identified by its server's address, its name there and the revision that
    the user sets. Raises ConfigError where a setting is missing."""
    name = settings.source.removeprefix(PREFIX)
    task = settings.task or "generate"
    where = f"[models.{settings.name}]"
    if not name:
        raise ConfigError(
            f"{where}: source is {settings.source!r}; it names no model. Write it like 'openai:gpt-5-mini'."
        )
    if settings.base_url is None:
        raise ConfigError(f"{where}: base_url is missing. Set, for example, base_url = 'http://localhost:11434/v1'.")
    if task not in ("generate", "embed"):
        raise ConfigError(f"{where}: task is {task!r}; behind an endpoint it is 'generate' or 'embed'.")
    if task == "embed" and settings.width is None:
        raise ConfigError(f"{where}: width is missing: the length of the vectors. Set, for example, width = 1536.")
    default = Endpoint("", "")
    endpoint = Endpoint(
        base_url=settings.base_url.rstrip("/"),
        model=name,
        api_key_env=settings.api_key_env,
        concurrency=settings.concurrency or default.concurrency,
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        timeout_s=settings.timeout_s or default.timeout_s,
        retry_s=default.retry_s if settings.retry_s is None else settings.retry_s,
        structured=settings.structured or default.structured,
        batch=settings.batch,
    )
    identity = {
        "form": FORM, "server": endpoint.base_url, "model": name, "revision": settings.revision, "task": task,
        "width": settings.width,
    }  # fmt: skip
    return ModelRef(
        folder=Path(),
        task=task,
        backend="openai",
        capabilities=capabilities_of(task, "openai", tokenizer=settings.tokenizer is not None),
        architecture="",
        model_type=urlsplit(endpoint.base_url).hostname or "",
        width=settings.width or 0,
        max_tokens=settings.max_tokens or (_EMBEDDING_TOKENS if task == "embed" else _WINDOW_TOKENS),
        too_long=settings.too_long or "error",
        fingerprint=hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest(),
        head=("normalize",) if settings.normalize else (),
        endpoint=endpoint,
        tokenizer=None if settings.tokenizer is None else _tokenizer_folder(settings),
        **declared(settings),
    )


def _tokenizer_folder(settings: ModelSettings) -> Path:
    return find_folder(ModelSettings(f"{settings.name}.tokenizer", str(settings.tokenizer)), needs="tokenizer.json")
