"""docs/reliability.md: every test that it names exists."""

from __future__ import annotations

import ast
import re

from support.paths import REPOSITORY

PAGE = (REPOSITORY / "docs" / "reliability.md").read_text("utf-8")
LINES = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| fault", "|---"))]


def test_every_promise_names_tests_that_exist() -> None:
    assert len(LINES) >= 31
    for line in LINES:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", line)
        assert named, line
        for file, test in named:
            tree = ast.parse((REPOSITORY / file).read_text("utf-8"))
            assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, (file, test)
