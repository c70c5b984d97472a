"""`inlay retry`: what got no answer is asked again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inlay.cli import options, output
from inlay.cli.dbt_options import DbtCommand, dbt_options
from inlay.cli.tasks import store_settings
from inlay.errors import ConfigError

if TYPE_CHECKING:
    from inlay.dbt.project import Request
    from inlay.store.account import Failure
    from inlay.store.folder import Folder


@click.command("retry", cls=DbtCommand)
@dbt_options
@options.store
@options.config
@options.model
def retry(request: Request, project_named: bool, store: str | None, config: Path | None, model: str | None) -> None:
    """Ask again for every input that got no answer.

    In a dbt project's folder the store and models are those of its profile.
    """
    from inlay.client import inspection
    from inlay.execution.session import Session
    from inlay.store.account import error_files, forget_errors
    from inlay.store.calls import read_call
    from inlay.store.care.survey import check_store
    from inlay.store.folder import open_folder

    settings, selected = store_settings(
        request, project_named, config, {**options.given(model=model, store=store), "on_error": "null"}
    )
    if not settings.store or settings.store_mode != "read-write":
        raise ConfigError("retry reads failures from a result store, and none is configured for writing: --store …")
    check_store(open_folder(settings.store))  # a session would make one
    session = Session(settings)
    assert session.store is not None and session.account is not None
    files = error_files(session.store.folder)
    asked, answered = 0, 0
    for (function, call_text, node), inputs in _failures(session.store.folder).items():
        if selected is not None and node not in selected:
            session.account.failed(list(inputs.values()))
            continue
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
