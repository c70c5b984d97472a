"""The `inlay` command: sql, infer, plan, retry, models, functions, settings, show-prompt, doctor, store, dbt-path."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inlay import __version__
from inlay.cli import infer as infer_commands
from inlay.cli import store as store_commands
from inlay.errors import BudgetExceededError, InlayError

EXIT_ERROR, EXIT_BUDGET, EXIT_INTERRUPTED = 1, 3, 130


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args) or 0)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept where there is a result store.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BudgetExceededError as error:
        print(f"inlay: {error}", file=sys.stderr)
        return EXIT_BUDGET
    except InlayError as error:
        print(f"inlay: {error}", file=sys.stderr)
        return EXIT_ERROR
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `inlay sql … | head` is no error
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="inlay", description="Foundation models over DuckDB tables.")
    parser.add_argument("--version", action="version", version=f"inlay {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    sql = commands.add_parser("sql", help="run SQL with the ai_ functions and print the result")
    sql.add_argument("query", nargs="?", help="one or more statements; - or nothing reads standard input")
    sql.add_argument("-f", "--file", type=Path, help="read the statements from a file")
    sql.add_argument("-d", "--database", default=":memory:", help="a DuckDB file (default: in memory)")
    sql.add_argument("--read-only", action="store_true", help="open the file for reading only")
    sql.add_argument("--format", choices=("box", "csv", "json"), default="box")
    sql.add_argument("--account", action="store_true", help="print afterwards what was inferred, known, failed")
    sql.set_defaults(run=_sql)

    models = commands.add_parser("models", help="the registered models and whether they are here")
    models.set_defaults(run=_models)

    functions = commands.add_parser("functions", help="the SQL functions")
    functions.add_argument("--markdown", action="store_true", help="the reference page of docs/")
    functions.set_defaults(run=_functions)

    settings = commands.add_parser("settings", help="every setting, its value and the place that it comes from")
    settings.add_argument("--markdown", action="store_true", help="the reference page of docs/")
    settings.add_argument("--schema", action="store_true", help="the JSON Schema of inlay.toml, for editors")
    settings.set_defaults(run=_settings)

    show_prompt = commands.add_parser("show-prompt", help="what a function asks a language model")
    show_prompt.add_argument("function", help="e.g. ai_classify")
    show_prompt.set_defaults(run=_show_prompt)

    doctor = commands.add_parser("doctor", help="what is installed, which device and precision, what is missing")
    doctor.set_defaults(run=_doctor)

    dbt_path = commands.add_parser("dbt-path", help="the folder of the dbt package, for packages.yml: - local: …")
    dbt_path.set_defaults(run=_dbt_path)

    store_commands.add_commands(commands)
    runs = infer_commands.add_commands(commands)
    for command in (sql, *runs):
        command.add_argument("--store", help="folder or address of the result store")
    for command in (sql, models, settings, doctor, *runs):
        command.add_argument("--config", type=Path, help="settings file (default: inlay.toml here or above)")
        command.add_argument("--model", help="the default model")
    return parser


def _sql(args: argparse.Namespace) -> int:
    import duckdb

    from inlay.client.connection import connect

    text = _statements(args)
    # Tables go to standard output; progress and errors to standard error.
    with connect(
        args.database, read_only=args.read_only, config=args.config, **infer_commands.given_options(args)
    ) as con:
        try:
            for title, statement in split_statements(text):
                relation = con.sql(statement)
                kind = con.duckdb.extract_statements(statement)[0].expected_result_type
                if relation is not None and duckdb.ExpectedResultType.CHANGED_ROWS not in kind:
                    if title and args.format == "box":
                        print(title)
                    _print_relation(relation, args.format)
        except duckdb.Error as error:
            print(f"inlay: {error}", file=sys.stderr)
            return EXIT_ERROR
        if args.account:
            print(account(con), file=sys.stderr)
    return 0


def split_statements(text: str) -> list[tuple[str, str]]:
    """(comment above it, statement without its semicolon), cut where DuckDB's own tokenizer sees a semicolon."""
    import duckdb

    raw = text.encode()  # the tokenizer counts bytes
    ends = [start for start, _ in duckdb.tokenize(text) if raw[start : start + 1] == b";"] + [len(raw)]
    statements = []
    begin = 0
    for end in ends:
        piece = raw[begin:end].decode().strip()
        begin = end + 1
        comment: list[str] = []
        while piece.startswith("--"):
            line, _, piece = piece.partition("\n")
            comment.append(line.removeprefix("--").strip())
            piece = piece.lstrip()
        if piece:
            statements.append((" ".join(comment), piece))
    return statements


