"""inlay: foundation models over DuckDB tables, in SQL, dbt and notebooks.

    con = inlay.connect("shop.duckdb")
    con.sql("select id, ai_classify(body, ['bug', 'praise']) as kind from reviews")

Importing this package loads neither DuckDB nor torch; each part comes when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Connection", "InlayError", "attach", "connect", "detach"]

if TYPE_CHECKING:
    from inlay.connection import Connection, connect
    from inlay.duckdb_udf import attach, detach
    from inlay.errors import InlayError

_HOMES = {
    "Connection": "inlay.connection",
    "connect": "inlay.connection",
    "attach": "inlay.duckdb_udf",
    "detach": "inlay.duckdb_udf",
    "InlayError": "inlay.errors",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'inlay' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
