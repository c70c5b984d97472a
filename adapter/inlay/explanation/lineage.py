"""Which columns of a dbt model come from which model's answers: what the catalog and `dbt docs` show.

Calls are found as text, renamed so that any SQL parser accepts them, and followed by sqlglot through CTEs and
subqueries to the columns of the outermost SELECT. What cannot be followed (a star over another table) is left out,
never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

from inlay.errors import InlayError
from inlay.execution.session import Session
from inlay.explanation.call_digests import called_specs, configured_model
from inlay.parsing.calls import CallText, find_calls

# A comment is for reading; a long list of labels is cut.
_CALL_LENGTH = 200


def column_comments(session: Session, sql: str) -> str:
    """JSON: {column: the calls and models that it comes from, as text}."""
    calls: list[CallText] = []
    columns = _columns(_renamed(sql, called_specs(session), calls))
    return json.dumps(
        {
            column: "; ".join(_comment(session, calls[number]) for number in sorted(numbers))
            for column, numbers in columns.items()
            if numbers
        },
        ensure_ascii=False,
    )


def _renamed(sql: str, functions: Collection[str], calls: list[CallText]) -> str:
    """The statement with the function of each call, nested ones too, named after its number in `calls`. sqlglot has
    rules of its own for some of the names, which refuse calls that are right here."""
    pieces, last = [], 0
    for call in find_calls(sql, functions):
        calls.append(call)
        number, bracket = len(calls) - 1, call.text.index("(")
        pieces += [sql[last : call.start], f"_inlay_call_{number}", _renamed(call.text[bracket:], functions, calls)]
        last = call.end
    return "".join([*pieces, sql[last:]])


def _columns(sql: str) -> dict[str, set[int]]:
    """Output column → numbers of the calls that it is made from."""
    # Imported here: sqlglot takes a while, and most runs ask for no lineage.
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage

    try:
        statement = sqlglot.parse_one(sql, dialect="duckdb")
    except SqlglotError:
        return {}
    if not isinstance(statement, exp.Query):
        return {}
    calls_by_column: dict[str, set[int]] = {}
    for column in statement.named_selects:
        if column in ("", "*"):
            continue
        try:
            node = lineage(column, sql, schema={}, dialect="duckdb")
        except (SqlglotError, ValueError, KeyError):
            continue
        calls_by_column[column] = {
            int(named[1])
            for step in node.walk()
            if not isinstance(step.expression, exp.Query)  # a whole source, of which the column is not a part
            for call in step.expression.find_all(exp.Anonymous)
            if (named := re.fullmatch(r"_inlay_call_(\d+)", call.name, re.I))
        }
    return calls_by_column


def _comment(session: Session, call: CallText) -> str:
    name = configured_model(session, call)
    text = " ".join(call.text.split())
    text = text if len(text) <= _CALL_LENGTH else text[: _CALL_LENGTH - 1] + "…"
    try:
        ref = session.model(name)
    except InlayError:
        return f"inlay: {text} by model {name}"
    facts = [f"model {name}", _source(ref.source), f"fingerprint {ref.fingerprint}", f"dtype {ref.dtype}"]
    return f"inlay: {text} by {', '.join(facts)}"


def _source(source: str) -> str:
    """Where the model came from; of a folder on this machine only its name."""
    shown: list[Any] = [Path(part).name if part.startswith(("/", "~", ".")) else part for part in source.split("|")]
    return "|".join(shown)
