"""Explaining is imported with the first EXPLAIN: most processes explain nothing."""

from __future__ import annotations

from typing import Any

from inlay.engine import signals


def load_explaining() -> Any:
    with signals.inside(None, None):  # Ctrl-C in the midst of an import would leave half a package
        from inlay.explanation import explain
    return explain
