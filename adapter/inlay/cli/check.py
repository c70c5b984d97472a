"""`inlay check`: what would fail in SQL files and a dbt project, before anything runs; for CI and editors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from inlay import __version__
from inlay.cli import options, output
from inlay.cli.dbt_options import DbtCommand, dbt_options
from inlay.errors import ConfigError, InlayError

if TYPE_CHECKING:
    from inlay.dbt.project import Request
    from inlay.explanation.check import Finding

Form = Literal["text", "json", "sarif"]

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
_SARIF_LEVELS = {"error": "error", "warning": "warning", "note": "note"}
_NOT_READ = {"target", "dbt_packages", "node_modules"}


@dataclass(frozen=True)
class _Placed:
    """line and column count from 1."""

    file: Path
    line: int
    column: int
    finding: Finding


@click.command("check", cls=DbtCommand)
@click.argument("paths", nargs=-1, type=options.FILE)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    help="Lines for people and editors (the default), JSON, or SARIF 2.1.0 for code scanning.",
)
@click.option("--strict", is_flag=True, help="Exit status 1 for warnings too.")
@dbt_options
@options.config
@options.model
def check(
    paths: tuple[Path, ...], form: Form, strict: bool, request: Request, project_named: bool, config: Path | None,
    model: str | None,
) -> int:  # fmt: skip
    """What would fail in SQL files and dbt projects: no statement and no model runs.

    PATHS are files of SQL, folders of them, and dbt projects (default: this folder).
    """
    found: list[_Placed] = []
    n_files = 0
    given = options.given(model=model)
    for path in paths or (request.folder,):
        if not path.exists():
            raise ConfigError(f"there is no file or folder {path}.")
        for placed in _checked(path, request, config, given):
            if isinstance(placed, _Placed):
                found.append(placed)
            else:
                n_files += placed
    errors = sum(each.finding.level == "error" for each in found)
    warnings = sum(each.finding.level == "warning" for each in found)
    if form == "json":
        output.json_document([_as_json(each) for each in found])
    elif form == "sarif":
        output.json_document(_sarif(found))
    else:
        for each in found:
            where = f"{each.file}:{each.line}:{each.column}"
            output.line(f"{where}: {each.finding.level}: {each.finding.message} [{each.finding.rule}]")
        output.note(f"{n_files:,} {'file' if n_files == 1 else 'files'} read: {errors} errors, {warnings} warnings.")
    return 1 if errors or (strict and warnings) else 0


def _checked(path: Path, request: Request, config: Path | None, given: dict[str, Any]) -> Iterator[_Placed | int]:
    """Findings, and numbers of files read."""
    from inlay.execution.session import Session
    from inlay.explanation.check import check_text
    from inlay.settings.read import read_settings

    if path.is_dir() and (path / "dbt_project.yml").is_file():
        yield from _checked_project(path, request, config, given)
        return
    session = Session(read_settings({**given, "store_mode": "off"}, config=config))
    files = [path] if path.is_file() else sorted(_sql_files(path))
    if not files:
        raise ConfigError(f"{path} has no .sql file, and no dbt_project.yml.")
    for file in files:
        try:
            text = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InlayError(f"{file} cannot be read as text: {getattr(error, 'strerror', None) or error}.") from error
        if "{{" in text or "{%" in text:
            output.note(f"{file} is a template and not read: its dbt project is checked by its folder.")
            continue
        yield 1
        yield from (_placed(file, text, each) for each in check_text(session, text))


def _checked_project(
    path: Path, request: Request, config: Path | None, given: dict[str, Any]
) -> Iterator[_Placed | int]:
    from dataclasses import replace

    from inlay.cli.tasks import profile_settings
    from inlay.dbt.check import check_project
    from inlay.dbt.project import read_project
    from inlay.execution.session import Session
    from inlay.settings.read import read_settings

    request = replace(request, folder=path)
    project = read_project(request)
    config, settings = profile_settings(project, request, config, given)
    session = Session(read_settings({**settings, "store_mode": "off"}, config=config))
    yield sum(bool(node["calls"]) for node in project.manifest["nodes"].values())
    for file, text, finding in check_project(session, project, path):
        yield _placed(file, text, finding)


def _sql_files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*.sql"):
        if not any(part in _NOT_READ or part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _placed(file: Path, text: str, finding: Finding) -> _Placed:
    before = text[: finding.start]
    return _Placed(file, before.count("\n") + 1, finding.start - (before.rfind("\n") + 1) + 1, finding)


def _as_json(each: _Placed) -> dict[str, Any]:
    return {
        "file": str(each.file), "line": each.line, "column": each.column, "level": each.finding.level,
        "rule": each.finding.rule, "message": each.finding.message,
    }  # fmt: skip


def _sarif(found: list[_Placed]) -> dict[str, Any]:
    """A log in the Static Analysis Results Interchange Format 2.1.0 (OASIS)."""
    from inlay.explanation.check import RULES

    rules = [
        {"id": rule, "shortDescription": {"text": text}, "defaultConfiguration": {"level": _SARIF_LEVELS[level]}}
        for rule, (level, text) in RULES.items()
    ]
    results = [
        {
            "ruleId": each.finding.rule,
            "ruleIndex": list(RULES).index(each.finding.rule),
            "level": _SARIF_LEVELS[each.finding.level],
            "message": {"text": each.finding.message},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": each.file.as_posix()},
                        "region": {"startLine": each.line, "startColumn": each.column},
                    }
                }
            ],
        }
        for each in found
    ]
    driver = {"name": "inlay", "version": __version__, "rules": rules}
    return {"$schema": _SARIF, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}
