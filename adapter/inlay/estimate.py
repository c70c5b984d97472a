"""How many rows a statement will send to inlay's functions: DuckDB's own estimate, read from its plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import duckdb


def expected_rows(con: duckdb.DuckDBPyConnection, statement: str, functions: tuple[str, ...]) -> int | None:
    """The sum, over the plan's operators that call one of `functions`, of the rows that reach them.

    None where no plan can be had (several statements, parameters, an error that running it will show). EXPLAIN calls
    no function: inlay's are registered with side effects, so nothing is evaluated while planning.
    """
    try:
        plans = con.execute(f"EXPLAIN (FORMAT JSON) {statement}").fetchall()
        roots = json.loads(plans[0][1])
    except (duckdb.Error, ValueError, IndexError, RuntimeError):
        return None
    total = 0
    for operator in _operators(roots):
        called = json.dumps({k: v for k, v in operator.get("extra_info", {}).items() if k != "Estimated Cardinality"})
        n_calls = sum(called.count(f"{name}(") for name in functions)
        if n_calls:
            # A filter's own estimate is of what it lets through; what it reads is its child's.
            source = operator["children"][0] if operator["name"].strip() == "FILTER" else operator
            total += n_calls * int(source.get("extra_info", {}).get("Estimated Cardinality", 0))
    return total or None


def _operators(nodes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for node in nodes:
        yield node
        yield from _operators(node.get("children", []))
