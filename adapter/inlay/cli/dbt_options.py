"""dbt's own options, of commands that read a dbt project."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from inlay.cli import options

_SEVERAL = {
    "-s": "--select",
    "--select": "--select",
    "--models": "--select",
    "-m": "--select",
    "--exclude": "--exclude",
}


class DbtCommand(click.Command):
    """A command whose --select and --exclude take all words up to the next option, as dbt's do."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        several = ""
        for each in args:
            name, equals, value = each.partition("=")
            if name in _SEVERAL:
                several = _SEVERAL[name]
                spread += [several, value] if equals else []
            elif each.startswith("-") or not several:
                several = ""
                spread.append(each)
            else:
                spread += [several, each]
        if args and args[-1] in _SEVERAL:
            raise click.BadOptionUsage(args[-1], f"Option {args[-1]!r} requires an argument.", ctx)
        return super().parse_args(ctx, spread)


def dbt_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command dbt's flags, and calls it with the `request` that they make."""

    @click.option("--project-dir", type=options.FILE, help="A dbt project (default: this folder).")
    @click.option("-s", "--select", multiple=True, metavar="WORDS", help="Which of its nodes, in dbt's words.")
    @click.option("--exclude", multiple=True, metavar="WORDS", help="Which of them not.")
    @click.option("--selector", default="", help="A selector of selectors.yml.")
    @click.option("--vars", "variables", default="", metavar="YAML", help="Variables of the project.")
    @click.option("-t", "--target", default="", help="The target of the profile.")
    @click.option("--profile", default="", help="The profile.")
    @click.option("--profiles-dir", type=options.FILE, help="The folder of profiles.yml.")
    @functools.wraps(command)
    def with_request(
        *, project_dir: Path | None, select: tuple[str, ...], exclude: tuple[str, ...], selector: str, variables: str,
        target: str, profile: str, profiles_dir: Path | None, **others: Any,
    ) -> Any:  # fmt: skip
        from inlay.dbt.project import Request

        request = Request(
            project_dir or Path(), select, exclude, selector, variables, target, profile, str(profiles_dir or "")
        )
        return command(request=request, project_named=project_dir is not None, **others)

    return with_request
