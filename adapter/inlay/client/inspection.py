"""What the tables of a session hold: its models and functions, what its calls did, and what the store keeps of other
runs. A row is a dict, and may have more columns than the table that is shown of it.

Engine and store are imported when a table is read: this module is, when a connection is attached.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inlay.errors import InlayError
from inlay.execution.records import EXCERPT
from inlay.execution.session import Session
from inlay.functions.reference import signature_text
from inlay.settings.read import WITHOUT_FILES

Rows = list[dict[str, Any]]

MEASURES = ("accuracy", "macro_f1", "calibration_error", "answered_at_95", "mean_levels_off", "r2", "mean_error")
"""What a card may say of a head; each of those of its kind."""


def models(session: Session) -> Rows:
    """One row per registered model; a model that is not on this machine is listed with the reason."""
    from inlay.engine.loaded import loaded_models
    from inlay.engine.pool import endpoint_devices
    from inlay.models.locate import local_folder

    rows = []
    in_memory, asked = loaded_models(), endpoint_devices()
    for name, entry in sorted(session.settings.models.items()):
        row: dict[str, Any] = {
            "model": name, "task": entry.task, "source": entry.source, "backend": entry.backend or "torch",
            "width": None, "max_tokens": entry.max_tokens, "fingerprint": None, "device": None, "loaded_mb": None,
            "status": "not on this machine", "is_default": name == session.settings.model,
        }  # fmt: skip
        if entry.source.startswith(WITHOUT_FILES) or local_folder(entry) is not None:
            try:
                ref = session.model(name)
                device, n_bytes = in_memory.get(ref.fingerprint, (asked.get(ref.fingerprint), 0))
                row |= {
                    "task": ref.task, "backend": ref.backend, "width": ref.width, "max_tokens": ref.max_tokens,
                    "fingerprint": ref.fingerprint, "device": device, "loaded_mb": n_bytes / 1e6 or None,
                    "status": "loaded" if device else "here",
                }  # fmt: skip
            except InlayError as error:
                row["status"] = str(error)
        rows.append(row)
    return rows


def functions(session: Session) -> Rows:
    return [
        {
            "name": session.settings.prefix + spec.name, "signature": signature_text(spec), "returns": spec.gives,
            "summary": spec.summary, "nulls": spec.nulls, "cost": spec.cost, "example": spec.example,
        }
        for spec in session.specs.values()
    ]  # fmt: skip


def errors(session: Session) -> Rows:
    return [vars(error) for error in session.ledger.errors()]


def unsure(session: Session) -> Rows:
    """What was not sure enough for the accuracy of its call, the surest first."""
    rows = ({**vars(each), "input": " | ".join(each.inputs)[:EXCERPT]} for each in session.ledger.unsure())
    return sorted(rows, key=lambda row: -(row["confidence"] or 0.0))


def review(session: Session) -> Rows:
    """What got no answer in this session and in every run in the store, best to look at first."""
    from inlay.execution.review import to_review

    errors = ({**vars(each), "node": "", "call": "", "inputs": [each.input]} for each in session.ledger.errors())
    left, failed = [vars(each) for each in session.ledger.unsure()], list(errors)
    if session.store is not None:
        from inlay.store.account import read_errors, read_unsure

        folder = session.store.folder
        stored = [read(folder).to_pylist() for read in (read_unsure, read_errors)]
        # A store that is written to has what this session left already.
        left, failed = stored if session.store.writable else (stored[0] + left, stored[1] + failed)
    return to_review(left, failed)


def heads(session: Session) -> Rows:
    """The current version of every head, by its card."""
    from inlay.models.head_card import all_cards

    return [
        {
            "head": card.name, "version": card.version, "kind": card.kind, "method": card.method, "base": card.base,
            "rows": card.rows, "left_out": card.left_out, "classes": len(card.classes), "answer": card.answer,
            "trained_at": card.trained_at, **{name: card.measures.get(name) for name in MEASURES},
        }
        for card in all_cards(Path(session.settings.heads))
    ]  # fmt: skip


def risk(session: Session) -> Rows:
    """Of every head of classes, what its surest answers would have been worth: by a hundredth of the labelled rows."""
    from inlay.functions.risk import risks

    return [
        {"head": each.card.name, "version": each.card.version, **vars(step)}
        for each in risks(Path(session.settings.heads))
        for step in each.steps()
    ]


def ledger(session: Session) -> Rows:
    return [vars(row) for row in session.ledger.rows()]


def history(session: Session) -> Rows:
    """The ledger of every run in the store, this one included."""
    if session.store is None:
        return []
    from inlay.store.account import read_ledger

    session.close_account()
    rows: Rows = read_ledger(session.store.folder).to_pylist()
    return rows


def failures(session: Session) -> Rows:
    """Every input that got no answer, in every run in the store."""
    if session.store is None:
        return []
    from inlay.store.account import read_errors

    rows = read_errors(session.store.folder).to_pylist()
    return [{**row, "input": " | ".join(row["inputs"])[:EXCERPT]} for row in rows]


def certificates(session: Session) -> Rows:
    """What cascades promised: in this session, and before it in every run in the store."""
    own = session.ledger.certificate_rows()
    run = None if session.account is None else session.account.run
    earlier: Rows = []
    if session.store is not None:
        from inlay.store.account import read_certificates

        earlier = read_certificates(session.store.folder).to_pylist()
    return [row for row in earlier if row["run"] != run] + [{"run": run, **row} for row in own]
