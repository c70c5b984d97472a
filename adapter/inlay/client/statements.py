"""Statements as a connection is given them: several in one text, and EXPLAIN among them.

What a connection needs for statements that call a model is all here, so that it is imported with the first of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb

from inlay.client.explaining import load_explaining
from inlay.client.first_rows import first_rows
from inlay.client.prepared import answer_for_all, execution
from inlay.execution.replacement_scan import variables
from inlay.execution.session import Session
from inlay.execution.statement import bound_relation, plain_relation, relation
from inlay.execution.statement import execute as execute_one
from inlay.parsing.kinds import explained_statement, is_query, writing_inside
from inlay.parsing.tokens import Text, first_word, statement_texts

if TYPE_CHECKING:
    from inlay.execution.to_label import Proposals
    from inlay.models.head_card import HeadCard

__all__ = [
    "answer_for_all",
    "bound_relation",
    "execute",
    "explained_statement",
    "first_rows",
    "is_query",
    "made",
    "plain_relation",
    "proposals_of",
    "relation",
    "rows_of",
    "run_to_last_query",
    "trained",
    "variables",
    "writing_inside",
]  # fmt: skip


def execute(session: Session, con: duckdb.DuckDBPyConnection, sql: str, parameters: Any = None) -> Any:
    """What con.execute(sql, parameters) gives: the result of the last query of the text, or of its last statement."""
    sql, after = run_to_last_query(session, con, sql, parameters)
    if parameters is None and (found := execution(con, sql)) is not None:
        if after and found[1]:  # of several statements DuckDB takes values for the last alone
            return con.execute(sql + after)
        return execute_one(session, con, *found, after, lambda: con.execute(sql + after))
    if after:
        return execute_one(session, con, sql, None, after)
    if (head := trained(session, con, sql, parameters, "execute", {})) is not None:
        return head
    if (explained := explained_statement(sql)) is not None:
        explaining = load_explaining()
        explanation = explaining.explain(session, con, explained[0], parameters, analyze=explained[1])
        return explaining.explain_rows(con, explanation, "execute")
    return execute_one(session, con, sql, parameters)


_WITHOUT_ROWS = {"TRANSACTION", "SET", "VARIABLE_SET", "CREATE", "DROP", "INSERT", "UPDATE", "DELETE", "MERGE_INTO"}
"""Kinds of statements behind a query, in one text, whose result is then the query's."""


def _gives_rows(kind: str, text: str) -> bool:
    return kind in ("SELECT", "EXECUTE") or (kind in _WITHOUT_ROWS and "returning" in text.lower())


def _gives_no_rows(session: Session, kind: str, text: str) -> bool:
    gives = kind not in _WITHOUT_ROWS or "returning" in text.lower()
    return not (gives or session.mentions.may_call(text))


def run_to_last_query(session: Session, con: duckdb.DuckDBPyConnection, sql: str, parameters: Any) -> tuple[Text, str]:
    """Of several statements in one text, runs those before the one whose result is that of the text, and gives that one
    and what follows it. Raises where one of them is none, before any runs."""
    sql = Text.of(sql)  # so that its words are read once
    parsed, texts = con.extract_statements(sql), statement_texts(sql)
    if not texts:
        return sql, ""
    end = len(texts)
    if parameters is None and len(parsed) == end:
        end = _end_of_last_query(session, [each.type.name for each in parsed], texts)
    for each in texts[: end - 1]:
        execute(session, con, each)
    return texts[end - 1], "".join(f"; {text}" for text in texts[end:])


def _end_of_last_query(session: Session, kinds: Sequence[str], texts: Sequence[Text]) -> int:
    """How many statements there are up to the last query, where nothing behind it gives rows or calls a model."""
    last = len(texts)
    while last and _gives_no_rows(session, kinds[last - 1], texts[last - 1]):
        last -= 1
    return last if last and _gives_rows(kinds[last - 1], texts[last - 1]) else len(texts)


def trained(
    session: Session, con: duckdb.DuckDBPyConnection, sql: str, parameters: Any, method: str, options: Mapping[str, Any]
) -> Any:
    """What con.execute() or con.sql() gives for CALL inlay_train(…) and the others of client/training.py; None for
    any other statement."""
    if first_word(sql) != "call":
        return None
    from inlay.client.training import call_training, training_arguments  # most processes train no head

    asked = training_arguments(session, sql)
    return None if asked is None else call_training(session, con, *asked, parameters, method, options)


def rows_of(
    session: Session, con: duckdb.DuckDBPyConnection, function: str, relation: Any, options: Any
) -> duckdb.DuckDBPyRelation:
    """What inlay_mislabelled or inlay_to_label gives."""
    from inlay.client.training import rows_of

    return con.from_arrow(rows_of(session, con, function, relation, options))


def proposals_of(session: Session, con: duckdb.DuckDBPyConnection, relation: Any, options: Any) -> Proposals:
    """The rows most worth labelling, with the share of each label."""
    from inlay.client.training import proposals_of

    return proposals_of(session, con, relation, options)


def made(
    session: Session, con: duckdb.DuckDBPyConnection, function: str, name: str, relation: Any, options: Any
) -> HeadCard:
    """The card of what inlay_train, inlay_labels or inlay_calibrate made."""
    from inlay.client.training import made

    return made(session, con, function, name, relation, options).card
