"""The `inlay` command: its commands, and what becomes of their errors.

0 done · 1 an error, or something that was looked for is wrong · 2 the command line is wrong · 3 a limit would be passed
· 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click
from click.shell_completion import shell_complete

from inlay import __version__
from inlay.cli import output
from inlay.cli.calibrate import calibrate
from inlay.cli.check import check
from inlay.cli.doctor import doctor
from inlay.cli.flips import flips
from inlay.cli.functions import dbt_path, functions, show_prompt
from inlay.cli.group import Group
from inlay.cli.infer import build, infer, plan
from inlay.cli.label import label
from inlay.cli.models import models
from inlay.cli.report import report
from inlay.cli.retry import retry
from inlay.cli.settings import settings
from inlay.cli.sql import sql
from inlay.cli.store import store
from inlay.errors import BudgetExceededError, InlayError, closest
from inlay.logs import show_info

EXIT_ERROR, EXIT_USAGE, EXIT_BUDGET, EXIT_INTERRUPTED = 1, 2, 3, 130
_COMPLETE = "_INLAY_COMPLETE"


@click.group("inlay", cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="inlay %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Say more on standard error.")
def inlay(verbose: bool) -> None:
    """Foundation models over DuckDB tables."""
    if verbose:
        show_info()


COMMANDS = (
    sql, models, functions, settings, show_prompt, doctor, dbt_path, store, check, plan, infer, build, retry, report,
    flips, calibrate, label,
)  # fmt: skip
for command in COMMANDS:
    inlay.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    if instruction := os.environ.get(_COMPLETE):
        return shell_complete(inlay, {}, "inlay", _COMPLETE, instruction)
    try:
        # Not click's own main(): it would take Ctrl-C and broken pipes for itself.
        with inlay.make_context("inlay", list(sys.argv[1:] if arguments is None else arguments)) as context:
            status = inlay.invoke(context)
        sys.stdout.flush()
        return int(status or 0)
    except click.exceptions.Exit as ended:  # --help and --version
        return ended.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "inlay"
        output.error(_usage(error), f"{path} --help", who=path)
        return EXIT_USAGE
    except KeyboardInterrupt as stopped:
        output.note(str(stopped) or "interrupted; what was finished is kept where there is a result store.")
        return EXIT_INTERRUPTED
    except BudgetExceededError as error:
        output.error(error)
        return EXIT_BUDGET
    except InlayError as error:
        output.error(error)
        return EXIT_ERROR
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `inlay sql … | head` is no error
        return 0


def _usage(error: click.UsageError) -> str:
    if isinstance(error, click.NoSuchOption):
        return f"there is no option {error.option_name!r}.{closest(error.option_name, error.possibilities or ())}"
    return error.format_message()
