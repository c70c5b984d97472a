"""inlay: foundation models over DuckDB tables, in SQL, dbt and notebooks.

    con = inlay.connect("shop.duckdb")
    con.sql("select id, ai_classify(body, ['bug', 'praise']) as kind from reviews")

Importing this package loads nothing; each part comes when it is first used.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = [
    "Connection", "Explanation", "InlayError", "attach", "calibrate", "connect", "detach", "explain", "freeze_labels",
    "interrupt", "label", "mislabelled", "sql", "to_label", "train_head",
]  # fmt: skip

TYPE_CHECKING = False  # as type checkers read it; importing typing would take longer than all the rest
if TYPE_CHECKING:
    from typing import Any

    from inlay.client.api import (
        calibrate,
        connect,
        explain,
        freeze_labels,
        label,
        mislabelled,
        sql,
        to_label,
        train_head,
    )
    from inlay.client.attach import attach, detach
    from inlay.client.connection import Connection
    from inlay.client.sessions import interrupt
    from inlay.errors import InlayError
    from inlay.explanation.report import Explanation

_HOMES = {
    "Connection": "inlay.client.connection",
    "calibrate": "inlay.client.api",
    "connect": "inlay.client.api",
    "explain": "inlay.client.api",
    "sql": "inlay.client.api",
    "freeze_labels": "inlay.client.api",
    "label": "inlay.client.api",
    "mislabelled": "inlay.client.api",
    "to_label": "inlay.client.api",
    "train_head": "inlay.client.api",
    "Explanation": "inlay.explanation.report",
    "attach": "inlay.client.attach",
    "detach": "inlay.client.attach",
    "interrupt": "inlay.client.sessions",
    "InlayError": "inlay.errors",
    "load_ipython_extension": "inlay.notebook",
    "unload_ipython_extension": "inlay.notebook",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'inlay' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
