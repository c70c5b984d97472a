"""`inlay infer`, `inlay plan` and `inlay retry`: models run ahead of the SQL that reads their answers."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inlay.cli import options, output
from inlay.cli.sql import account, opened
from inlay.errors import ConfigError, InlayError

if TYPE_CHECKING:
    from inlay.engine.limits import Limits
    from inlay.explanation.plan import Plan, Planning
    from inlay.store.account import Failure
    from inlay.store.folder import Folder

# dbt's own words, in a process of its own: a DuckDB file is not opened twice by one process with two configurations.
_COMPILE = """
import sys
from dbt.cli.main import dbtRunner
result = dbtRunner().invoke(sys.argv[1:])
if not result.success:
    sys.exit(1)
from dbt.adapters.factory import FACTORY
for adapter in FACTORY.adapters.values():
    print("inlay-database " + str(getattr(adapter.config.credentials, "path", "")))
"""


@dataclass(frozen=True)
class _Task:
    """What is to be run, a file of statements or a dbt project, and with which settings. database: what it reads."""

    file: Path | None
    manifest: Path | None
    project_dir: Path | None
    database: str | None
    config: Path | None
    settings: dict[str, Any]


def _task_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options that a _Task is made of, and calls it with that."""

    @click.option("-f", "--file", type=options.FILE, help="A file of SQL statements.")
    @click.option("--manifest", type=options.FILE, help="A compiled manifest.json of dbt.")
    @click.option("--project-dir", type=options.FILE, help="A dbt project, to be compiled (default: this folder).")
    @click.option("-d", "--database", help="The DuckDB file that holds what the SQL reads.")
    @options.store
    @options.config
    @options.model
    @functools.wraps(command)
    def with_task(
        *, store: str | None, model: str | None, file: Path | None, manifest: Path | None, project_dir: Path | None,
        database: str | None, config: Path | None, **others: Any,
    ) -> Any:  # fmt: skip
        sources = {"--file": file, "--manifest": manifest, "--project-dir": project_dir}
        if len(given := [name for name, value in sources.items() if value]) > 1:
            raise click.UsageError(f"{' and '.join(given)} each name what to run. Give one of them.")
        task = _Task(file, manifest, project_dir, database, config, options.given(model=model, store=store))
        return command(task, **others)

    return with_task


@click.command("infer")
@_task_options
def infer(task: _Task) -> None:
    """Answer every call of a dbt project or .sql file, and keep the answers in the result store."""
    with _Work(task) as work:
        session = work.session
        if session.store is None or not session.store.writable:
            raise ConfigError(
                "infer keeps answers in a result store, and none is configured for writing. Name a folder: "
                "inlay infer --store .inlay, or store = '.inlay' in inlay.toml."
            )
        if session.limits:
            # Only a limit of time needs to know how fast a model is.
            work.compile()
            plan, limits = _planned(work.task, may_measure=session.settings.max_seconds is not None)
            plan.costs.hold_against(limits)
        for note in work.infer():
            output.note(note)
        session.context.progress.finish()
        output.line(account(work.con))
        session.close_account()
        if session.store.unwritten:
            raise InlayError(
                f"{session.store.unwritten:,} answers could not be stored in {session.store.folder.address}. "
                "Make room or make it writable, and run the same again: what was stored is known."
            )


