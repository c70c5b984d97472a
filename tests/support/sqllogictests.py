"""Reads the statements of a sqllogictest file as DuckDB writes them: what is run, without what is expected of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_CONTROLS = (
    "loop ",
    "foreach ",
    "concurrentloop ",
    "load ",
    "restart",
    "require-env ",
    "mode skip",
    "test-env ",
    "unzip ",
)
"""What changes which statements run, or on which database: files that hold one are left out."""


def statements(path: Path) -> Iterator[tuple[str, bool]]:
    """Each statement and whether it is a query; those that are expected to fail are left out."""
    blocks = path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n").split("\n\n")
    if any(line.startswith(_CONTROLS) for block in blocks for line in block.splitlines()):
        return
    for block in blocks:
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        while lines and not lines[0].startswith(("statement ok", "query ")):
            lines.pop(0)
        if not lines:
            continue
        sql = "\n".join(lines[1:]).split("\n----")[0].strip().removesuffix(";")
        if sql:
            yield sql, lines[0].startswith("query ")
