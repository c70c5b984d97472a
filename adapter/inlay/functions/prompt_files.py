"""What language models are asked: one file per function in functions/prompts/, TOML with a version for people.

`system` is plain text, `user` a format string. Between {names} of the call's own settings, which are filled in when it
is bound, stand {text}, {pair} and {tag}, which are a row's (backends/base.py: filled). A table such as [remote] or
[part] holds what is asked in another situation. The text itself is part of every answer's signature, so an edited
prompt never meets the answers to another.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
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

    def user_with(self, **values: str) -> str:
        """The user's part with the call's settings in their places, and the row's places left."""
        return _with_values(self.user, values)

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
