"""A model behind an endpoint, described from the settings alone: no request is sent before the first row."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from inlay.errors import ConfigError
from inlay.models.capabilities import capabilities_of
from inlay.models.declared import declared
from inlay.models.locate import find_folder
from inlay.models.ref import Endpoint, ModelRef
from inlay.settings.schema import ModelSettings
from inlay.types import Task

PREFIX = "openai:"

# Settings that are not sent to a server, and what to write instead.
NOT_SENT = {
    "device": "", "dtype": "", "pooling": "", "sha256": "",
    "chat_template_options": "Write extra_body = {chat_template_kwargs = {…}}, where the server takes that.",
}  # fmt: skip
_NOT_OF_REPLIES = {"width": "", "normalize": "", "prompts": ""}
_NOT_OF_VECTORS = dict.fromkeys(("structured", "batch", "max_output_tokens", "reasoning_effort", "logprobs"), "")

# Settings of endpoints that a model in this process does not read.
ONLY_SENT = dict.fromkeys(
    (
        "base_url",
        "api_key_env",
        "api_key_header",
        "headers",
        "extra_body",
        "reasoning_effort",
        "structured",
        "logprobs",
        "batch",
        "link_local",
    ),
    "",
)

OWN_FIELDS = {
    "model", "messages", "input", "stream", "n", "response_format", "max_tokens", "max_completion_tokens",
    "temperature", "seed", "stop", "encoding_format", "dimensions", "reasoning_effort",
    "logprobs", "top_logprobs",
}  # fmt: skip
OWN_HEADERS = {
    "authorization", "proxy-authorization", "cookie", "api-key", "x-api-key", "host", "content-length", "content-type",
    "transfer-encoding", "connection", "idempotency-key",
}  # fmt: skip

FORM = "endpoint/1"

# The window assumed where the settings do not set it: the server refuses a longer prompt.
_WINDOW_TOKENS = 128_000
_EMBEDDING_TOKENS = 8_192


def describe_endpoint(settings: ModelSettings) -> ModelRef:
    """The model that the settings describe, identified by its server's address, its name there and the revision that
    the user sets. Raises ConfigError where a setting is missing."""
    task = _checked_task(settings)
    extra = _extra_body(settings)
    endpoint = _endpoint(settings, extra)
    capabilities = capabilities_of(task, "openai", tokenizer=settings.tokenizer is not None)
    return ModelRef(
        folder=Path(),
        task=task,
        backend="openai",
        capabilities=capabilities | {"shares"} if settings.logprobs else capabilities,
        architecture="",
        model_type=urlsplit(endpoint.base_url).hostname or "",
        width=settings.width or 0,
        max_tokens=settings.max_tokens or (_EMBEDDING_TOKENS if task == "embed" else _WINDOW_TOKENS),
        too_long=settings.too_long or "error",
        fingerprint=_fingerprint(settings, task, endpoint, extra),
        head=("normalize",) if settings.normalize else (),
        endpoint=endpoint,
        tokenizer=None if settings.tokenizer is None else _tokenizer_folder(settings),
        **declared(settings),
    )


def _checked_task(settings: ModelSettings) -> Task:
    """Raises ConfigError where a setting is missing, or is none of an endpoint's."""
    task = settings.task or "generate"
    where = f"[models.{settings.name}]"
    if settings.source == PREFIX:
        raise ConfigError(
            f"{where}: source is {settings.source!r}; it names no model. Write it like 'openai:gpt-5-mini'."
        )
    if settings.base_url is None:
        raise ConfigError(f"{where}: base_url is missing. Set, for example, base_url = 'http://localhost:11434/v1'.")
    if not settings.link_local and is_link_local(settings.base_url):
        raise ConfigError(
            f"{where}: base_url is {settings.base_url!r}, a link-local address, where clouds keep the credentials of "
            "the machine. If a model is really there, set link_local = true."
        )
    if task not in ("generate", "embed"):
        raise ConfigError(f"{where}: task is {task!r}; behind an endpoint it is 'generate' or 'embed'.")
    if task == "embed" and settings.width is None:
        raise ConfigError(f"{where}: width is missing: the length of the vectors. Set, for example, width = 1536.")
    refuse_unused(settings, {**NOT_SENT, **(_NOT_OF_REPLIES if task == "generate" else _NOT_OF_VECTORS)}, "an endpoint")
    return task


