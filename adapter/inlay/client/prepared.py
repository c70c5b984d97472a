"""Statements that run more than once: EXECUTE of a prepared one is planned as that statement with its values, and of
executemany() the calls are answered for all rows of parameters at once."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from inlay.execution.queries import UNBOUND
from inlay.execution.replacement_scan import with_named_parameters
from inlay.execution.session import Session
from inlay.execution.statement import prepare
from inlay.parsing.calls import find_calls
from inlay.parsing.tokens import Text, closing, first_word, parameters_replaced, split
from inlay.parsing.unplannable import Unplannable

_ROWS = "_inlay_rows"


def execution(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[Text, Any] | None:
    """(the prepared statement, its values) of EXECUTE name(…); None where it is none, or not to be told."""
    if first_word(sql) != "execute":
        return None
    words = [word for word in Text.of(sql).words if word.text != ";"]
    name = words[1].text.strip('"').lower() if len(words) > 1 else ""
    found = con.execute("SELECT statement FROM duckdb_prepared_statements() WHERE lower(name) = ?", [name]).fetchall()
    if len(found) != 1:
        return None
    prepared = Text(found[0][0])
    at = next((i for i, word in enumerate(prepared.words) if word.lower == "as"), None)
    if first_word(prepared) != "prepare" or at is None or at + 1 == len(prepared.words):
        text = prepared
    else:
        text = prepared.part(prepared.words[at + 1].start, prepared.words[-1].end)
    if len(words) < 3:
        return text, None
    inside = words[3 : closing(words, 2)]
    parts = [inside[first:last] for first, last in split(inside)]
    named = all(len(part) > 2 and part[1].text in (":=", "=") for part in parts)
    values = [sql[part[2 if named else 0].start : part[-1].end] for part in parts]
    row = con.execute(f"SELECT {', '.join(values)}").fetchall()[0]
    return text, dict(zip((part[0].text for part in parts), row, strict=True)) if named else list(row)


def answer_for_all(session: Session, con: duckdb.DuckDBPyConnection, sql: str, rows: Any) -> None:
    """Has the calls of a statement answered that are given nothing but parameters, for all rows of them. What cannot be
    foreseen is answered row by row."""
    if not isinstance(rows, Sequence) or len(rows) < 2 or not all(isinstance(row, list | tuple) for row in rows):
        return
    named, first = with_named_parameters(Text.of(sql), rows[0])
    calls = [call.text for call in find_calls(named, session.called)]

    def column(name: str) -> str | None:
        return f"{_ROWS}.{name}" if name in first else None

    made = [replaced for call in calls if (replaced := parameters_replaced(call, column)) != call]
    if not made:
        return
    with contextlib.suppress(Unplannable, pa.ArrowInvalid, pa.ArrowTypeError, ValueError, *UNBOUND):
        table = pa.table(dict(zip(first, (list(column) for column in zip(*rows, strict=True)), strict=True)))
        prepare(session, con, f"SELECT {', '.join(made)} FROM {_ROWS}", None, {_ROWS: table})
