"""Which stored answers no call reads any more, and why: what will be inferred again, told before it happens.

The store knows of each call which result set answered it last (store/calls.py). Here the same call is bound as this
version and these settings bind it: where that leads to another result set, its rows are inferred again, and what
differs between the two questions is the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inlay.errors import InlayError
from inlay.execution.session import Session
from inlay.store.calls import CALLS, read_call
from inlay.store.care.survey import ResultSetFiles, look_at
from inlay.store.folder import Folder
from inlay.store.results import result_set_folder, result_set_name


@dataclass(frozen=True)
class Outdated:
    """A call whose stored answers are read no more. rows: how many. why: in a few words."""

    function: str
    model: str
    rows: int
    why: str


def outdated_calls(session: Session) -> list[Outdated]:
    """Of all calls in the session's store, those of most rows first. Raises OSError for a store that does not
    answer."""
    if session.store is None:
        return []
    folder = session.store.folder
    calls = [name for name in folder.names(CALLS) if name.endswith(".json")]
    found = [each for name in calls for each in _outdated(session, folder, json.loads(folder.read(f"{CALLS}/{name}")))]
    return sorted(found, key=lambda each: (-each.rows, each.function))


def _outdated(session: Session, folder: Folder, entry: Mapping[str, Any]) -> Iterator[Outdated]:
    function, text, shelf = entry["call"][0], json.dumps(entry["call"]), entry["shelf"]
    if function not in session.specs:
        return
    try:
        bound = session.binding.bound(function, *read_call(text))
    except InlayError as error:
        before = look_at(result_set_folder(folder, shelf), shelf)
        yield Outdated(function, entry["model"], _rows(before), f"it is refused now: {error}")
        return
    if bound.bound.adapted is not None:  # which result set that is depends on the inputs
        return
    question = bound.question
    now = result_set_name(question.name, question.signature)
    if now == shelf:
        return
    before = look_at(result_set_folder(folder, shelf), shelf)
    rows = _rows(before) - _rows(look_at(result_set_folder(folder, now), now))
    if rows > 0 and before.manifest:
        yield Outdated(function, bound.model.name, rows, _why(before.manifest, question.parts, bound.model.name))


def _rows(result_set: ResultSetFiles) -> int:
    return sum(part.part.rows for part in result_set.live())


def _why(manifest: Mapping[str, Any], now: Mapping[str, Any], model: str) -> str:
    """What differs between the question of a manifest and that of today."""
    before = manifest["question"]
    reasons = []
    for key in sorted({*before, *now}):
        old, new = before.get(key), json.loads(json.dumps(now.get(key)))
        if old == new or key == "form":
            continue
        if key == "model":
            named = str((manifest.get("model") or {}).get("name", ""))
            reasons.append(f"model {named} → {model}" if named != model else f"the files of model {model} changed")
        elif key in ("version", "numbers"):
            reasons.append(f"version {old} → {new} of what is asked")
        else:
            reasons.append(f"{key} changed")
    return ", ".join(reasons) or "another format"
