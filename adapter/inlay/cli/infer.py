"""`inlay infer`, `inlay plan` and `inlay retry`: models run ahead of the SQL that reads their answers."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inlay.errors import ConfigError, InlayError

if TYPE_CHECKING:
    from inlay.engine.limits import Limits
    from inlay.explanation.plan import Plan

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


def add_commands(commands: Any) -> list[argparse.ArgumentParser]:
    infer = commands.add_parser(
        "infer", help="answer every call of a dbt project or .sql file, and keep the answers in the result store"
    )
    infer.set_defaults(run=_infer)
    plan = commands.add_parser(
        "plan", help="what `infer` or a build would ask of models: rows, known, to infer, tokens, seconds, cost"
    )
    plan.add_argument("--no-measure", action="store_true", help="do not run a sample where a model's speed is unknown")
    plan.add_argument("--json", action="store_true", help="print the plan as JSON")
    plan.set_defaults(run=_plan)
    for command in (infer, plan):
        what = command.add_mutually_exclusive_group()
        what.add_argument("-f", "--file", type=Path, help="a file of SQL statements")
        what.add_argument("--manifest", type=Path, help="a compiled manifest.json of dbt")
        what.add_argument("--project-dir", type=Path, help="a dbt project, compiled first (default: this folder)")
        command.add_argument("-d", "--database", help="the DuckDB file that holds what the SQL reads")
    retry = commands.add_parser("retry", help="ask again for every input that got no answer")
    retry.set_defaults(run=_retry)
    return [infer, plan, retry]


def given_options(args: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of the settings; not every command has a --store."""
    given = {"model": args.model, "store": getattr(args, "store", None)}
    return {name: value for name, value in given.items() if value}


def _infer(args: argparse.Namespace) -> int:
    from inlay.cli.main import account

    with _Work(args) as work:
        session = work.session
        if session.store is None or not session.store.writable:
            raise ConfigError(
                "infer keeps answers in a result store, and none is configured for writing. Name a folder: "
                "inlay infer --store .inlay, or store = '.inlay' in inlay.toml."
            )
        if session.limits:
            # Only a limit of time needs to know how fast a model is.
            plan, limits = _planned(args, may_measure=session.settings.max_seconds is not None)
            plan.costs.hold_against(limits)
        work.run(lambda name: print(f"inferring {name}", file=sys.stderr))
        print(account(work.con))
        session.close_account()
        if session.store.unwritten:
            raise InlayError(
                f"{session.store.unwritten:,} answers could not be stored in {session.store.folder.address}. "
                "Make room or make it writable, and run the same again: what was stored is known."
            )
        return 0


def _plan(args: argparse.Namespace) -> int:
    from inlay.explanation.plan import plan_text

    plan, limits = _planned(args, may_measure=not args.no_measure)
    if args.json:
        print(
            json.dumps(
                {
                    "calls": [vars(line) for line in plan.lines],
                    "to_infer": plan.to_infer,
                    "inputs": plan.costs.inputs,
                    "tokens": plan.costs.tokens,
                    "seconds": plan.costs.seconds,
                    "cost": plan.costs.cost,
                },
                indent=1,
            )
        )
    else:
        print(plan_text(plan))
    plan.costs.hold_against(limits)
    return 0


def _planned(args: argparse.Namespace, *, may_measure: bool) -> tuple[Plan, Limits]:
    """The plan, and what it is held against."""
    from inlay.explanation.plan import Planning

    with _Work(args) as work:
        planning = Planning(work.session)
        with work.session.within(work.con._number, planning.context):
            work.run(lambda name: None)
        return planning.plan(measure=may_measure), work.session.limits


class _Work:
    """A connection, and what is to be run on it: a file of statements, or a dbt project."""

    def __init__(self, args: argparse.Namespace) -> None:
        from inlay.client.api import connect

        self._args = args
        self._folder = tempfile.TemporaryDirectory(prefix="inlay-")
        database = args.database if args.file and args.database else ":memory:"
        self.con = connect(database, config=args.config, **given_options(args))
        self.session = self.con._session

    def run(self, said: Any) -> None:
        from inlay.cli.main import split_statements
        from inlay.dbt.ahead import Project, run_project, run_statements
        from inlay.explanation.call_digests import called_specs

        args = self._args
        if args.file:
            try:
                text = args.file.read_text(encoding="utf-8")
            except OSError as error:
                raise ConfigError(f"{args.file} cannot be read: {error.strerror}.") from error
            run_statements(self.con, split_statements(text))
            return
        manifest, database = args.manifest, args.database
        if manifest is None:
            manifest, found = _compile(args.project_dir or Path.cwd(), Path(self._folder.name))
            database = database or found
        project = Project(manifest, Path(database) if database else None)
        run_project(self.con, project, list(called_specs(self.session)), Path(self._folder.name), said)

    def __enter__(self) -> _Work:
        return self

    def __exit__(self, *_: object) -> None:
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


def _retry(args: argparse.Namespace) -> int:
    import pyarrow as pa

    from inlay.client import inspection
    from inlay.execution.session import Session
    from inlay.settings.read import read_settings
    from inlay.store.account import Failure, error_files, forget_errors, read_errors

    session = Session(read_settings({**given_options(args), "on_error": "null"}, config=args.config))
    if session.store is None or session.account is None or not session.store.writable:
        raise ConfigError("retry reads failures from a result store, and none is configured for writing: --store …")
    files = error_files(session.store.folder)
    groups: dict[tuple[str, str, str], dict[tuple[str, ...], Failure]] = defaultdict(dict)
    for row in read_errors(session.store.folder).to_pylist():
        failure = Failure(**{name: row[name] for name in ("node", "function", "model", "call", "inputs", "error")})
        groups[row["function"], row["call"], row["node"]].setdefault(tuple(row["inputs"]), failure)
    asked, answered = 0, 0
    for (function, said, node), inputs in groups.items():
        call = json.loads(said)
        options = {name: value for name, value in call["options"].items() if name != "on_error"}
        columns = [pa.array(column, type=pa.string()) for column in zip(*inputs, strict=True)]
        try:
            answers = session.answer(function, columns, call["labels"], {**options, "node": node})
        except ConfigError as error:  # the model is not registered any more, or the call is not served: kept as it is
            session.account.failed(list(inputs.values()))
            print(f"  {function} ({options.get('model')}), {len(inputs):,} inputs not asked: {error}", file=sys.stderr)
            continue
        asked += len(answers)
        answered += len(answers) - answers.null_count
    forget_errors(session.store.folder, files)
    session.close_account()
    print(f"{asked:,} failed inputs asked again: {answered:,} answered, {asked - answered:,} still without an answer.")
    for row in inspection.failures(session)[:5]:
        print(f"  {row['function']} ({row['model']}): {row['input'][:60]!r}: {row['error']}")
    return 0
