"""Which result set answers a call as it is written in SQL: what the stored form of a
dbt macro looks up at compile time.

    calls/<md5>.json    {"call": …, "shelf": "ai_classify-3f9a…", "columns": ["value", …], "model": "minilm"}
                        and for ai_extract "structure": what from_json() needs to make a STRUCT of its stored JSON;
                        where blank texts are answered like others "blank": "ask"

"shelf" is the name of the result set's folder. A call that names no model means the default model, so the file says
which result set the call led to when it was last answered. Every process that answers the call and may write to the
store writes the file. Its name is the MD5 of a text that Jinja can build as well (dbt has no SHA-256); the name is
used to find the file, never to identify a result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from inlay.store.folder import Folder

CALLS = "calls"

# Options that change no answer.
NOT_IN_CALL = {"on_error", "statement", "connection", "node"}


def call_text(function: str, labels: Any, options: Mapping[str, Any]) -> str:
    """Canonical JSON of [function, setting, {option: value}], without options that are None or change no answer.

    labels: the call's labels, schema or aspects. A list of them becomes [[label, description or null], …]. A mapping,
    there or among the options, becomes a text, its JSON: its fields stay in order, and the same schema written as a
    text is the same call. One in a list, an example, stays a mapping. Numbers are floats. macros/_call_text.sql builds
    the same text.
    """
    written = {name: _option(value) for name, value in options.items() if value is not None and name not in NOT_IN_CALL}
    setting = _plain(labels)
    if isinstance(setting, list | tuple):
        setting = [
            [entry["label"], entry.get("description")]
            if isinstance(entry, Mapping) and "label" in entry
            else [entry, None]
            for entry in setting
        ]
    return json.dumps([function, setting, written], sort_keys=True, default=str)


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


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return json.dumps(value, default=str)
    return float(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else value


def _option(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return [{name: _plain(each) for name, each in row.items()} for row in value]
    return _plain(value)


def call_file(text: str) -> str:
    return f"{CALLS}/{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.json"


def record_call(
    folder: Folder,
    text: str,
    result_set: str,
    columns: Sequence[str],
    model: str,
    structure: str | None = None,
    *,
    asks_of_blanks: bool = False,
) -> None:
    """columns: those of the result set but its key. structure: the type of the STRUCT that its JSON becomes.
    asks_of_blanks: whether blank texts have answers of their own.

    Raises OSError.
    """
    name = call_file(text)
    entry = {"call": json.loads(text), "shelf": result_set, "columns": list(columns), "model": model}
    if structure is not None:
        entry["structure"] = structure
    if asks_of_blanks:
        entry["blank"] = "ask"
    content = json.dumps(entry, indent=1).encode()
    if not folder.exists(name) or folder.read(name) != content:
        folder.publish(name, content)
