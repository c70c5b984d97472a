"""What `inlay plan`, `inlay infer` and `inlay build` run: a file of statements or a dbt project, on a connection."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inlay.cli import options
from inlay.cli.dbt_options import dbt_options
from inlay.cli.sql import opened

if TYPE_CHECKING:
    from inlay.dbt.ahead import Left
    from inlay.dbt.project import Project, Request
    from inlay.engine.limits import Limits
    from inlay.explanation.plan import Plan, Planning
    from inlay.settings.schema import Settings


@dataclass(frozen=True)
class Task:
    """What is to be run, and with which settings. database: what a file or a manifest reads. project: of a request, as
    dbt reads it."""

    file: Path | None
    manifest: Path | None
    request: Request
    database: str | None
    config: Path | None
    settings: Mapping[str, Any]
    project: Project | None = None

    def read(self) -> Task:
        """The same with its project, which dbt takes seconds to read, and with the settings of its profile."""
        if self.file or self.manifest or self.project:
            return self
        from inlay.dbt.project import read_project

        project = read_project(self.request)
        config, settings = profile_settings(project, self.request, self.config, self.settings)
        return replace(self, project=project, config=config, settings=settings)


def profile_settings(
    project: Project, request: Request, config: Path | None, given: Mapping[str, Any]
) -> tuple[Path | None, dict[str, Any]]:
    """The settings file of a project, and settings by the plugin's config of its profile where neither the environment
    nor the command line, `given`, says otherwise."""
    from inlay.settings.read import beneath_the_environment, settings_file

    plugin = beneath_the_environment(project.plugin or {})
    named = config or os.environ.get("INLAY_CONFIG") or plugin.pop("config", None)
    plugin.pop("config", None)
    return settings_file(named, os.environ, request.folder.resolve()), {**plugin, **given}


def store_settings(
    request: Request, project_named: bool, config: Path | None, given: Mapping[str, Any]
) -> tuple[Settings, Collection[str] | None]:
    """The settings of a command that reads what a store keeps, and the nodes that its dbt flags select; None where
    they select none. In a dbt project's folder the settings are those of its profile, unless a store is named."""
    from inlay.dbt.project import read_project
    from inlay.settings.read import read_settings

    own, selected = dict(given), None
    if project_named or request.selects or ("store" not in given and (request.folder / "dbt_project.yml").is_file()):
        project = read_project(request, compiled=False)
        config, own = profile_settings(project, request, config, given)
        selected = project.selected
    return read_settings(own, config=config), selected


def task_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command the options that a Task is made of, and calls it with that."""

    @click.option("-f", "--file", type=options.FILE, help="A file of SQL statements.")
    @click.option("--manifest", type=options.FILE, help="A compiled manifest.json of dbt.")
    @click.option("-d", "--database", help="The DuckDB file that holds what the SQL reads.")
    @dbt_options
    @options.store
    @options.config
    @options.model
    @functools.wraps(command)
    def with_task(
        *, store: str | None, model: str | None, file: Path | None, manifest: Path | None, request: Request,
        project_named: bool, database: str | None, config: Path | None, **others: Any,
    ) -> Any:  # fmt: skip
        sources = {"--file": file, "--manifest": manifest, "--project-dir": project_named}
        if len(given := [name for name, value in sources.items() if value]) > 1:
            raise click.UsageError(f"{' and '.join(given)} each name what to run. Give one of them.")
        if request.selects and (file or manifest):
            raise click.UsageError("--select and --exclude choose nodes of a dbt project, which dbt itself must read.")
        task = Task(file, manifest, request, database, config, options.given(model=model, store=store))
        return command(task, **others)

    return with_task


def planned(task: Task, *, may_measure: bool) -> tuple[Plan, Limits]:
    """The plan, and what it is held against."""
    from inlay.explanation.plan import Planning

    with Work(task) as work:
        planning = Planning(work.session)
        notes = work.count(planning)
        return planning.plan(measure=may_measure, notes=notes), work.session.limits


class Work:
    """A connection, and what is run on it. failures: nodes that could not be run, for reasons of their own."""

    def __init__(self, task: Task) -> None:
        self.task = task.read()
        database = self.task.database if self.task.file and self.task.database else ":memory:"
        read_only = database != ":memory:"
        self.con = opened(database, read_only=read_only, config=self.task.config, **self.task.settings)
        self.session = self.con._session
        self.failures = 0
        self._folder = tempfile.TemporaryDirectory(prefix="inlay-")

    def infer(self, on_node: Callable[[str], None], done: str = "inferred") -> list[str]:
        """Returns what is not inferred, and why. done: how that is said."""
        return self._run(on_node, done)

    def count(self, planning: Planning) -> list[str]:
        """Returns what is not counted, and why."""
        with self.session.within(self.con._number, planning.context):
            return self._run(lambda name: None, "counted")

    def _run(self, on_node: Callable[[str], None], done: str) -> list[str]:
        if not self.task.file:
            project = self.task.project
            unmatched = [f"no node matches {each!r}." for each in (project.unmatched if project else ())]
            return [*unmatched, *(left.sentence(done) for left in self._run_project(on_node))]
        from inlay.cli.statements import run_queries
        from inlay.client.sessions import set_node
        from inlay.dbt.ahead import run_query

        def run(number: int, query: str) -> None:
            set_node(self.con.duckdb, f"statement {number}")
            run_query(self.con, query)

        return run_queries(self.task.file, self.session.called, run, done)

    def _run_project(self, on_node: Callable[[str], None]) -> list[Left]:
        from inlay.dbt.ahead import run_nodes
        from inlay.dbt.built import Databases
        from inlay.dbt.manifest import load_manifest, nodes_of
        from inlay.explanation.call_digests import called_specs

        task, project = self.task, self.task.project
        file = Path(task.database) if task.database else None
        if project is None:
            assert task.manifest is not None
            nodes = nodes_of(load_manifest(task.manifest), list(called_specs(self.session)))
            databases, selected = Databases(file), None
        else:
            nodes = nodes_of(project.manifest, list(called_specs(self.session)))
            databases, selected = project.databases, project.selected
            databases = replace(databases, file=file) if file else databases
        left = run_nodes(self.con, nodes, databases, Path(self._folder.name), on_node, selected)
        self.failures = sum(each.is_failure for each in left)
        return left

    def __enter__(self) -> Work:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.context.progress.finish()
        self.con.close()
        self._folder.cleanup()
