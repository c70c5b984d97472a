"""The prompts of language models: one file per function in functions/prompts/, TOML with a version for people.

`system` is plain text, `user` a format string. Its {names} are settings of the call, which are filled in when the call
is bound, but for {text}, {pair} and {tag}, which differ by row (backends/base.py: filled). A table such as [remote] or
[part] holds the prompt of another situation. The prompt's text is part of every answer's signature, so answers to an
earlier version of a prompt are never used for a later one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

from inlay.errors import ConfigError

FOLDER = Path(__file__).parent / "prompts"

_OF_A_ROW = ("text", "pair", "tag")


@dataclass(frozen=True)
class PromptFile:
    """One situation of one function. name: as people ask for it, e.g. 'ai_summarize' or 'ai_summarize.part'."""

    name: str
    version: int
    system: str
    user: str

    def with_values(self, **values: str) -> PromptFile:
        """The same with the call's settings filled into the user's part; the places of the row are left."""
        return replace(self, user=_with_values(self.user, values))

    def basis(self) -> dict[str, Any]:
        """For the signature."""
        return {"system": self.system, "user": self.user}


@cache
def prompt_files(function: str) -> Mapping[str, PromptFile]:
    """By situation; '' is the ordinary one."""
    document = tomllib.loads((FOLDER / f"{function}.toml").read_text(encoding="utf-8"))
    files = {"": PromptFile(function, document["version"], document["system"].strip(), document["user"].strip())}
    for situation, other in document.items():
        if isinstance(other, dict):
            system = other.get("system", document["system"]).strip()
            files[situation] = PromptFile(f"{function}.{situation}", document["version"], system, other["user"].strip())
    return files


def prompt_file(function: str, situation: str = "") -> PromptFile:
    return prompt_files(function)[situation]


def prompt_text(function: str) -> str:
    """Every situation of a function as `inlay show-prompt` prints it. Raises ConfigError for a name without a file."""
    names = sorted(path.stem for path in FOLDER.glob("*.toml"))
    if function not in names:
        raise ConfigError(f"{function} asks a language model nothing of its own. Those that do: {', '.join(names)}.")
    return "\n\n".join(
        f"# {file.name}, version {file.version}\n\n[system]\n{file.system}\n\n[user]\n{file.user}"
        for file in prompt_files(function).values()
    )


def _with_values(template: str, values: Mapping[str, str]) -> str:
    pieces = []
    for literal, name, _, _ in Formatter().parse(template):
        pieces.append(_escaped(literal))
        if name is not None:
            pieces.append(f"{{{name}}}" if name in _OF_A_ROW else _escaped(values[name]))
    return "".join(pieces)


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
