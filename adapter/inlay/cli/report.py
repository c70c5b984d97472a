"""`inlay report`: what runs asked of models, as a page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inlay.cli import options, output
from inlay.cli.dbt_options import DbtCommand, dbt_options
from inlay.cli.tasks import store_settings
from inlay.errors import ConfigError, InlayError

if TYPE_CHECKING:
    from inlay.dbt.project import Request
    from inlay.reports.runs import Report

DEFAULT_FILE = Path("inlay_report.html")


@click.command("report", cls=DbtCommand)
@click.option("-o", "--out", type=options.FILE, default=DEFAULT_FILE, help=f"The file (default: {DEFAULT_FILE}).")
@click.option(
    "--run", "runs", multiple=True, metavar="RUN", help="A run by the beginning of its name; may be repeated."
)
@click.option("--runs", "latest", type=click.IntRange(1), default=1, help="The latest ones together (default: 1).")
@click.option("--no-inputs", is_flag=True, help="Leave out the texts of failed rows.")
@dbt_options
@options.store
@options.config
def report(
    request: Request, project_named: bool, out: Path, runs: tuple[str, ...], latest: int, no_inputs: bool,
    store: str | None, config: Path | None,
) -> None:  # fmt: skip
    """Write an HTML page of what a run asked of models: known, inferred, failed, cost, and the failed rows.

    Of the latest run in the result store, unless another is named. One file, which opens without a network.
    """
    from inlay.reports.runs import stored_report
    from inlay.store.care.survey import check_store
    from inlay.store.folder import open_folder

    settings, selected = store_settings(request, project_named, config, options.given(store=store))
    if not settings.store:
        raise ConfigError(
            "report reads a result store, and none is configured. Name a folder: inlay report --store .inlay, or "
            "store = '.inlay' in inlay.toml."
        )
    folder = open_folder(settings.store)
    check_store(folder)
    whole = stored_report(folder, settings.heads, runs=runs, latest=latest)
    if selected is not None:
        whole = replace(
            whole,
            calls=[call for call in whole.calls if call["node"] in selected],
            failures=[row for row in whole.failures if row["node"] in selected],
            certificates=[row for row in whole.certificates if row["node"] in selected],
            unsure=[row for row in whole.unsure if row["node"] in selected],
        )
    write_report(whole, out, with_inputs=not no_inputs)


def report_new_runs(store: str, heads: str, earlier: Collection[str], file: Path) -> None:
    """Of the runs that a store has beside the earlier ones. heads: their folder."""
    from inlay.reports.runs import stored_report
    from inlay.store.account import run_names
    from inlay.store.folder import open_folder

    folder = open_folder(store)
    if new := [name for name in run_names(folder) if name not in earlier]:
        write_report(stored_report(folder, heads, runs=new), file)
    else:
        output.note(f"{file} is not written: nothing was asked of a model.")


def write_report(report: Report, file: Path, *, with_inputs: bool = True) -> None:
    """Only its owner can read a new file, since it holds texts of failed rows. Raises InlayError."""
    from inlay.reports.page import page
    from inlay.reports.runs import Total

    try:
        file.touch(mode=0o600)
        file.write_text(page(report, with_inputs=with_inputs), "utf-8", errors="replace")
    except OSError as error:
        raise InlayError(f"{file} cannot be written: {error.strerror}.") from error
    total = Total.of(report.calls)
    output.sentence(
        f"{file}: {_runs(report.runs)}, {total.distinct_inputs:,} inputs, {total.known:,} known, "
        f"{total.inferred:,} inferred, {total.failed:,} failed."
    )


def _runs(names: Sequence[str]) -> str:
    return f"run {names[0]}" if len(names) == 1 else f"{len(names)} runs"
