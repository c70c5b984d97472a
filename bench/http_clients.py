"""The ways to ask an endpoint that http.py compares. Each takes a base URL, texts and settings of inlay's endpoint, and
gives how many texts got an answer."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.http_server import WIDTH

CONCURRENCY = 32
EMBEDDING_CONCURRENCY = 8

_SYSTEM = "Say of what kind the review is, in one word of those that are given: bug, praise, question, other."
_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {"kind": {"enum": ["bug", "praise", "question", "other"]}},
        "required": ["kind"],
        "additionalProperties": False,
    }
)

Client = Callable[[str, Sequence[str], dict[str, Any]], int]


class _Made(Sequence[Any]):
    """Items made when they are asked for, so that what is measured is the client's memory."""

    def __init__(self, n: int, make: Callable[[int], Any]) -> None:
        self._n, self._make = n, make

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, at: Any) -> Any:
        return self._make(at)


def inlay_replies(base_url: str, texts: Sequence[str], settings: dict[str, Any], schema: str | None = None) -> int:
    from inlay.backends.base import Instruction, Prompt, Reply
    from inlay.backends.openai.model import OpenAIModel

    answered = 0

    def done(_position: int, reply: Reply | str) -> None:
        nonlocal answered
        answered += isinstance(reply, Reply)

    OpenAIModel(_described(base_url, "generate", settings)).complete(
        Instruction(_SYSTEM, max_tokens=16, schema=schema),
        _Made(len(texts), lambda i: Prompt(texts[i])),
        keys=_Made(len(texts), lambda i: f"{i:0128x}"),
        stopped=lambda: False,
        spend=lambda _tokens, _output_tokens: None,
        done=done,
    )
    return answered


def inlay_with_schema(base_url: str, texts: Sequence[str], settings: dict[str, Any]) -> int:
    return inlay_replies(base_url, texts, settings, _SCHEMA)


def inlay_vectors(base_url: str, texts: Sequence[str], settings: dict[str, Any]) -> int:
    from inlay.backends.openai.embeddings import OpenAIEmbedder

    answered = 0

    def done(_position: int, row: Any, _tokens: int) -> None:
        nonlocal answered
        answered += not isinstance(row, str)

    model = OpenAIEmbedder(_described(base_url, "embed", {"concurrency": EMBEDDING_CONCURRENCY} | settings))
    model.embed(texts, stopped=lambda: False, spend=lambda _tokens, _output_tokens: None, done=done)
    return answered


def plain_loop(base_url: str, texts: Sequence[str], _settings: dict[str, Any]) -> int:
    """aiohttp as one writes it at first: a semaphore, and no second attempt."""
    import aiohttp

    async def all_of_them() -> int:
        slots = asyncio.Semaphore(CONCURRENCY)
        async with aiohttp.ClientSession() as session:

            async def ask(text: str) -> str | None:
                body = {"model": "m", "messages": _messages(text), "max_tokens": 16}
                try:
                    async with slots, session.post(f"{base_url}/chat/completions", json=body) as response:
                        found = await response.json()
                    return str(found["choices"][0]["message"]["content"])
                except (aiohttp.ClientError, KeyError):
                    return None

            replies = await asyncio.gather(*(ask(text) for text in texts))
        return sum(reply is not None for reply in replies)

    return asyncio.run(all_of_them())


def openai_client(base_url: str, texts: Sequence[str], _settings: dict[str, Any]) -> int:
    """The provider's own client with its own retries, as it comes."""
    import openai

    async def all_of_them() -> int:
        slots = asyncio.Semaphore(CONCURRENCY)
        async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:

            async def ask(text: str) -> str | None:
                try:
                    async with slots:
                        found = await client.chat.completions.create(
                            model="m", messages=_messages(text), max_tokens=16
                        )  # fmt: skip
                    return found.choices[0].message.content
                except openai.OpenAIError:
                    return None

            replies = await asyncio.gather(*(ask(text) for text in texts))
        return sum(reply is not None for reply in replies)

    return asyncio.run(all_of_them())


CLIENTS: dict[str, Client] = {
    "inlay": inlay_replies,
    "inlay, schema": inlay_with_schema,
    "inlay, vectors": inlay_vectors,
    "plain loop": plain_loop,
    "openai": openai_client,
}


def _messages(text: str) -> Any:
    return [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": text}]


def _described(base_url: str, task: Any, settings: dict[str, Any]) -> Any:
    from inlay.models.capabilities import capabilities_of
    from inlay.models.ref import Endpoint, ModelRef

    endpoint = Endpoint(base_url, "m", **{"concurrency": CONCURRENCY} | settings)
    return ModelRef(
        "m", "openai:m", Path(os.devnull), task, "openai", "", "", WIDTH if task == "embed" else 0, 128_000, "error",
        "f" * 64, endpoint=endpoint, capabilities=capabilities_of(task, "openai", tokenizer=False),
    )  # fmt: skip
