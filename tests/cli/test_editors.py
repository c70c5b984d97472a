"""What docs/editors.md prints is read by editors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from inlay.cli.main import main
from support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "editors.md").read_text("utf-8")


def test_the_problem_matcher_reads_what_check_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks, snippets = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b").mkdir()
    Path("a b/q.sql").write_text("select 1,\n  ai_clasify(x), ai_embed(x, model := 'nope') from t", "utf-8")
    (task,) = tasks["tasks"]
    assert main([*task["command"].split()[1:], "--model", "fake"]) == 1
    pattern = task["problemMatcher"]["pattern"]
    found = [re.match(pattern["regexp"], line) for line in capsys.readouterr().out.splitlines()]
    assert [(each[1], each[2], each[3], each[4]) for each in found if each] == [
        ("a b/q.sql", "2", "3", "error"), ("a b/q.sql", "2", "18", "error"),
    ]  # fmt: skip
    assert all(snippet["body"].startswith("{{ inlay.ai_") for snippet in snippets.values())
