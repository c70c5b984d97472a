"""Nothing leaves the machine: the example project is built with every connect() listed, and with no network where the
system can take it away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

pytest.importorskip("dbt.adapters.duckdb")

from support.dbt_runs import DBT, Project
from support.paths import REPOSITORY

NO_NETWORK = ["unshare", "--map-root-user", "--net"]
LISTED = ["strace", "--follow-forks", "--seccomp-bpf", "-qq", "--signal=none", "--trace=connect,sendto,sendmsg"]


def works(command: list[str]) -> bool:
    return bool(shutil.which(command[0])) and subprocess.run([*command, "true"], capture_output=True).returncode == 0


@pytest.fixture(autouse=True)
def listing() -> None:
    if not works(LISTED):
        pytest.skip("strace is not here, or may not trace")


def listed(command: list[str], folder: Path) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """How the command ended, and which calls it and its children made to reach anybody."""
    calls = folder / "calls"
    done = subprocess.run(
        [*(NO_NETWORK if works(NO_NETWORK) else []), *LISTED, f"--output={calls}", *command],
        cwd=folder,
        env={name: text for name, text in os.environ.items() if not name.startswith(("INLAY_", "DBT_", "HF_"))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done, calls.read_text().splitlines()


@pytest.mark.weights
def test_the_example_connects_to_nothing(tmp_path: Path) -> None:
    project = Project(REPOSITORY / "example_project", tmp_path)
    done, calls = listed([*DBT, "build", "--threads", "4"], project.folder)
    assert done.returncode == 0, done.stdout
    assert calls == []
    with duckdb.connect(str(project.folder / "larkmoor.duckdb"), read_only=True) as con:
        ((accuracy,),) = con.execute("select accuracy from quality where gold = 'all' and task = 'topic'").fetchall()
    assert accuracy >= 0.60


def test_a_connection_would_be_listed(tmp_path: Path) -> None:
    code = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
    assert len(listed([sys.executable, "-c", code], tmp_path)[1]) == 1
