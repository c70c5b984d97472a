"""The key of an input as SQL computes it."""

from __future__ import annotations

from collections.abc import Sequence


def key_sql(arguments: Sequence[str]) -> str:
    """DuckDB's expression for the key of SQL expressions of type VARCHAR; NULL where any of them is NULL."""
    digests = [f"sha256({argument})" for argument in arguments]
    return f"unhex({digests[0]})" if len(digests) == 1 else f"unhex(sha256({' || '.join(digests)}))"
