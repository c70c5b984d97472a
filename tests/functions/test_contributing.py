"""docs/contributing.md, done as it says in a copy of the repository: its files written, its commands run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.macros_alone import Macros
from support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "contributing.md").read_text("utf-8")
FILES = dict(re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
GENERATE, SQL = re.findall(r"^```sh\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)

TRY_IT = """
import duckdb, inlay
TEXTS = "(values (1, 'late'), (2, null), (3, 'late'), (4, '<<fail>> now')) t(id, body)"
SELECT = f"select ai_title(body, max_words := 3), try_ai_title(body, max_words := 3) from {TEXTS} order by id"
settings = {"model": "fake", "language_model": "fake-generate"}
with inlay.connect(**settings) as planned, duckdb.connect() as plain:
    inlay.attach(plain, **settings)
    answers, on_plain = planned.execute(SELECT).fetchall(), plain.execute(SELECT).fetchall()
    calls = planned.execute("select distinct_inputs, inferred from inlay_ledger() limit 1").fetchall()
assert [row[0] for row in answers] == [row[0] for row in on_plain]
assert answers[0][0] and answers[0][0] == answers[2][0] == answers[0][1]["value"]
assert answers[1] == (None, None)
assert answers[3][0] is None and "asked to fail" in answers[3][1]["error"]
assert calls == [(2, 1)], calls
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of what the page changes, with the worked example in it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("adapter", "udfs", "macros", "docs"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in FILES.items():
        assert not (folder / path).exists()
        (folder / path).write_text(text, "utf-8")
    yield folder


def python(checkout: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(checkout / "adapter"), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run([sys.executable, *arguments], cwd=checkout, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def recipe(target: str) -> list[str]:
    """Arguments that the Makefile's target gives to Python."""
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    command = re.search(rf"^{target}:.*\n\t\$\(BIN\)/python (.*)$", makefile, re.MULTILINE)
    assert command
    return command[1].split()


def test_the_worked_example_works_in_sql_planned_and_plain(checkout: Path) -> None:
    assert set(FILES) == {
        "udfs/ai_title.sql",
        "adapter/inlay/functions/title.py",
        "adapter/inlay/functions/prompts/ai_title.toml",
    }
    python(checkout, "-c", TRY_IT)


def test_its_command_line_works(checkout: Path) -> None:
    statement = re.fullmatch(r'inlay sql "(.*)"', SQL)
    assert statement
    assert "ai_title" in python(checkout, "-m", "inlay", "sql", statement[1])


def test_its_dbt_macros_and_docs_are_generated(checkout: Path) -> None:
    assert GENERATE == "make docs"
    before = {path: path.read_bytes() for path in (checkout / "macros").rglob("*") if path.is_file()}
    python(checkout, *recipe("docs"))
    after = {path: path.read_bytes() for path in (checkout / "macros").rglob("*") if path.is_file()}
    assert {path.name for path in after if before.get(path) != after[path]} == {
        "ai_title.sql", "try_ai_title.sql", "macros.yml",
    }  # fmt: skip
    macros = Macros(folder=checkout / "macros")
    assert macros.ai_title("body", max_words=3) == "ai_title(body, max_words := 3)"
    assert macros.try_ai_title("body", model="it's") == "try_ai_title(body, model := 'it''s')"
    assert "## ai_title\n" in (checkout / "docs" / "functions.md").read_text("utf-8")
