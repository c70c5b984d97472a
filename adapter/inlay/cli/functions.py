"""`inlay functions`, `inlay show-prompt` and `inlay dbt-path`: what there is to call, and from dbt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from inlay.cli import output
from inlay.errors import ConfigError
from inlay.tables import Table

if TYPE_CHECKING:
    from inlay.functions.spec import FunctionSpec


@click.command("functions")
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="The reference page of docs/.")
def functions(name: str | None, markdown: bool) -> None:
    """The SQL functions, or all about one.

    NAME is a function's, e.g. ai_classify.
    """
    from inlay.functions.definitions import all_definitions
    from inlay.functions.reference import reference_page, short_signature

    specs = all_definitions()
    if markdown:
        output.line(reference_page(specs.values()).removesuffix("\n"))
    elif name is not None:
        spec = specs.get(name.lower().removeprefix("try_"))
        if spec is None:
            raise ConfigError.unknown_option("functions", name, specs, "function")
        _describe(spec)
    else:
        output.table(Table(["function", ""], [[short_signature(spec), spec.summary] for spec in specs.values()]))
        output.note("All about one: inlay functions ai_classify")


def _describe(spec: FunctionSpec) -> None:
    from inlay.functions.reference import short_signature

    output.sentence(f"{short_signature(spec)} gives {spec.gives}")
    output.sentence(f"{spec.summary}\n")
    arguments = (*spec.args, *spec.options)
    if arguments:
        rows = [[a.name, a.type, "required" if a.default is None else a.default, a.note] for a in arguments]
        output.table(Table(["argument", "type", "default", ""], rows))
    output.line(f"\n{spec.example}")


@click.command("show-prompt")
@click.argument("function")
def show_prompt(function: str) -> None:
    """What a function asks a language model.

    FUNCTION is its name, e.g. ai_classify.
    """
    from inlay.functions.definitions import all_definitions
    from inlay.functions.prompt_files import prompt_text

    name = function.lower().removeprefix("try_")
    specs = all_definitions()
    if name not in specs:
        raise ConfigError.unknown_option("show-prompt", function, specs, "function")
    output.line(prompt_text(name))


@click.command("dbt-path")
def dbt_path() -> None:
    """The folder of the dbt package, for packages.yml: - local: …"""
    output.line(str(macros_folder()))


def macros_folder() -> Path:
    """The dbt package: inside the wheel, or the repository's macros/ in an editable install."""
    packaged = Path(__file__).parents[1] / "_dbt"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "macros"