@click.command("plan")
@click.option("--no-measure", is_flag=True, help="Do not run a sample where a model's speed is unknown.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@_task_options
def plan(task: _Task, no_measure: bool, as_json: bool) -> None:
    """What `infer` or a build would ask of models: rows, known, to infer, tokens, seconds, cost."""
    from inlay.explanation.plan import plan_notes, plan_table

    plan, limits = _planned(task, may_measure=not no_measure)
    if as_json:
        output.json_document(
            {
                "calls": [vars(line) for line in plan.lines],
                "to_infer": plan.to_infer,
                "inputs": plan.costs.inputs,
                "tokens": plan.costs.tokens,
                "seconds": plan.costs.seconds,
                "cost": plan.costs.cost,
                "notes": plan.notes,
            }
        )
    else:
        output.table(plan_table(plan))
        for note in plan_notes(plan):
            output.sentence(note)
    plan.costs.hold_against(limits)


def _planned(task: _Task, *, may_measure: bool) -> tuple[Plan, Limits]:
    """The plan, and what it is held against."""
    from inlay.explanation.plan import Planning

    with _Work(task) as work:
        planning = Planning(work.session)
        notes = work.count(planning)
        return planning.plan(measure=may_measure, notes=notes), work.session.limits


class _Work:
    """A connection, and what is run on it."""

    def __init__(self, task: _Task) -> None:
        self.task = task
        database = task.database if task.file and task.database else ":memory:"
        self.con = opened(database, read_only=database != ":memory:", config=task.config, **task.settings)
        self.session = self.con._session
        self._folder = tempfile.TemporaryDirectory(prefix="inlay-")

    def compile(self) -> None:
        """A project becomes its manifest, once: dbt takes seconds to start."""
        task = self.task
        if task.file is None and task.manifest is None:
            manifest, target = _compile(task.project_dir or Path.cwd(), Path(self._folder.name))
            self.task = replace(task, manifest=manifest, database=task.database or target)

    def infer(self) -> list[str]:
        """Returns what is not inferred, and why."""
        return self._run(lambda name: output.note(f"inferring {name}"), "inferred")

    def count(self, planning: Planning) -> list[str]:
        """Returns what is not counted, and why."""
        with self.session.within(self.con._number, planning.context):
            return self._run(lambda name: None, "counted")

    def _run(self, on_node: Callable[[str], None], done: str) -> list[str]:
        from inlay.client.sessions import set_node
        from inlay.dbt.ahead import run_query

        def run(number: int, query: str) -> None:
            set_node(self.con.duckdb, f"statement {number}")
            run_query(self.con, query)

        if self.task.file:
            from inlay.cli.statements import run_queries

            return run_queries(self.task.file, self.session.called, run, done)
        self._run_project(on_node)
        return []

    def _run_project(self, on_node: Callable[[str], None]) -> None:
        from inlay.dbt.ahead import Project, run_project
        from inlay.explanation.call_digests import called_specs

        self.compile()
        task = self.task
        assert task.manifest is not None
        project = Project(task.manifest, Path(task.database) if task.database else None)
        run_project(self.con, project, list(called_specs(self.session)), Path(self._folder.name), on_node)

    def __enter__(self) -> _Work:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.context.progress.finish()
        self.con.close()
        self._folder.cleanup()


def _compile(project: Path, folder: Path) -> tuple[Path, str | None]:
    """(manifest.json, the DuckDB file of the target) of a dbt project, compiled into `folder`."""
    if not (project / "dbt_project.yml").is_file():
        raise ConfigError(
            f"{project.resolve()} has no dbt_project.yml. Name a project (--project-dir), a compiled manifest.json "
            "(--manifest) or a file of SQL (--file)."
        )
    # --full-refresh, so that incremental models are compiled for all of their rows: what is known costs nothing.
    command = [
        "compile", "--quiet", "--no-use-colors", "--full-refresh", "--target-path", str(folder / "target"),
        "--vars", json.dumps({"inlay_form": "infer"}),
    ]  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", _COMPILE, *command],
        cwd=project,
        env={**os.environ, "INLAY_PROGRESS": "off"},
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        why = (ran.stdout + ran.stderr).strip()
        if "No module named 'dbt" in why:
            why = "dbt is not installed. Type: pip install 'inlay[dbt]', or name a compiled manifest (--manifest)."
        raise ConfigError(f"{project.resolve()} cannot be compiled: {why}")
    paths = [line.partition(" ")[2] for line in ran.stdout.splitlines() if line.startswith("inlay-database ")]
    database = paths[0] if paths else ""
    if database and database != ":memory:" and "://" not in database:
        return folder / "target" / "manifest.json", str((project / database).resolve())
    return folder / "target" / "manifest.json", None


@click.command("retry")
@options.store
@options.config
@options.model
def retry(store: str | None, config: Path | None, model: str | None) -> None:
    """Ask again for every input that got no answer."""
    from inlay.client import inspection
    from inlay.execution.session import Session
    from inlay.settings.read import read_settings
    from inlay.store.account import error_files, forget_errors
    from inlay.store.calls import read_call

    session = Session(read_settings({**options.given(model=model, store=store), "on_error": "null"}, config=config))
    if session.store is None or session.account is None or not session.store.writable:
        raise ConfigError("retry reads failures from a result store, and none is configured for writing: --store …")
    files = error_files(session.store.folder)
    asked, answered = 0, 0
    for (function, call_text, node), inputs in _failures(session.store.folder).items():
        labels, written_options = read_call(call_text)
        call_options = {name: value for name, value in written_options.items() if name != "on_error"}
        try:
            answers = session.answer(function, _columns(inputs), labels, {**call_options, "node": node})
        except ConfigError as error:  # the model is not registered any more, or the call is not served: kept as it is
            session.account.failed(list(inputs.values()))
            output.note(f"  {function} ({call_options.get('model')}), {len(inputs):,} inputs not asked: {error}")
            continue
        asked += len(answers)
        answered += len(answers) - answers.null_count
    forget_errors(session.store.folder, files)
    session.close_account()
    session.context.progress.finish()
    failures = inspection.failures(session)[:5]
    output.tree(
        f"{asked:,} failed inputs asked again: {answered:,} answered, {asked - answered:,} still without an answer.",
        [f"{row['function']} ({row['model']}): {row['input'][:60]!r}: {row['error']}" for row in failures],
    )


def _failures(folder: Folder) -> dict[tuple[str, str, str], dict[tuple[str, ...], Failure]]:
    """(function, call, node) → inputs without an answer, each with why."""
    from inlay.store.account import Failure, read_errors

    groups: dict[tuple[str, str, str], dict[tuple[str, ...], Failure]] = defaultdict(dict)
    for row in read_errors(folder).to_pylist():
        failure = Failure(**{name: row[name] for name in ("node", "function", "model", "call", "inputs", "error")})
        groups[row["function"], row["call"], row["node"]].setdefault(tuple(row["inputs"]), failure)
    return groups


def _columns(inputs: Iterable[tuple[str, ...]]) -> list[Any]:
    import pyarrow as pa

    return [pa.array(column, type=pa.string()) for column in zip(*inputs, strict=True)]
