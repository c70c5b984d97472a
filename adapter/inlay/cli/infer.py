"""`inlay plan`, `inlay infer` and `inlay build`: models run ahead of the SQL that reads their answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from inlay.cli import options, output
from inlay.cli.dbt_options import DbtCommand, dbt_options
from inlay.cli.report import report_new_runs
from inlay.cli.sql import account
from inlay.cli.tasks import Task, Work, planned, task_options
from inlay.errors import ConfigError, InlayError
from inlay.settings.read import read_settings, with_whole_paths

if TYPE_CHECKING:
    from inlay.dbt.project import Request


@click.command("infer", cls=DbtCommand)
@task_options
def infer(task: Task) -> int:
    """Answer every call of a dbt project or .sql file, and keep the answers in the result store."""
    return _infer(task.read())


def _infer(task: Task, done: str = "inferred") -> int:
    """The exit status: 1 where a node could not be run. done: what is said of nodes, as a participle."""
    with Work(task) as work:
        session = work.session
        if session.store is None or not session.store.writable:
            raise ConfigError(
                "infer keeps answers in a result store, and none is configured for writing. Name a folder: "
                "inlay infer --store .inlay, or store = '.inlay' in inlay.toml."
            )
        if session.limits:
            # Only a limit of time needs to know how fast a model is.
            plan, limits = planned(work.task, may_measure=session.settings.max_seconds is not None)
            plan.costs.hold_against(limits)
        for note in work.infer(lambda name: output.note(f"inferring {name}"), done):
            output.note(note)
        session.context.progress.finish()
        output.line(account(work.con))
        session.close_account()
        if session.store.unwritten:
            raise InlayError(
                f"{session.store.unwritten:,} answers could not be stored in {session.store.folder.address}. "
                "Make room or make it writable, and run the same again: what was stored is known."
            )
        return 1 if work.failures else 0


@click.command("build", cls=DbtCommand)
@click.option("--full-refresh", is_flag=True, help="As of dbt build.")
@click.option("--report", "report_file", type=options.FILE, help="Write the report of it all to this .html file.")
@dbt_options
@options.store
@options.config
@options.model
def build(
    request: Request, project_named: bool, full_refresh: bool, report_file: Path | None, store: str | None,
    config: Path | None, model: str | None,
) -> int:  # fmt: skip
    """Infer what is missing in a dbt project, then build it with the installed dbt: one exit status.

    What cannot be inferred ahead, since it reads what the build makes, dbt infers. Takes dbt's own flags.
    """
    given = with_whole_paths(options.given(model=model, store=store), Path.cwd())
    from inlay.store.account import run_names
    from inlay.store.folder import open_folder

    task = Task(None, None, request, None, config, given).read()
    settings = read_settings(dict(task.settings), config=task.config)
    own = {**given, **({"config": config.resolve()} if config else {})}
    flags = ["--full-refresh"] if full_refresh else []
    if not settings.store or settings.store_mode != "read-write":
        if report_file is not None:
            raise ConfigError("--report reads a result store, and none is configured for writing: --store .inlay")
        output.note("nothing is inferred ahead: there is no result store to keep it in.")
        return min(1, request.run("build", *flags, settings=own))
    earlier = run_names(open_folder(settings.store))
    _infer(task, "inferred ahead")
    status = min(1, request.run("build", *flags, settings=own))
    if report_file is not None:
        report_new_runs(settings.store, settings.heads, earlier, report_file)
    return status


@click.command("plan", cls=DbtCommand)
@click.option("--no-measure", is_flag=True, help="Do not run a sample where a model's speed is unknown.")
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@task_options
def plan(task: Task, no_measure: bool, as_json: bool) -> None:
    """What `infer` or a build would ask of models: rows, known, to infer, tokens, seconds, cost."""
    from inlay.explanation.plan import plan_notes, plan_table

    plan, limits = planned(task, may_measure=not no_measure)
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
