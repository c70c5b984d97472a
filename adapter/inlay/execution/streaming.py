"""Calls that are better answered chunk by chunk, as the rows come."""

from __future__ import annotations

from collections.abc import Callable

from inlay.execution.queries import UNBOUND, Queries
from inlay.parsing.statement import Statement
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.keyed import KEY
from inlay.planner.one_table import inputs_query, table_of

STREAM_ROWS = 500_000
STREAM_BYTES = 128_000_000
"""Of the only call of a statement, this many rows whose inputs take so much, nearly all of them different, are answered
chunk by chunk: there is nothing to spare by asking ahead, and no end to what would be held."""

_ANSWER_BYTES = 100  # of an input, beside its text: its answer, and its place in DuckDB's tables


def refuse_to_hold(
    queries: Queries, statement: Statement, number: int, expect: Callable[[int], None] = lambda n_rows: None
) -> None:
    """Raises Unplannable where so many inputs reach the only call of a statement, nearly all of them different; expect
    is then told how many rows they are."""
    try:
        table = table_of(statement, number)
        # Most tables are smaller, and this is what their statements wait for. Of a table of its own DuckDB knows the
        # number; below LIMIT it would read the rows.
        (n_rows,) = queries.row(f"SELECT count(*) FROM {table}")
        if n_rows < STREAM_ROWS:
            return
        rows = inputs_query(statement, number)
        (n_rows,) = queries.row(f"SELECT count(*) FROM ({rows})")
        if n_rows < STREAM_ROWS:
            return
        keys = [f"{KEY}{i}" for i in range(len(statement.calls[number].texts))]
        n_bytes = " + ".join(f"coalesce(strlen({key}), 0)" for key in keys)
        n_bytes, n_distinct = queries.row(
            f"SELECT sum({n_bytes})::BIGINT, approx_count_distinct(hash({', '.join(keys)})) FROM ({rows})"
        )
    except (Unplannable, *UNBOUND):
        return
    if n_distinct > 0.8 * n_rows and n_bytes + _ANSWER_BYTES * n_rows > STREAM_BYTES:
        expect(n_rows)
        raise Unplannable(reasons.nearly_all_different(n_rows))
