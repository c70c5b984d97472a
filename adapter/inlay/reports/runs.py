"""What runs asked of models: read from a store's account, or from a session that has no store, and added up."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from inlay.errors import ConfigError
from inlay.execution.session import Session
from inlay.functions.risk import Risk, risks
from inlay.store.account import read_certificates, read_errors, read_ledger, read_unsure, run_names
from inlay.store.folder import Folder

Row = Mapping[str, Any]

RECENT_RUNS = 30
"""Runs that are compared in the page."""


@dataclass(frozen=True)
class Total:
    """Calls added up, as the ledger counts them."""

    rows: int = 0
    distinct_inputs: int = 0
    known: int = 0
    inferred: int = 0
    failed: int = 0
    tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    loading_seconds: float = 0.0
    cost: float = 0.0

    @classmethod
    def of(cls, calls: Iterable[Row]) -> Total:
        listed = list(calls)
        return cls(**{name: sum(call.get(name) or 0 for call in listed) for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class Report:
    """source: where it was read. calls: of the ledger, in the order in which they began. recent: the store's latest
    runs, oldest first. unsure: what was not sure enough to be answered. risks: of the heads and calibrations."""

    source: str
    calls: Sequence[Row]
    failures: Sequence[Row]
    certificates: Sequence[Row]
    recent: Sequence[tuple[str, Total]] = ()
    unsure: Sequence[Row] = ()
    risks: Sequence[Risk] = ()

    @property
    def runs(self) -> list[str]:
        return list(dict.fromkeys(call["run"] for call in self.calls if call.get("run")))

    def totals(self, key: Callable[[Row], Hashable]) -> dict[Any, Total]:
        """Sums by a key, in the order in which the keys first came."""
        groups: dict[Hashable, list[Row]] = {}
        for call in self.calls:
            groups.setdefault(key(call), []).append(call)
        return {name: Total.of(calls) for name, calls in groups.items()}


def stored_report(folder: Folder, heads: str, *, runs: Sequence[str] = (), latest: int = 1) -> Report:
    """Of the runs whose names begin so, and without any of the latest ones. heads: their folder. Raises ConfigError
    where there are none."""
    names = run_names(folder)
    chosen = [name for name in names if name.startswith(tuple(runs))] if runs else names[-latest:]
    if not chosen:
        known = f"The latest: {', '.join(names[-3:])}." if names else "No run has used it yet."
        what = f"no run whose name begins with {' or '.join(runs)}" if runs else "no run"
        raise ConfigError(f"the store {folder.address} has {what}. {known}")
    recent = [(name, Total.of(read_ledger(folder, [name]).to_pylist())) for name in names[-RECENT_RUNS:]]
    return Report(
        folder.address,
        read_ledger(folder, chosen).to_pylist(),
        read_errors(folder, chosen).to_pylist(),
        read_certificates(folder, chosen).to_pylist(),
        recent,
        read_unsure(folder, chosen).to_pylist(),
        list(risks(Path(heads))),
    )


def session_report(session: Session, run: str = "") -> Report:
    """Of this session where it has asked anything, and otherwise of the latest run in its store. run: of the run in its
    store whose name begins so."""
    calls = [] if run else session.ledger.account_rows()
    if session.store is not None and session.account is not None and (session.store.writable or not calls):
        session.close_account()
        named = [run] if run else [session.account.run] if calls else []
        return stored_report(session.store.folder, session.settings.heads, runs=named)
    if not calls:
        raise ConfigError(
            "there is nothing to report: this session has asked no model, and keeps no account of others. Name a store "
            "in inlay.toml, or in the plugin's config: {store: .inlay}"
        )
    failures = [{"node": "", **vars(error), "inputs": [error.input]} for error in session.ledger.errors()]
    unsure = [vars(each) for each in session.ledger.unsure()]
    found = list(risks(Path(session.settings.heads)))
    return Report("this session", calls, failures, session.ledger.certificate_rows(), (), unsure, found)


def began(call: Row) -> float:
    return datetime.fromisoformat(call["started_at"]).timestamp()
