"""The key of an endpoint: named by an environment variable, read when a request is sent, never shown."""

from __future__ import annotations

import os

from inlay.errors import EndpointError
from inlay.models.ref import Endpoint

MASK = "***"

# A shorter key is a placeholder for servers that need none ('EMPTY', 'ollama'); in a reply it may be an ordinary word.
_LEAST_KEY_IN_REPLY = 12
_LEAST_KEY_IN_ERROR = 4


def read_key(endpoint: Endpoint, where: str) -> str | None:
    """None where the endpoint needs none. Raises EndpointError, without the value, where it is missing or no header
    could hold it. where: how an error names the model."""
    name = endpoint.api_key_env
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise EndpointError(
            f"{where}: the environment variable {name} is not set; it must hold the server's key. Type: "
            f"export {name}='…'. If the server needs no key, remove api_key_env from inlay.toml."
        )
    if not (key.isascii() and key.isprintable()):
        raise EndpointError(
            f"{where}: the environment variable {name} contains a line break or a character that no key has. "
            "Copy the key again."
        )
    return key


def masked(text: str, key: str | None) -> str:
    """A server's error without the key, which some servers repeat."""
    return text.replace(key, MASK) if key is not None and len(key) >= _LEAST_KEY_IN_ERROR else text


def masked_reply(text: str, key: str | None) -> str:
    return text.replace(key, MASK) if key is not None and len(key) >= _LEAST_KEY_IN_REPLY else text
