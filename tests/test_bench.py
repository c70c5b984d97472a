"""The benchmarks ask inlay as its users do, and run."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import REPOSITORY

BENCH = sorted((REPOSITORY / "bench").glob("*.py"))


def private_names(code: str) -> list[str]:
    """Attributes of others that begin with an underscore, and such names imported from inlay."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.endswith("__"):
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
                found.append(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "inlay":
            found += [alias.name for alias in node.names if alias.name.startswith("_")]
    return found


@pytest.mark.parametrize("path", BENCH, ids=lambda path: path.stem)
def test_a_program_knows_nothing_private(path: Path) -> None:
    assert not private_names(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "code",
    [
        "con._session.cache.clear()",
        "getattr(x, 'y')._z",
        "from inlay.engine.pool import _lanes",
        "from inlay import _x",
    ],
)
def test_each_private_name_is_seen(code: str) -> None:
    assert len(private_names(code)) == 1
    assert not private_names("self._x\ncls._y\nmodule.__doc__\nfrom bench.report import _own")


def run_program(*arguments: str) -> subprocess.CompletedProcess[str]:
    paths = [str(REPOSITORY / "adapter"), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
    )


def test_programs_on_models_that_cost_nothing_run_in_short_form() -> None:
    ran = run_program("bench", "--short", "planner.planning", "semantic_join.many")
    assert ran.returncode == 0, ran.stderr
    for part in ("planner.planning", "semantic_join.many"):
        assert f"-- {part}\n" in ran.stdout
        saved = json.loads((REPOSITORY / "bench" / "results" / f"{part}.json").read_text(encoding="utf-8"))
        assert saved["machine"]["versions"]["inlay"]


def test_a_program_that_fails_is_named_and_the_others_run() -> None:
    code = (
        "import sys, bench.constrained as a, bench.cascade as b, bench.__main__ as main\n"
        "a.PARTS = {'replies': lambda short: 1 / 0}\n"
        "b.PARTS = {'size': lambda short: print('it ran')}\n"
        "sys.argv = ['bench', 'constrained', 'cascade']\n"
        "sys.exit(main.main())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "adapter")},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert "failed: constrained.replies" in ran.stderr
    assert "it ran" in ran.stdout


def test_a_checkout_is_compared_with_itself() -> None:
    ran = run_program(
        "bench.two_checkouts", str(REPOSITORY), "--short", "--pairs", "1", "--only", "import inlay", "known"
    )
    assert ran.returncode == 0, ran.stderr
    for line in ("import inlay", "all known, planned", "all known, plain", "plain join, without inlay (control)"):
        assert f"| {line} " in ran.stdout


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    ran = run_program("bench.two_checkouts", str(tmp_path))
    assert ran.returncode == 2
    assert f"{tmp_path} is no checkout of inlay: it has no adapter/inlay" in ran.stderr
