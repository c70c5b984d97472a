"""Which shelf answers a call as it stands in SQL: what the stored form of a dbt macro looks up at compile time.

    calls/<md5>.json    {"call": …, "shelf": "ai_classify-3f9a…", "columns": ["value", …], "model": "minilm"}

A call is written without its model where the default is meant, so the file says which shelf that led to when the call
was last answered. It is written by whoever answers the call with a store that may be written to. The name is the MD5
of a text that Jinja can build as well (dbt offers no SHA-256); it finds a file and identifies nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from inlay.store.folder import Folder

CALLS = "calls"

# They change no answer.
NOT_IN_CALL = {"on_error", "statement", "connection", "node"}


def call_text(function: str, labels: Any, options: Mapping[str, Any]) -> str:
    """Canonical JSON: function, [[label, description]] or a schema as it was given or null, {option: text, float, or
    whatever else it is}. macros/_stored.sql builds the same."""
    pairs = labels
    if isinstance(labels, list | tuple):
        pairs = [
            [entry["label"], entry.get("description")]
            if isinstance(entry, Mapping) and "label" in entry
            else [entry, None]
            for entry in labels
        ]
    said = {
        name: float(value) if isinstance(value, int | float | Decimal) else value
        for name, value in options.items()
        if value is not None and name not in NOT_IN_CALL
    }
    return json.dumps([function, pairs, said], sort_keys=True)


def call_file(text: str) -> str:
    return f"{CALLS}/{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.json"


def record_call(folder: Folder, text: str, shelf: str, columns: Sequence[str], model: str) -> None:
    """columns: of the shelf, without its key. Raises OSError."""
    name = call_file(text)
    content = json.dumps(
        {"call": json.loads(text), "shelf": shelf, "columns": list(columns), "model": model}, indent=1
    ).encode()
    if not folder.exists(name) or folder.read(name) != content:
        folder.publish(name, content)
