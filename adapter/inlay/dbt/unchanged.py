"""What dbt said of a project the last time, for as long as nothing has changed that it depends on.

Beside dbt's own memory of files: starting dbt alone takes longer than a plan. The state is what a file system and a
shell know at once, sizes and times of files, so it may differ where nothing has changed, and dbt is asked again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

_ANSWER = "inlay_answer.json"
_NOT_READ = {"target", "logs", "__pycache__"}
_OF_THE_SHELL = {"_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL"}
_PACKAGES = ("inlay", "dbt-core", "dbt-adapters", "dbt-common", "dbt-duckdb")


def state_of(folder: Path, asked: Mapping[str, Any]) -> str:
    """Differs whenever a file of the project or a profile, a variable of the environment, a package or what is asked
    does."""
    profiles = Path(asked["profiles_dir"] or os.environ.get("DBT_PROFILES_DIR") or Path.home() / ".dbt")
    files = [*_files(folder), *_stat(profiles / "profiles.yml")]
    variables = sorted((name, value) for name, value in os.environ.items() if name not in _OF_THE_SHELL)
    versions = []
    for package in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions.append((package, metadata.version(package)))
    state = [dict(asked), str(folder), sorted(files), variables, versions]
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def kept_answer(kept: Path, state: str) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, ValueError, KeyError):
        found = json.loads((kept / _ANSWER).read_text("utf-8"))
        return dict(found["answer"]) if found["state"] == state else None
    return None


def keep_answer(kept: Path, state: str, answer: Mapping[str, Any]) -> None:
    draft = kept / f"{_ANSWER}.{os.getpid()}"
    with contextlib.suppress(OSError):  # the next time dbt is asked again
        draft.write_text(json.dumps({"state": state, "answer": answer}), "utf-8")
        draft.replace(kept / _ANSWER)


def _files(folder: Path) -> Iterator[tuple[str, int, int]]:
    for path, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [each for each in folders if each not in _NOT_READ and not each.startswith(".")]
        for name in names:
            if not name.endswith((".duckdb", ".wal")):
                yield from _stat(Path(path, name))


def _stat(path: Path) -> Iterator[tuple[str, int, int]]:
    with contextlib.suppress(OSError):
        found = path.stat()
        yield str(path), found.st_size, found.st_mtime_ns
