"""`inlay functions`, `inlay show-prompt` and `inlay dbt-path`: what there is to call, and from dbt."""

from __future__ import annotations

from pathlib import Path

import click

from inlay.cli import output
from inlay.tables import Table


@click.command("functions")
@click.option("--markdown", is_flag=True, help="The reference page of docs/.")
def functions(markdown: bool) -> None:
    """The SQL functions."""
    from inlay.functions.definitions import all_definitions
    from inlay.functions.reference import reference_page, signature_text

    specs = all_definitions().values()
    if markdown:
        output.line(reference_page(specs).removesuffix("\n"))
        return
    rows = [[signature_text(spec), spec.gives, spec.summary] for spec in specs]
    output.table(Table(["function", "returns", ""], rows))


@click.command("show-prompt")
@click.argument("function")
def show_prompt(function: str) -> None:
    """What a function asks a language model.

    FUNCTION is its name, e.g. ai_classify.
    """
    from inlay.functions.prompt_files import prompt_text

    output.line(prompt_text(function))


@click.command("dbt-path")
def dbt_path() -> None:
    """The folder of the dbt package, for packages.yml: - local: …"""
    packaged = Path(__file__).parents[1] / "_dbt"
    output.line(str(packaged if packaged.is_dir() else Path(__file__).parents[3] / "macros"))
