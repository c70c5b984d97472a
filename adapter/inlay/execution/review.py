"""What got no answer, best to look at first: what was not sure enough, and then what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]


def to_review(unsure: Iterable[Row], failures: Iterable[Row]) -> list[dict[str, Any]]:
    """unsure, failures: rows of the account, oldest first; of an input that a call had twice the latest counts.

    The surest answer of each kind comes first, then the second of each: to confirm one that is nearly sure takes a
    glance, and a few of every kind teach a head more than many of one. Failures are in the order in which they came.
    """
    latest: dict[tuple[Any, ...], Row] = {}
    for row in (*unsure, *failures):
        key = row["function"], row["model"], row["call"], tuple(row["inputs"])
        latest.pop(key, None)
        latest[key] = row
    rows = [_row(row) for row in latest.values()]
    seen: Counter[tuple[Any, ...]] = Counter()
    places: dict[int, tuple[int, float]] = {}
    for row in sorted(rows, key=lambda row: -(row["confidence"] or 0.0)):
        kind = row["function"], row["model"], row["answer"]
        places[id(row)] = seen[kind], -(row["confidence"] or 0.0)
        seen[kind] += 1
    left = sorted((row for row in rows if row["error"] is None), key=lambda row: places[id(row)])
    return left + [row for row in rows if row["error"] is not None]


def _row(row: Row) -> dict[str, Any]:
    at = row.get("left_at") or row.get("failed_at")
    own = {name: row.get(name) for name in ("run", "node", "function", "model", "answer", "confidence", "error")}
    return {**own, "at": at, "input": " | ".join(row["inputs"])}
