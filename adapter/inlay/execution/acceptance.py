"""What DuckDB says of a statement before it runs: whether it binds, with nothing run and no transaction ended.

Inside a transaction a statement that does not bind ends it (duckdb 2.0), EXPLAIN too, and there is no savepoint.
json_serialize_plan() binds a text and returns the error as a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import duckdb

from inlay.execution.replacement_scan import with_tables, with_values

_PLAN = "json_serialize_plan({sql}, skip_null := true, skip_empty := true, skip_default := true)"

_BIND = f"SELECT {_PLAN.format(sql='$sql')}"

_BIND_BOTH = f"SELECT {_PLAN.format(sql='$sql')}, {_PLAN.format(sql='$other')}"

_AS_WRITTEN = re.compile(r'"(?:query_location(?:_length)?":\d+|(?:alias|sql)":"(?:[^"\\]|\\.)*"),?')
"""Of a plan, where in the text something stands, and how it is written there."""

_ERROR = '{"error":true'


def refusal(con: duckdb.DuckDBPyConnection, sql: str, tables: Mapping[str, Any], parameters: Any) -> str | None:
    """Why DuckDB does not bind a statement, or why that cannot be told; None where it does. parameters: by name."""
    plan = with_tables(con, _BIND, tables, {"sql": with_values(sql, parameters)}, "execute").fetchall()[0][0]
    if not plan.startswith(_ERROR):
        return None
    error = json.loads(plan)
    kind, message = error["error_type"], str(error["error_message"])
    # Of a plan that is only not written as JSON, the statement was bound before.
    return None if kind in ("not implemented", "invalid input") and "serializ" in message else message


def bind_alike(
    con: duckdb.DuckDBPyConnection, sql: str, other: str, tables: Mapping[str, Any], parameters: Any
) -> bool:
    """Whether DuckDB binds two statements as the same; of what it cannot write as JSON, that is not known."""
    given = {"sql": with_values(sql, parameters), "other": with_values(other, parameters)}
    first, second = with_tables(con, _BIND_BOTH, tables, given, "execute").fetchall()[0]
    return not first.startswith(_ERROR) and _AS_WRITTEN.sub("", first) == _AS_WRITTEN.sub("", second)


def in_transaction(con: duckdb.DuckDBPyConnection) -> bool:
    """Outside BEGIN … COMMIT every statement has a transaction of its own."""
    first, second = (con.execute("SELECT txid_current()").fetchall() for _ in range(2))
    return bool(first == second)


def is_aborted(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether an error has ended the user's transaction: nothing runs until ROLLBACK."""
    try:
        con.execute("SELECT 1").fetchall()
    except duckdb.Error:
        return True
    return False
