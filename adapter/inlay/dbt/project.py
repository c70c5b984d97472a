"""A dbt project as its own dbt reads it: nodes, the target's databases, and the plugin's config of the profile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inlay.dbt.built import Databases
from inlay.dbt.unchanged import keep_answer, kept_answer, state_of
from inlay.errors import ConfigError, closest
from inlay.settings.read import variable


@dataclass(frozen=True)
class Request:
    """A project's folder, and dbt's own flags."""

    folder: Path
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    selector: str = ""
    vars: str = ""
    target: str = ""
    profile: str = ""
    profiles_dir: str = ""

    @property
    def selects(self) -> bool:
        return bool(self.select or self.exclude or self.selector)

    def run(self, command: str, *arguments: str, settings: Mapping[str, Any]) -> int:
        """Runs a command of dbt in the project's folder, with these flags; what it prints is seen. settings: of inlay,
        over those of the profile. Returns its exit status."""
        several = {"select": self.select, "exclude": self.exclude}
        one = {"selector": self.selector, "vars": self.vars, "target": self.target, "profile": self.profile}
        one["profiles-dir"] = str(Path(self.profiles_dir).resolve()) if self.profiles_dir else ""
        flags = [word for name, words in several.items() if words for word in (f"--{name}", *words)]
        flags += [word for name, text in one.items() if text for word in (f"--{name}", text)]
        own = {variable(name): str(value) for name, value in settings.items()}
        dbt = [sys.executable, "-c", "from dbt.cli.main import cli; cli()"]
        return subprocess.run(
            [*dbt, command, *flags, *arguments], cwd=self.folder.resolve(), env={**os.environ, **own}
        ).returncode


@dataclass(frozen=True)
class Project:
    """manifest: nodes and sources, in the form of manifest.json. selected: ids; None where nothing was said. plugin:
    the config of inlay's plugin, its paths absolute; None where the profile does not name it. unmatched: criteria that
    select nothing."""

    manifest: Mapping[str, Any]
    selected: Collection[str] | None
    databases: Databases
    plugin: Mapping[str, Any] | None
    unmatched: tuple[str, ...] = ()


def read_project(request: Request, *, compiled: bool = True) -> Project:
    """Asks dbt, in a process of its own. compiled: what calls models, and what that is made from, is compiled.

    Raises ConfigError where there is no project, no dbt, where dbt refuses the project, and where nothing is selected.
    """
    folder = request.folder.resolve()
    if not (folder / "dbt_project.yml").is_file():
        raise ConfigError(
            f"{folder} has no dbt_project.yml. Name a project (--project-dir), a compiled manifest.json "
            "(--manifest) or a file of SQL (--file)."
        )
    answer = _asked(folder, request, compiled)
    if "error" in answer:
        raise ConfigError(f"{folder} cannot be compiled: {_sentence(answer['error'])}")
    profile = answer["profile"]
    if profile["type"] != "duckdb":
        raise ConfigError(
            f"the target of {folder} is {profile['type']}; only a duckdb target can be read. Name another: --target"
        )
    if "selected" in answer and not answer["selected"]:
        wrong = answer["unmatched"] or [*request.select, *request.exclude, request.selector]
        near = closest(wrong[0], answer["names"]) if wrong else ""
        raise ConfigError(f"nothing is selected: no node matches {', '.join(map(repr, wrong))}.{near}")
    return Project(
        {"nodes": answer.get("nodes", {}), "sources": answer.get("sources", {})},
        answer.get("selected"),
        _databases(folder, profile),
        profile["plugin"],
        tuple(answer.get("unmatched", ())),
    )


def _asked(folder: Path, request: Request, compiled: bool) -> dict[str, Any]:
    """What inlay.dbt.compile answers, or has answered while everything was as it is now."""
    # dbt's flags are names and paths of the caller's folder; dbt itself runs in the project's.
    asked = {
        **{name: getattr(request, name) for name in ("select", "exclude", "selector", "vars", "target", "profile")},
        "profiles_dir": str(Path(request.profiles_dir).resolve()) if request.profiles_dir else "", "compile": compiled,
    }  # fmt: skip
    kept = _target_path(folder)
    seen = state_of(folder, asked)
    answer = None if kept is None else kept_answer(kept, seen)
    if answer is None:
        with tempfile.TemporaryDirectory(prefix="inlay-") as own:
            answer = _ask(folder, {**asked, "target_path": str(kept or own), "answer": str(Path(own, "answer.json"))})
        if kept is not None and answer.get("is_fixed"):
            keep_answer(kept, seen, answer)
    return answer


def _ask(folder: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "inlay.dbt.compile"],
        cwd=folder,
        env={**os.environ, "INLAY_PROGRESS": "off"},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
    )
    answer = Path(asked["answer"])
    if answer.is_file():
        return dict(json.loads(answer.read_text("utf-8")))
    why = ran.stderr.strip().splitlines()[-1:] or [f"dbt ended with status {ran.returncode}"]
    if "No module named 'dbt" in why[0] or "No module named 'yaml" in why[0]:
        return {
            "error": "dbt is not installed. Type: pip install 'inlay[dbt]', or name a compiled manifest (--manifest)."
        }
    return {"error": why[0]}


def _target_path(folder: Path) -> Path | None:
    """Where dbt keeps what it knows of unchanged files between our commands, apart from what its own commands write.
    None where nothing can be written."""
    kept = folder / "target" / "inlay"
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return kept if os.access(kept, os.W_OK) else None


def _databases(folder: Path, profile: Mapping[str, Any]) -> Databases:
    def whole(path: str) -> str:
        return path if "://" in path or ":" in path.split("/")[0] else str((folder / Path(path).expanduser()).resolve())

    path = str(profile["path"])
    others = {
        alias or Path(attached).stem: (whole(attached), None if kind in (None, "duckdb") else kind)
        for alias, attached, kind in profile["attach"]
    }
    has_file = path != ":memory:" and "://" not in path and not path.startswith("md:")
    settings = {**profile["settings"], "file_search_path": str(folder)}
    return Databases(Path(whole(path)) if has_file else None, others, settings, tuple(profile["extensions"]))


def _sentence(text: str) -> str:
    """What dbt says over several lines, in one."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return " ".join(lines)
