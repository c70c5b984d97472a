"""`inlay sql`: statements from an argument, a file or standard input, and their results."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, get_args

import click

from inlay.cli import options, output
from inlay.cli.export import Form, form_of, write
from inlay.errors import ConfigError, InlayError


@click.command("sql")
@click.argument("query", required=False)
@click.option("-f", "--file", type=options.FILE, help="Read the statements from a file.")
@click.option("-d", "--database", default=":memory:", help="A DuckDB file (default: in memory).")
@click.option("--read-only", is_flag=True, help="Open the file for reading only.")
@click.option(
    "--format",
    "form",
    type=click.Choice(get_args(Form)),
    help="A box for people (the default; 10,000 rows at most), CSV, one JSON object per line, or Parquet.",
)
@click.option("-o", "--out", type=options.FILE, help="Write the rows to a file; its name says the format.")
@click.option("--account", "with_account", is_flag=True, help="Print afterwards what was inferred, known, failed.")
@options.store
@options.config
@options.model
def sql(
    query: str | None, file: Path | None, database: str, read_only: bool, form: Form | None, out: Path | None,
    with_account: bool, store: str | None, config: Path | None, model: str | None,
) -> None:  # fmt: skip
    """Run SQL with the ai_ functions and print the result.

    QUERY is one or more statements; - or nothing reads standard input. On a terminal nothing opens a prompt.
    """
    as_form = form_of(form, out)
    asks = query is None and file is None and sys.stdin.isatty() and sys.stdout.isatty()
    text = "" if asks else statements_of(file) if file else sys.stdin.read() if query in (None, "-") else str(query)
    with opened(database, read_only=read_only, config=config, **options.given(model=model, store=store)) as con:
        if asks:
            from inlay.cli.prompt import run_prompt

            run_prompt(con, lambda typed: _run(con, typed, as_form, out), lambda: account(con))
        else:
            if not split_statements(text):
                raise ConfigError(f"there is no statement in {file or 'what was given'}.")
            _run(con, text, as_form, out)
        if with_account:
            output.note(account(con))


def _run(con: Any, text: str, form: Form, out: Path | None) -> None:
    """Runs statements and prints, or writes, the rows that they give."""
    import duckdb

    try:
        written = 0
        for title, statement in split_statements(text):
            rows = _rows(con, statement)
            if rows is None:
                continue
            written += 1
            if out is not None and written > 1:
                raise ConfigError(f"{out} takes the rows of one statement; more than one gives rows.")
            if form == "box":
                _print(con, title, rows)
            else:
                write(con, rows, form, out)
    except duckdb.Error as error:
        raise InlayError(duckdb_message(error)) from error
    finally:
        con._session.context.progress.finish()  # whatever is printed next has the line for itself


def opened(database: str, **options: Any) -> Any:
    """A connection to a DuckDB file. Raises InlayError, in one line, where it cannot be opened."""
    import duckdb

    from inlay.client.api import connect
    from inlay.client.opening import not_opened

    try:
        return connect(database, **options)
    except (duckdb.IOException, duckdb.ConnectionException) as error:
        raise not_opened(database, error) from error


def _rows(con: Any, statement: str) -> Any:
    """What a statement gives; None where that is no rows."""
    import duckdb

    relation = con.sql(statement)
    kind = con.duckdb.extract_statements(statement)[-1].expected_result_type  # of PIVOT, DuckDB below 2 makes two
    return None if relation is None or duckdb.ExpectedResultType.CHANGED_ROWS in kind else relation


def _print(con: Any, title: str, relation: Any) -> None:
    box = output.box_text(relation)
    con._session.context.progress.finish()
    output.line(f"{title}\n{box}" if title else box)


def statements_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InlayError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InlayError(f"{file} is no text in UTF-8: {error.reason} at byte {error.start:,}.") from error


_VARIABLE = re.compile(r'Python Object "(\w+)" of type .* not suitable for replacement scans', re.DOTALL)


def duckdb_message(error: Exception) -> str:
    """What DuckDB says. Where it takes a name of our own code for the table that is not there, that it is not there."""
    variable = _VARIABLE.search(str(error))
    return f"Catalog Error: Table with name {variable[1]} does not exist!" if variable else str(error)


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


def account(con: Any) -> str:
    """One line per function and model of the ledger, and a total."""
    prefix = con._session.settings.prefix
    rows = con.execute(
        'SELECT "function", model, sum("rows") AS n_rows, sum(distinct_inputs) AS distinct_inputs, '
        "sum(known) AS known, sum(inferred) AS inferred, sum(failed) AS failed, "
        "sum(truncated) AS truncated, sum(blank) AS blank, sum(repaired) AS repaired, sum(tokens) AS tokens, "
        "sum(output_tokens) AS written, sum(cost) AS cost, sum(seconds) AS seconds, "
        f"max(device) AS device FROM {prefix}inlay_ledger() GROUP BY ALL ORDER BY ALL"
    )
    titles = [column[0] for column in rows.description]
    lines = [_account_line(**dict(zip(titles, row, strict=True))) for row in rows.fetchall()]
    return "\n".join(lines) or "No inlay function was called."


def _account_line(**sums: Any) -> str:
    more = f", {sums['written']:,} tokens written" if sums["written"] else ""
    more += f", {sums['truncated']:,} cut at the token limit" if sums["truncated"] else ""
    more += f", {sums['blank']:,} blank" if sums["blank"] else ""
    more += f", {sums['repaired']:,} replies repaired" if sums["repaired"] else ""
    more += f", cost {sums['cost']:,.4f}" if sums["cost"] else ""
    return (
        "{function} ({model}): {n_rows:,} rows, {distinct_inputs:,} distinct, {known:,} known, {inferred:,} inferred, "
        "{failed:,} failed, {tokens:,} tokens".format_map(sums)
        + f"{more}, {sums['seconds']:.1f} s on {sums['device'] or 'no device'}"
    )
