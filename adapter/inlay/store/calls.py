"""Which shelf answers a call as it stands in SQL: what the stored form of a dbt macro looks up at compile time.

    calls/<md5>.json    {"call": …, "shelf": "ai_classify-3f9a…", "columns": ["value", …], "model": "minilm"}
                        and of ai_extract "structure": what from_json() needs to make a STRUCT of its stored JSON

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
    """Canonical JSON of [function, setting, {option: value}], without options that are None or change no answer.

    labels: the call's labels, schema or aspects. A list of them becomes [[label, description or null], …]. A mapping,
    there or among the options, becomes a text, its JSON: its fields stay in order, and the same schema given as a text
    is the same call. Numbers are floats. macros/_call_text.sql builds the same.
    """
    said = {name: _said(value) for name, value in options.items() if value is not None and name not in NOT_IN_CALL}
    setting = _said(labels)
    if isinstance(setting, list | tuple):
        setting = [
            [entry["label"], entry.get("description")]
            if isinstance(entry, Mapping) and "label" in entry
            else [entry, None]
            for entry in setting
        ]
    return json.dumps([function, setting, said], sort_keys=True, default=str)


def read_call(text: str) -> tuple[Any, dict[str, Any]]:
    """(labels, options) out of what call_text() wrote, to ask the same again; and out of what version 0.1.0 wrote of
    failed inputs, {"labels": …, "options": …}."""
    written = json.loads(text)
    if isinstance(written, dict):
        return written["labels"], written["options"]
    _, labels, options = written
    if isinstance(labels, list):
        labels = [{"label": label, "description": description} for label, description in labels]
    return labels, options


def _said(value: Any) -> Any:
    if isinstance(value, Mapping):
        return json.dumps(value, default=str)
    return float(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else value


def call_file(text: str) -> str:
    return f"{CALLS}/{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.json"


def record_call(
    folder: Folder, text: str, shelf: str, columns: Sequence[str], model: str, structure: str | None = None
) -> None:
    """columns: of the shelf, without its key. structure: of the STRUCT that its JSON stands for. Raises OSError."""
    name = call_file(text)
    said = {"call": json.loads(text), "shelf": shelf, "columns": list(columns), "model": model}
    if structure is not None:
        said["structure"] = structure
    content = json.dumps(said, indent=1).encode()
    if not folder.exists(name) or folder.read(name) != content:
        folder.publish(name, content)