def _statements(args: argparse.Namespace) -> str:
    if args.file:
        try:
            return str(args.file.read_text(encoding="utf-8"))
        except OSError as error:
            raise InlayError(f"{args.file} cannot be read: {error.strerror}.") from error
    if args.query in (None, "-"):
        return sys.stdin.read()
    return str(args.query)


def _print_relation(relation: Any, form: str) -> None:
    if form == "box":
        relation.show(max_width=_terminal_width())
        return
    table = relation.to_arrow_table() if hasattr(relation, "to_arrow_table") else relation.arrow()
    if form == "csv":
        import pyarrow.csv

        pyarrow.csv.write_csv(table, sys.stdout.buffer)
    else:
        import json

        for row in table.to_pylist():
            print(json.dumps(row, ensure_ascii=False, default=str))


def account(con: Any) -> str:
    """One line per function and model of the ledger, and a total."""
    prefix = con._session.settings.prefix
    rows = con.execute(
        'SELECT "function", model, sum("rows"), sum(distinct_inputs), sum(known), sum(inferred), sum(failed), '
        "sum(truncated), sum(tokens), sum(output_tokens), sum(cost), sum(seconds), max(device) "
        f"FROM {prefix}inlay_ledger() GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    if not rows:
        return "No inlay function was called."
    lines = []
    for (
        function,
        model,
        n,
        distinct,
        known,
        inferred,
        failed,
        truncated,
        tokens,
        written,
        cost,
        seconds,
        device,
    ) in rows:
        more = f", {written:,} tokens written" if written else ""
        more += f", {truncated:,} cut at the token limit" if truncated else ""
        more += f", cost {cost:,.4f}" if cost else ""
        lines.append(
            f"{function} ({model}): {n:,} rows, {distinct:,} distinct, {known:,} known, {inferred:,} inferred, "
            f"{failed:,} failed, {tokens:,} tokens{more}, {seconds:.1f} s on {device or 'no device'}"
        )
    return "\n".join(lines)


def _models(args: argparse.Namespace) -> int:
    from inlay.execution.session import Session
    from inlay.settings.read import read_settings

    session = Session(read_settings(infer_commands.given_options(args), config=args.config))
    rows = session.models_table()
    _print_rows(
        ["model", "task", "width", "max tokens", "status", "source"],
        [
            [
                f"{row['model']} (default)" if row["is_default"] else row["model"],
                row["task"] or "?",
                row["width"] or "",
                row["max_tokens"] or "",
                row["status"],
                row["source"],
            ]
            for row in rows
        ],
    )
    return 0


def _functions(args: argparse.Namespace) -> int:
    from inlay.functions.definitions import all_definitions
    from inlay.functions.reference import reference_page, signature_text

    specs = all_definitions().values()
    if args.markdown:
        print(reference_page(specs), end="")
        return 0
    _print_rows(["function", "returns", ""], [[signature_text(spec), spec.gives, spec.summary] for spec in specs])
    return 0


def _settings(args: argparse.Namespace) -> int:
    import json

    from inlay.functions.configured import configured_definitions, function_options
    from inlay.functions.definitions import all_definitions
    from inlay.settings.read import read_settings
    from inlay.settings.reference import json_schema, reference_page, settings_in_force

    if args.markdown or args.schema:
        options = function_options(all_definitions().values())
        print(reference_page(options) if args.markdown else json.dumps(json_schema(options), indent=2) + "\n", end="")
        return 0
    settings = read_settings(infer_commands.given_options(args), config=args.config)
    configured_definitions(settings)  # raises where a function's options are wrong
    _print_rows(["setting", "value", "place"], settings_in_force(settings))
    return 0


def _show_prompt(args: argparse.Namespace) -> int:
    from inlay.functions.prompt_files import prompt_text

    print(prompt_text(args.function))
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from inlay.cli.doctor import checks

    worst = 0
    for check in checks(infer_commands.given_options(args), args.config):
        print(f"{check.mark}  {check.name:<14} {check.found}")
        if check.advice:
            print(f"   {'':<14} type: {check.advice}")
        worst = max(worst, check.mark == "✗")
    return worst


def _dbt_path(args: argparse.Namespace) -> int:
    packaged = Path(__file__).parents[1] / "_dbt"
    print(packaged if packaged.is_dir() else Path(__file__).parents[3] / "macros")
    return 0


def _print_rows(head: list[str], rows: list[list[Any]]) -> None:
    cells = [head, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size((120, 24)).columns


if __name__ == "__main__":
    sys.exit(main())
