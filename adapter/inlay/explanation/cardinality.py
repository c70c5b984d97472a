"""How many rows a statement will send to inlay's functions: DuckDB's own estimate, read from its plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb


def expected_rows(con: duckdb.DuckDBPyConnection, statement: str, functions: tuple[str, ...]) -> int | None:
    """The sum, over the plan's operators that call one of `functions`, of the rows that reach them. A projection
    under another name hides what it calls (duckdb 2.0); where none is seen, the largest projection stands in.

    None where no plan can be had (several statements, parameters, an error that running it will show). EXPLAIN calls
    no function: inlay's are registered with side effects, so nothing is evaluated while planning.
    """
    if not any(f"{name}(" in statement.lower() for name in functions):
        return None
    try:
        plans = con.execute(f"EXPLAIN (FORMAT JSON) {statement}").fetchall()
        roots = json.loads(plans[0][1])
    except (duckdb.Error, ValueError, IndexError, RuntimeError):
        return None
    total, largest = 0, 0
    for operator in _operators(roots):
        called = json.dumps({k: v for k, v in operator.get("extra_info", {}).items() if k != "Estimated Cardinality"})
        n_calls = sum(called.count(f"{name}(") for name in functions)
        if n_calls:
            # A filter's own estimate is of what it lets through; what it reads is its child's.
            source = operator["children"][0] if operator["name"].strip() == "FILTER" else operator
            total += n_calls * _rows(source)
        elif operator["name"].strip() == "PROJECTION":
            largest = max(largest, _rows(operator))
    return total or largest or None


def _rows(operator: dict[str, Any]) -> int:
    return int(operator.get("extra_info", {}).get("Estimated Cardinality", 0))


def _operators(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        yield from _operators(node.get("children", []))
