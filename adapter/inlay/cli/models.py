"""`inlay models`: what is registered, and whether it is here."""

from __future__ import annotations

from pathlib import Path

import click

from inlay.cli import options, output
from inlay.tables import Table


@click.command("models")
@options.config
@options.model
def models(config: Path | None, model: str | None) -> None:
    """The registered models and whether they are here."""
    from inlay.client import inspection
    from inlay.execution.session import Session
    from inlay.settings.read import read_settings

    session = Session(read_settings(options.given(model=model), config=config))
    rows = [
        [
            f"{row['model']} (default)" if row["is_default"] else row["model"],
            row["task"] or "?",
            row["width"] or None,
            row["max_tokens"] or None,
            row["status"],
            row["source"],
        ]
        for row in inspection.models(session)
    ]
    output.table(Table(["model", "task", "width", "max tokens", "status", "source"], rows, numbers=(2, 3)))
