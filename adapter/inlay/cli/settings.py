"""`inlay settings`: every setting, its value and where it is from."""

from __future__ import annotations

import json
from pathlib import Path

import click

from inlay.cli import options, output
from inlay.tables import Table


@click.command("settings")
@click.option("--markdown", is_flag=True, help="Print the reference page of docs/.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of inlay.toml, for editors.")
@options.config
@options.model
def settings(config: Path | None, model: str | None, markdown: bool, schema: bool) -> None:
    """Every setting, its value and the place that it comes from."""
    from inlay.functions.configured import configured_definitions, function_options
    from inlay.functions.definitions import all_definitions
    from inlay.settings.read import read_settings
    from inlay.settings.reference import json_schema, reference_page, settings_in_force

    if markdown or schema:
        known = function_options(all_definitions().values())
        if markdown:
            output.line(reference_page(known).rstrip("\n"))
        else:
            output.line(json.dumps(json_schema(known), indent=2))
        return
    found = read_settings(options.given(model=model), config=config)
    configured_definitions(found)  # raises where a function's options are wrong
    output.table(Table(["setting", "value", "place"], settings_in_force(found)))
