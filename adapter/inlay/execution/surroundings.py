"""What a planned statement finds on its connection, asked in two short queries, since every planned statement asks."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb


@dataclass(frozen=True)
class Surroundings:
    """connection, node: what the connection was told of itself, see client/sessions.py. in_transaction: whether the
    user began one; else every statement has its own. views: lower-case names of those of the current schema."""

    connection: int | None
    node: str | None
    in_transaction: bool
    views: frozenset[str]


def surroundings(con: duckdb.DuckDBPyConnection) -> Surroundings:
    first = "SELECT txid_current(), getvariable('inlay_connection'), getvariable('inlay_node')"
    transaction, connection, node = con.execute(first).fetchall()[0]
    second = (
        "SELECT txid_current(), list(lower(view_name)) FROM duckdb_views() "
        "WHERE NOT internal AND database_name = current_database() AND schema_name = current_schema()"
    )
    latest, views = con.execute(second).fetchall()[0]
    return Surroundings(connection, node, transaction == latest, frozenset(views or ()))
