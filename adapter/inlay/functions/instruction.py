"""The options by which a call says how a language model is to reply, checked."""

from __future__ import annotations

from typing import Any

from inlay.backends.base import Instruction
from inlay.errors import ConfigError
from inlay.functions.contract import Call


def call_instruction(call: Call, system: str = "", schema: str | None = None, *, whole: bool = True) -> Instruction:
    """Raises ConfigError for an option that is no number or no text where it must be one."""
    temperature = call.number("temperature", lambda number: 0 <= number <= 10, "a number from 0 (the likeliest) to 10")
    return Instruction(
        system=system,
        max_tokens=whole_number(call, "max_tokens", call.model.max_output_tokens, least=1),
        temperature=temperature or 0.0,
        seed=whole_number(call, "seed", 0, least=0),
        stop=_stop(call.function, call.options.get("stop")),
        schema=schema,
        whole=whole,
    )


def language_model(call: Call) -> None:
    """Raises CannotServeError where the call's model is another kind."""
    if not call.model.can("replies"):
        raise call.cannot(
            "a language model",
            "Name one with model := '…', or for all such functions with language_model = '…' in inlay.toml. A small "
            "one to begin with: inlay models add smollm2.",
        )


def whole_number(call: Call, option: str, default: int, *, least: int) -> int:
    def is_allowed(number: float) -> bool:
        return number >= least and number.is_integer()

    given = call.number(option, is_allowed, f"a whole number of at least {least}")
    return default if given is None else int(call.options[option])


def option_text(call: Call, option: str) -> str | None:
    given = call.options.get(option)
    if given is not None and (not isinstance(given, str) or not given.strip()):
        raise ConfigError(f"{call.function}: {option} is {given!r}; it must be a text that is not empty.")
    return given


def _stop(function: str, given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) and text for text in texts):
        raise ConfigError(f"{function}: stop is {given!r}; it must be a text or a list of texts that end a reply.")
    return tuple(texts)
