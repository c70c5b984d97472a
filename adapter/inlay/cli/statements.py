"""A file of statements, run for what it asks of models and not for its effect: `inlay plan` and `inlay infer`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import duckdb

from inlay.cli.sql import duckdb_message, split_statements, statements_of
from inlay.errors import ConfigError, InlayError
from inlay.parsing.calls import find_calls
from inlay.parsing.query_inside import WITH_A_QUERY, Inside, query_inside, statement_kind, table_name, tables_read


def run_queries(
    file: Path, functions: Collection[str], run: Callable[[int, str], None], counted: str = "counted"
) -> list[str]:
    """Runs the query inside each statement of a file; run(number, query). Nothing is written: tables that a statement
    would create or change stay as they are. counted: what `run` does to a query, as a participle.

    Returns what is not counted, and why. Raises ConfigError, before anything runs, where a statement is of a kind that
    has no query inside, and InlayError where DuckDB refuses a query.
    """
    notes: list[str] = []
    created: dict[str, int] = {}
    changed: dict[str, int] = {}
    for number, inside in enumerate(_read(file), 1):
        reads = tables_read(inside.query) if inside.query and (created or changed) else set()
        if table := next((name for name in sorted(reads) if name in created), None):
            why = f"it reads {table}, which statement {created[table]} creates"
            notes.append(f"statement {number} is not {counted}: {why}.")
        elif inside.query:
            for table in sorted(reads & changed.keys()):
                why = f"statement {changed[table]} changes it"
                notes.append(f"statement {number} is {counted} over the rows that {table} has now; {why}.")
            try:
                run(number, inside.query)
            except duckdb.Error as error:
                raise InlayError(f"{file}, statement {number}: {duckdb_message(error)}") from error
        if find_calls(inside.rest, functions):
            why = "they are made for rows that are there once the statement has run"
            notes.append(f"calls in RETURNING or ON CONFLICT of statement {number} are not {counted}: {why}.")
        if inside.creates:
            created[table_name(inside.creates)] = number
        if inside.changes:
            changed.setdefault(table_name(inside.changes), number)
    return notes


def _read(file: Path) -> list[Inside]:
    found = []
    for number, (_title, statement) in enumerate(split_statements(statements_of(file)), 1):
        inside = query_inside(statement)
        if inside is None:
            raise ConfigError(
                f"{file}, statement {number}: {statement_kind(statement)} has no query that could be run without its "
                f"effect. Only the queries inside {WITH_A_QUERY} are run here, and nothing is written. Run this "
                "statement yourself first, with inlay sql, and take it out of the file."
            )
        found.append(inside)
    if not found:
        raise ConfigError(f"there is no statement in {file}.")
    return found