def _endpoint(settings: ModelSettings, extra_body: Mapping[str, Any]) -> Endpoint:
    """Where the model is, and how it is asked."""
    assert settings.base_url is not None
    default = Endpoint("", "")
    return Endpoint(
        base_url=settings.base_url.rstrip("/"),
        model=settings.source.removeprefix(PREFIX),
        api_key_env=settings.api_key_env,
        concurrency=settings.concurrency or default.concurrency,
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        timeout_s=settings.timeout_s or default.timeout_s,
        retry_s=default.retry_s if settings.retry_s is None else settings.retry_s,
        structured=settings.structured or default.structured,
        batch=settings.batch,
        extra_body=json.dumps(extra_body, sort_keys=True),
        headers=_headers(settings),
        api_key_header=settings.api_key_header,
        link_local=settings.link_local,
    )


def _fingerprint(settings: ModelSettings, task: Task, endpoint: Endpoint, extra_body: Mapping[str, Any]) -> str:
    """Of what decides the model's answers, as far as the settings say."""
    identity = {
        "form": FORM, "server": endpoint.base_url, "model": endpoint.model, "revision": settings.revision,
        "task": task, "width": settings.width, **({"extra_body": extra_body} if extra_body else {}),
    }  # fmt: skip
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def refuse_unused(settings: ModelSettings, unused: Mapping[str, str], what: str) -> None:
    """Raises ConfigError for a setting that such a model does not read; it is never passed over in silence. unused:
    names, and what to do instead."""
    defaults = {field.name: field.default for field in fields(ModelSettings)}
    for name, instead in unused.items():
        if getattr(settings, name) not in (defaults[name], None):
            raise ConfigError(
                f"[models.{settings.name}]: {name} has no effect on {what}. {instead or f'Remove {name}.'}"
            )


def _extra_body(settings: ModelSettings) -> dict[str, Any]:
    extra = dict(settings.extra_body)
    own = sorted(OWN_FIELDS & {name.lower() for name in extra})
    if own:
        raise ConfigError(
            f"[models.{settings.name}]: extra_body holds {own[0]!r}, which inlay sets itself, from the call and the "
            "settings."
        )
    if settings.reasoning_effort is not None:
        extra["reasoning_effort"] = settings.reasoning_effort
    try:
        json.dumps(extra, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"[models.{settings.name}]: extra_body cannot be sent as JSON: {error}.") from None
    return extra


def _headers(settings: ModelSettings) -> tuple[tuple[str, str], ...]:
    """Raises ConfigError, which shows no value, since one may be a key."""
    own = OWN_HEADERS | {(settings.api_key_header or "").lower()}
    for name, value in settings.headers:
        if name.lower() in own:
            raise ConfigError(
                f"[models.{settings.name}]: headers holds {name!r}, which inlay sets itself. A key goes into an "
                "environment variable: api_key_env = 'MY_KEY', and where its header is another one api_key_header = "
                "'api-key'."
            )
        if not (re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) and value.isascii() and value.isprintable()):
            raise ConfigError(f"[models.{settings.name}]: headers holds {name!r}, which is no header of HTTP.")
    return settings.headers


def is_link_local(address: str) -> bool:
    """Of the addresses that name a host by its number; other names are known once they are looked up."""
    host = urlsplit(address).hostname or ""
    return is_link_local_number(host) or host.rstrip(".") == "metadata.google.internal"


def is_link_local_number(host: str) -> bool:
    """In any of the ways in which a number can be written."""
    host = host.partition("%")[0]
    try:
        number = ipaddress.ip_address(socket.inet_aton(host) if ":" not in host else host)
        return (getattr(number, "ipv4_mapped", None) or number).is_link_local
    except (OSError, ValueError):
        return False


def _tokenizer_folder(settings: ModelSettings) -> Path:
    return find_folder(ModelSettings(f"{settings.name}.tokenizer", str(settings.tokenizer)), needs="tokenizer.json")
