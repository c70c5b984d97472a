"""Checks the labels of a call and turns them into sentences for zero-shot models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from inlay.errors import ConfigError
from inlay.functions.examples import NO_EXAMPLES, Examples


@dataclass(frozen=True)
class Labels:
    """names: what an answer may be. descriptions: what each means, or None. examples: texts with their labels."""

    names: tuple[str, ...]
    descriptions: tuple[str | None, ...]
    examples: Examples = NO_EXAMPLES

    def sentences(self, template: str) -> list[str]:
        """One sentence a label: its description if it has one, else the template around its name."""
        return [
            description or template.replace("{label}", spelled_out(name))
            for name, description in zip(self.names, self.descriptions, strict=True)
        ]

    def listed(self, letters: str = "") -> str:
        """One line a label, for a prompt. letters: what the lines begin with."""
        return "\n".join(
            f"{letters[i] + '.' if i < len(letters) else '-'} {one_line(name)}"
            + (f": {one_line(description)}" if description else "")
            for i, (name, description) in enumerate(zip(self.names, self.descriptions, strict=True))
        )

    def sorted(self) -> Labels:
        """In an order that does not depend on the call's, so that no label gains by its place."""
        pairs = sorted(zip(self.names, self.descriptions, strict=True), key=lambda pair: pair[0])
        return Labels(tuple(name for name, _ in pairs), tuple(description for _, description in pairs))


def one_line(text: str) -> str:
    """A line break inside a list of labels would look like another label."""
    return " ".join(text.split())


def read_labels(function: str, given: Any) -> Labels:
    """Raises ConfigError for anything but a list of at least one distinct, non-empty label."""
    if given is None:
        raise ConfigError(f"{function}: labels is NULL. Give the choices: {function}(body, ['bug', 'praise']).")
    if not isinstance(given, (list, tuple)):
        raise ConfigError(f"{function}: labels is {given!r}; it must be a list: {function}(body, ['bug', 'praise']).")
    if not given:
        raise ConfigError(f"{function}: labels is empty. Give the choices: {function}(body, ['bug', 'praise']).")
    names: list[str] = []
    descriptions: list[str | None] = []
    for entry in given:
        if isinstance(entry, dict):
            if "label" not in entry or not set(entry) <= {"label", "description"}:
                raise ConfigError(
                    f"{function}: a label has the fields {', '.join(entry)}; it must be "
                    "{'label': 'bug', 'description': 'something does not work'}."
                )
            name, description = entry["label"], entry.get("description")
        else:
            name, description = entry, None
        if name is None or not isinstance(name, str) or not name.strip():
            raise ConfigError(f"{function}: labels holds {name!r}; each label must be a non-empty text.")
        if description is not None and not isinstance(description, str):
            raise ConfigError(f"{function}: the description of label {name!r} is {description!r}; it must be text.")
        names.append(name)
        descriptions.append(description)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"{function}: labels holds {twice[0]!r} twice. Name each label once.")
    return Labels(tuple(names), tuple(descriptions))


def check_template(function: str, template: str | None) -> str | None:
    if template is not None and (not isinstance(template, str) or "{label}" not in template):
        raise ConfigError(
            f"{function}: template is {template!r}; it must contain {{label}}, e.g. 'This is about {{label}}.'"
        )
    return template


# Between words, not between digits (24/7, 3.5) or letters alone (U.S.), nor where a space follows (shoes, bags).
_BETWEEN_WORDS = re.compile(r"(?<=[^\W\d]{2})[/.:,](?=\w)|(?<=\w)[/.:,](?=[^\W\d]{2})")


def spelled_out(name: str) -> str:
    """'card_arrival', 'CardArrival' and 'card/arrival' read as 'card arrival': models know words, not identifiers. The
    answer is always the name as it was given."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|[_\-]+", " ", _BETWEEN_WORDS.sub(" ", name))
    return " ".join(words.split())


def are_read_anew(names: Iterable[str]) -> bool:
    """Whether spelled_out() once read any of the names with a separator that it now replaces: for the signature."""
    return any(_BETWEEN_WORDS.search(name) for name in names)
