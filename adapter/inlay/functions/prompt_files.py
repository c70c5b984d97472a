"""The prompts of language models: one file per function in functions/prompts/, TOML with a version for people.

`system` is plain text, `user` a format string. Its {names} are settings of the call, which are filled in when the call
is bound, but for {text}, {pair} and {tag}, which differ by row (backends/base.py: filled). A table such as [remote] or
[part] holds the prompt of another situation. The prompt's text is part of every answer's signature, so answers to an
earlier version of a prompt are never used for a later one.

A folder of the user's (prompts_folder) may have files of the same names, and folders by a model's name with more of
them, for that model alone. A file may hold some situations; the others are as they come with inlay.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

from inlay.backends.base import text_tag
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

    def about(self, text: str) -> str:
        """What it asks about a text that stands in the template itself: from the text's own paragraph on. The place of
        a pair is left."""
        before, _, after = self.user.partition("{text}")
        around = before.rpartition("\n\n")[2], after
        parts = [_with_values(part, {"tag": text_tag(text)}, kept=("pair",)) for part in around]
        return parts[0] + escaped(text) + parts[1]

    def basis(self) -> dict[str, Any]:
        """For the signature."""
        return {"system": self.system, "user": self.user}


def prompt_files(function: str, folder: Path | None = None, model: str = "") -> Mapping[str, PromptFile]:
    """By situation; '' is the ordinary one. folder: the user's. Raises ConfigError for a file that cannot be used."""
    files = _shipped(function)
    for path in () if folder is None else (folder / f"{function}.toml", folder / model / f"{function}.toml"):
        if path.is_file():
            files = {**files, **_own(path, function, files)}
    return files


@cache
def _shipped(function: str) -> Mapping[str, PromptFile]:
    document = tomllib.loads((FOLDER / f"{function}.toml").read_text(encoding="utf-8"))
    files = {"": PromptFile(function, document["version"], document["system"].strip(), document["user"].strip())}
    for situation, other in document.items():
        if isinstance(other, dict):
            system = other.get("system", document["system"]).strip()
            files[situation] = PromptFile(f"{function}.{situation}", document["version"], system, other["user"].strip())
    return files


def _own(path: Path, function: str, shipped: Mapping[str, PromptFile]) -> dict[str, PromptFile]:
    """The situations in a user's file. What it does not say of one is as it comes with inlay."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}.") from error
    tables = {"": {key: value for key, value in document.items() if not isinstance(value, dict)}}
    tables |= {key: value for key, value in document.items() if isinstance(value, dict)}
    files = {}
    for situation, given in tables.items():
        where = f"{path}, [{situation}]" if situation else str(path)
        if situation not in shipped:
            raise ConfigError.unknown_option(str(path), situation, [each for each in shipped if each], "situation")
        for key, value in given.items():
            if key not in ("version", "system", "user"):
                raise ConfigError.unknown_option(where, key, ("version", "system", "user"), "key")
            if key != "version" and not isinstance(value, str):
                raise ConfigError(f"{where}: {key} is {value!r}; it must be text.")
        before = shipped[situation]
        system = given.get("system", document.get("system", before.system)).strip()
        user = given.get("user", before.user).strip()
        _check_places(where, user, before.user)
        files[situation] = PromptFile(before.name, int(given.get("version", before.version)), system, user)
    return files


def _check_places(where: str, user: str, shipped: str) -> None:
    try:
        own = _places(user)
    except ValueError as error:
        raise ConfigError(f"{where}: user is no template: {error}. Write {{{{ for a brace.") from None
    known = _places(shipped) | {"tag"}
    if unknown := sorted(own - known):
        raise ConfigError.unknown_option(where, f"{{{unknown[0]}}}", [f"{{{each}}}" for each in known], "place")
    if missing := sorted((_places(shipped) & {"text", "pair"}) - own):
        raise ConfigError(f"{where}: user has no {{{missing[0]}}}, so the model would not see it.")


def _places(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def prompt_file(function: str, situation: str = "", folder: Path | None = None, model: str = "") -> PromptFile:
    return prompt_files(function, folder, model)[situation]


def prompt_text(function: str) -> str:
    """Every situation of a function as `inlay show-prompt` prints it. Raises ConfigError for a name without a file."""
    names = sorted(path.stem for path in FOLDER.glob("*.toml"))
    if function not in names:
        raise ConfigError(f"{function} asks a language model nothing of its own. Those that do: {', '.join(names)}.")
    return "\n\n".join(
        f"# {file.name}, version {file.version}\n\n[system]\n{file.system}\n\n[user]\n{file.user}"
        for file in prompt_files(function).values()
    )


def _with_values(template: str, values: Mapping[str, str], kept: Collection[str] = _OF_A_ROW) -> str:
    """kept: places that are left."""
    pieces = []
    for literal, name, _, _ in Formatter().parse(template):
        pieces.append(escaped(literal))
        if name is not None:
            pieces.append(f"{{{name}}}" if name in kept else escaped(values[name]))
    return "".join(pieces)


def escaped(text: str) -> str:
    """As a template has it."""
    return text.replace("{", "{{").replace("}", "}}")
