"""A command that has commands: listed in the order in which they were added, with their whole descriptions."""

from __future__ import annotations

import click

from inlay.errors import closest


class Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # click cuts descriptions to one line.
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(limit=1_000)) for name, each in self.commands.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing and not self.invoke_without_command:
            ctx.fail(f"a command is missing: {', '.join(self.commands)}.")
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-") and not ctx.resilient_parsing:
            known = ", ".join(self.commands)
            ctx.fail(f"there is no command {args[0]!r}.{closest(args[0], self.commands)} Known: {known}.")
        return super().resolve_command(ctx, args)
