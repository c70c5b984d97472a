"""Runs dbt the way a person does: a process of its own, in a copy of a project. Shared by the test_dbt_* files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.paths import REPOSITORY

# The console script's own words, without looking for where it was installed.
DBT = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "--no-use-colors", "--warn-error"]

MACROS = REPOSITORY / "macros"

_LEFTOVERS = shutil.ignore_patterns("target", "dbt_packages", "logs", "*.duckdb", "*.wal", ".user.yml", ".inlay")


@dataclass(frozen=True)
class Run:
    """What one dbt command printed, its exit code, and the status and message of each node by its name."""

    code: int
    output: str
    nodes: dict[str, dict[str, Any]]

    def statuses(self) -> dict[str, str]:
        return {name: node["status"] for name, node in self.nodes.items()}


class Project:
    """A copy of a dbt project beside a copy of the package, which its packages.yml names as ../macros."""

    def __init__(self, source: Path, folder: Path, *, deps: bool = False) -> None:
        """deps runs `dbt deps`; otherwise the package is laid where that would put it, which saves seconds."""
        self.folder = folder / source.name
        shutil.copytree(source, self.folder, ignore=_LEFTOVERS)
        shutil.copytree(MACROS, folder / "macros")
        if deps:
            installed = self.dbt("deps")
            assert installed.code == 0, installed.output
        else:
            shutil.copytree(MACROS, self.folder / "dbt_packages" / "inlay")

    def dbt(self, *arguments: str, **environment: str) -> Run:
        """Warnings are errors. No INLAY_ variable of the caller and no network reach the run."""
        results = self.folder / "target" / "run_results.json"
        if arguments[0] != "retry":  # which reads what the run before it left
            results.unlink(missing_ok=True)
        process = self.start(*arguments, **environment)
        output, _ = process.communicate(timeout=300)
        nodes = {}
        if results.exists():
            for node in json.loads(results.read_text("utf-8"))["results"]:
                # model.project.name, test.project.name.hash, unit_test.project.model.name
                kind, _, *names = node["unique_id"].split(".")
                nodes[names[-1] if kind == "unit_test" else names[0]] = node
        return Run(process.returncode, output, nodes)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """The command on its way; what it prints can be read line by line."""
        return subprocess.Popen(
            [*DBT, *arguments],
            cwd=self.folder,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith(("INLAY_", "DBT_"))},
                "HF_HUB_OFFLINE": "1",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def artifact(self, name: str) -> dict[str, Any]:
        return json.loads((self.folder / "target" / name).read_text("utf-8"))

    def compiled(self, model: str) -> str:
        (found,) = (self.folder / "target" / "compiled").rglob(f"{model}.sql")
        return found.read_text("utf-8")
