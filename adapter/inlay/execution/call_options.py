"""The named options of CALL inlay_train(…) and other statements about labelled rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from inlay.errors import ConfigError


def given_options(function: str, given: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """Those that are not NULL. Raises ConfigError for one that the function does not have."""
    said = {name: value for name, value in given.items() if value is not None}
    if unknown := next((name for name in said if name not in known), None):
        raise ConfigError.unknown_option(function, unknown, known)
    return said


def check_text(function: str, given: Mapping[str, Any]) -> None:
    """Raises ConfigError where `text` names no column."""
    if not isinstance(given.get("text"), str):
        raise ConfigError(f"{function}: text is {given.get('text')!r}; name the column of the texts: text := 'body'.")
