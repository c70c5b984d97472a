"""The options by which a call says how a language model is to reply, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inlay.backends.base import Instruction
from inlay.errors import ConfigError
from inlay.functions.contract import Call


def call_instruction(call: Call, system: str = "", schema: str | None = None, *, whole: bool = True) -> Instruction:
    """Raises ConfigError for an option that is no number or no text where it must be one."""
    options = call.options
    return Instruction(
        system=system,
        max_tokens=whole_number(call.function, options, "max_tokens", call.model.max_output_tokens, least=1),
        temperature=_temperature(call.function, options),
        seed=whole_number(call.function, options, "seed", 0, least=0),
        stop=_stop(call.function, options.get("stop")),
        schema=schema,
        whole=whole,
    )


def language_model(call: Call) -> None:
    """Raises CannotServeError where the call's model is another kind."""
    if not call.model.can("replies"):
        raise call.cannot(
            "a language model",
            "Name one with model := '…', or for all such functions with language_model = '…' in inlay.toml.",
        )


def whole_number(function: str, options: Mapping[str, Any], name: str, default: int, *, least: int) -> int:
    given = options.get(name)
    if given is None:
        return default
    try:
        number = int(given)
    except (TypeError, ValueError):
        number = least - 1
    if isinstance(given, bool) or number < least or number != float(given):
        raise ConfigError(f"{function}: {name} is {given!r}; it must be a whole number of at least {least}.")
    return number


def option_text(function: str, options: Mapping[str, Any], name: str) -> str | None:
    given = options.get(name)
    if given is not None and (not isinstance(given, str) or not given.strip()):
        raise ConfigError(f"{function}: {name} is {given!r}; it must be a text that is not empty.")
    return given


def _temperature(function: str, options: Mapping[str, Any]) -> float:
    given = options.get("temperature")
    if given is None:
        return 0.0
    try:
        number = float(given)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(given, bool) or not 0 <= number <= 10:
        raise ConfigError(
            f"{function}: temperature is {given!r}; it must be a number from 0 (always the likeliest) on."
        )
    return number


def _stop(function: str, given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) and text for text in texts):
        raise ConfigError(f"{function}: stop is {given!r}; it must be a text or a list of texts that end a reply.")
    return tuple(texts)
