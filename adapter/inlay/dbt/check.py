"""What would fail in a dbt project: its nodes as dbt compiles them, each fault at its place in the file that was
written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from inlay.dbt.project import Project
from inlay.execution.session import Session
from inlay.explanation.check import Finding, check_text

_LINE = re.compile(r"\bline (\d+)\b")


def check_project(session: Session, project: Project, folder: Path) -> Iterator[tuple[Path, str, Finding]]:
    """(file, its text, finding) of every node that may call a model."""
    nodes = project.manifest["nodes"]
    for key in sorted(nodes):
        entry = nodes[key]
        if not entry["calls"] or (project.selected is not None and key not in project.selected):
            continue
        if entry["language"] != "sql":
            continue
        file = folder / entry["original_file_path"]
        raw = entry["raw_code"] or ""
        if entry.get("problem"):
            yield file, raw, _not_compiled(raw, entry["problem"])
            continue
        sql = entry["compiled_code"] or ""
        for each in check_text(session, sql):
            yield file, raw, Finding(each.rule, each.message, _place(raw, sql, each), each.function)
        is_view = entry["resource_type"] == "model" and entry["config"]["materialized"] == "view"
        if is_view and session.mentions.calls(sql):
            yield file, raw, _in_a_view(raw, sql, str(entry["name"]))


def _not_compiled(raw: str, problem: str) -> Finding:
    message = " ".join(problem.split())
    line = _LINE.search(problem)
    start = len("".join(raw.splitlines(keepends=True)[: int(line[1]) - 1])) if line else 0
    return Finding("compile", message, min(start, len(raw)))


def _in_a_view(raw: str, sql: str, view: str) -> Finding:
    called = re.search(r"(try_)?ai_\w+(?=\s*\()", sql, re.IGNORECASE)
    finding = Finding(
        "view-in-dbt",
        f"{view} would be a view that calls a model, and such a view fails for every reader without inlay. Put "
        "{{ config(materialized='table') }}, or 'incremental', at the top of it.",
        called.start() if called else 0,
        called[0] if called else "",
    )
    return Finding(finding.rule, finding.message, _place(raw, sql, finding), finding.function)


def _place(raw: str, sql: str, finding: Finding) -> int:
    """Where in the file a fault of the compiled SQL is: at the same of all mentions of its function, if they are as
    many; else at the first, or the beginning."""
    if not finding.function:
        return 0
    named = re.compile(rf"(?<![a-z0-9])(try_)?{re.escape(finding.function)}(?=\W)", re.IGNORECASE)
    written = [match.start() for match in named.finditer(raw)]
    compiled = [match.start() for match in named.finditer(sql)]
    if not written:
        return 0
    number = sum(start <= finding.start for start in compiled) - 1
    return written[number] if len(written) == len(compiled) and number >= 0 else written[0]
