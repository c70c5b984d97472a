"""What a planned statement finds on its connection, asked in two short queries, since every planned statement asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb


@dataclass(frozen=True)
class Surroundings:
    """connection, node: what the connection was told of itself, see client/sessions.py. in_transaction: whether the
    user began one; else every statement has its own. views: lower-case names of those of the current schema.
    quality: the value of the variable inlay_quality, see quality.py."""

    connection: int | None
    node: str | None
    in_transaction: bool
    views: frozenset[str]
    quality: Any = None


def surroundings(con: duckdb.DuckDBPyConnection) -> Surroundings:
    found = con.execute(_FOUND).fetchall()  # of the system's views, too: to leave them out there takes longer
    transaction, connection, node, quality, *place = found[0][:6]
    views = frozenset(name for *_, database, schema, name in found if [database, schema] == place)
    (latest,) = con.execute("SELECT txid_current()").fetchall()[0]
    return Surroundings(connection, node, transaction == latest, views, quality)


_FOUND = """
    SELECT txid_current(), getvariable('inlay_connection'), getvariable('inlay_node'),
           getvariable('inlay_quality'), current_database(), current_schema(), database_name, schema_name,
           lower(view_name)
    FROM duckdb_views()
"""
