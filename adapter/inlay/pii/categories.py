"""The categories of personal data, and the check of a call's option `categories`."""

from __future__ import annotations

from typing import Any

from inlay.errors import ConfigError, closest

CATEGORIES: tuple[str, ...] = ("email", "card", "iban", "ip", "phone", "ssn", "url")


def read_categories(function: str, given: Any) -> tuple[str, ...]:
    """The categories of a call, each once and in the order of CATEGORIES, so that equal calls have equal options; None
    means all. Raises ConfigError for anything but a list of at least one known name, in any case."""
    if given is None:
        return CATEGORIES
    known = ", ".join(CATEGORIES)
    if not isinstance(given, (list, tuple)):
        raise ConfigError(
            f"{function}: categories is {given!r}; it must be a list, e.g. ['email', 'phone']. Known: {known}."
        )
    if not given:
        raise ConfigError(f"{function}: categories is empty. Leave it out for all categories, or choose from: {known}.")
    chosen: set[str] = set()
    for name in given:
        if not isinstance(name, str):
            raise ConfigError(
                f"{function}: categories contains {name!r}; each category must be a text. Known: {known}."
            )
        if name.lower() not in CATEGORIES:
            raise ConfigError(
                f"{function}: unknown category {name!r}.{closest(name.lower(), CATEGORIES)} Known: {known}."
            )
        chosen.add(name.lower())
    return tuple(name for name in CATEGORIES if name in chosen)
