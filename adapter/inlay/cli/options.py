"""Options that several commands have, and what they say of the settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FILE = click.Path(path_type=Path)

config: Decorator = click.option("--config", type=FILE, help="Settings file (default: inlay.toml here or above).")
model: Decorator = click.option("--model", help="The default model.")
store: Decorator = click.option("--store", help="Folder or address of the result store.")


def given(**options: Any) -> dict[str, Any]:
    """Settings that the command line names; an option that was left out says nothing."""
    return {name: value for name, value in options.items() if value}
