"""The account of a session: what each call of each statement did, and which inputs got no answer."""

from __future__ import annotations

import itertools
import platform
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inlay.arrays import Bools
from inlay.engine.distinct import DistinctCounter
from inlay.engine.resolve import Usage
from inlay.execution.records import EXCERPT, LedgerRow, RowError, Unsure
from inlay.functions.cascade.guarantee import Certificate
from inlay.locks import new_lock
from inlay.models.ref import ModelRef
from inlay.store.account import now_text
from inlay.store.keys import Keys

ERRORS_KEPT = 10_000
STATEMENTS_KEPT = 10_000

# A plain call through a cursor without macros cannot say which statement it belongs to; calls this close together
# are taken for one.
SAME_STATEMENT_S = 1.0


_entries = itertools.count(1)


@dataclass
class Entry:
    """One call of one statement, still being added to. seconds: time during which at least one of its chunks was
    being answered."""

    statement: int
    function: str
    model: str
    number: int
    node: str = ""
    fingerprint: str = ""
    started_at: str = ""
    loading_seconds: float = 0.0
    cost: float = 0.0
    device: str = ""
    rows: int = 0
    known: int = 0
    inferred: int = 0
    failed: int = 0
    truncated: int = 0
    blank: int = 0
    unsure: int = 0
    repaired: int = 0
    tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    distinct: DistinctCounter = field(default_factory=DistinctCounter)
    running: int = 0
    began: float = 0.0
    last: float = 0.0

    def known_and_inferred(self) -> tuple[int, int]:
        """Both together with the failed are the distinct inputs. Where those are estimated, a new input that falls on
        the place of an earlier one was taken for it; such are shared out."""
        counted = self.known + self.inferred
        if not counted:
            return 0, 0
        total = max(counted, len(self.distinct) - self.failed)
        known = round(self.known * total / counted)
        return known, total - known

    def row(self, statement: int) -> LedgerRow:
        """As it is now, under this number of the statement."""
        known, inferred = self.known_and_inferred()
        return LedgerRow(
            statement=statement,
            function=self.function,
            model=self.model,
            rows=self.rows,
            distinct_inputs=len(self.distinct),
            known=known,
            inferred=inferred,
            failed=self.failed,
            truncated=self.truncated,
            blank=self.blank,
            unsure=self.unsure,
            repaired=self.repaired,
            tokens=self.tokens,
            output_tokens=self.output_tokens,
            seconds=round(self.seconds, 3),
            device=self.device,
            node=self.node,
            cost=self.cost,
        )


class Ledger:
    """Thread-safe; keeps the latest STATEMENTS_KEPT calls and ERRORS_KEPT errors."""

    def __init__(self) -> None:
        self._lock = new_lock()
        self._entries: dict[tuple[int, str, str, str], Entry] = {}
        self._of_statement: dict[int, list[Entry]] = {}
        self._errors: deque[RowError] = deque(maxlen=ERRORS_KEPT)
        self._unsure: deque[Unsure] = deque(maxlen=ERRORS_KEPT)
        self._certificates: deque[tuple[Entry, dict[str, Any]]] = deque(maxlen=STATEMENTS_KEPT)
        self._unnamed = -1
        self._foreseen: dict[tuple[str, bytes], str] = {}

    def begin(
        self, statement: int | None, function: str, model: ModelRef, call: str, n_rows: int, node: str = ""
    ) -> Entry:
        """statement None: the caller could not tell; `call` tells apart two calls of one function. node: the dbt node
        that asks."""
        now = time.monotonic()
        with self._lock:
            if statement is None:
                latest = self._entries.get((self._unnamed, function, model.name, call))
                if latest is None or (not latest.running and now - latest.last > SAME_STATEMENT_S):
                    self._unnamed -= 1
                statement = self._unnamed
            key = (statement, function, model.name, call)
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = Entry(
                    statement, function, model.name, next(_entries), node, model.fingerprint, now_text()
                )
                self._of_statement.setdefault(statement, []).append(entry)
                while len(self._entries) > STATEMENTS_KEPT:
                    oldest = self._entries.pop(next(iter(self._entries)))
                    self._of_statement.pop(oldest.statement, None)
            if not entry.running:
                entry.began = now
            entry.running += 1
            entry.rows += n_rows
        return entry

    def count(
        self, entry: Entry, keys: Keys, known: Bools, failed: Mapping[int, str], usage: Usage, model: ModelRef,
        unsure: Mapping[int, Unsure] | None = None,
    ) -> list[Unsure]:  # fmt: skip
        """Adds the distinct inputs of one chunk; an input that this statement has had before is not counted again.
        usage: what they took of the model. unsure: by place, whose answer was not sure enough; those of them are
        returned that the statement has not had before."""
        with self._lock:
            new = entry.distinct.add(keys)
            bad = np.zeros(len(new), dtype=np.bool_)
            bad[list(failed)] = True
            left = [each for place, each in (unsure or {}).items() if new[place]]
            entry.unsure += len(left)
            self._unsure.extend(left)
            entry.failed += int(np.count_nonzero(new & bad))
            entry.known += int(np.count_nonzero(new & ~bad & known))
            entry.inferred += int(np.count_nonzero(new & ~bad & ~known))
        self.spent(entry, usage, model)
        return left

    def spent(self, entry: Entry, usage: Usage, model: ModelRef) -> None:
        """Adds what was asked of a model, whatever became of it."""
        with self._lock:
            entry.tokens += usage.tokens
            entry.output_tokens += usage.output_tokens
            entry.truncated += usage.truncated
            entry.repaired += usage.repaired
            entry.cost += model.cost(usage.tokens, usage.output_tokens)
            entry.loading_seconds += usage.loading_seconds

    def blank(self, entry: Entry, n_rows: int) -> None:
        """Rows that no model is asked about."""
        with self._lock:
            entry.blank += n_rows

    def end(self, entry: Entry, device: str) -> None:
        now = time.monotonic()
        with self._lock:
            entry.device = device or entry.device
            entry.running -= 1
            entry.last = now
            if not entry.running:
                entry.seconds += now - entry.began

    def clear(self) -> None:
        with self._lock:
            for each in (self._entries, self._of_statement, self._errors, self._unsure, self._certificates):
                each.clear()

    def fail(self, function: str, model: str, text: str, error: str) -> None:
        with self._lock:
            self._errors.append(RowError(function, model, text[:EXCERPT], error))

    def foresee(self, signature: str, keys: Keys, errors: Mapping[int, str]) -> None:
        """These inputs failed while a statement was answered ahead, and are listed; should it need them, it stops there
        and asks no model again. errors: by place."""
        with self._lock:
            for place, reason in errors.items():
                self._foreseen[signature, keys[place].tobytes()] = reason
            while len(self._foreseen) > ERRORS_KEPT:
                self._foreseen.pop(next(iter(self._foreseen)))

    @property
    def foresees(self) -> bool:
        return bool(self._foreseen)

    def take_foreseen(self, signature: str, keys: Keys) -> dict[int, str]:
        """By place, why inputs are known to fail; each is told once."""
        with self._lock:
            found = {i: self._foreseen.pop((signature, key.tobytes()), None) for i, key in enumerate(keys)}
        return {place: reason for place, reason in found.items() if reason is not None}

    def rows(self, statement: int | None = None) -> list[LedgerRow]:
        """Statements in the order in which they began, numbered from 1. statement: of the one that began with this
        number alone."""
        with self._lock:
            return _numbered(self._entries.values() if statement is None else self._of_statement.get(statement, []))

    def account_rows(self) -> list[dict[str, Any]]:
        """What a result store keeps of each call."""
        host = platform.node()
        with self._lock:
            entries = list(self._entries.values())
            return [
                {
                    **vars(row), "started_at": entry.started_at, "fingerprint": entry.fingerprint,
                    "loading_seconds": round(entry.loading_seconds, 3), "host": host,
                }
                for row, entry in zip(_numbered(entries), entries, strict=True)
            ]  # fmt: skip

    def certify(self, entry: Entry, proxy: str, question: str, certificate: Certificate) -> None:
        """Adds what a cascade promised for one question of a call."""
        about = {
            "decided_at": now_text(), "node": entry.node, "function": entry.function, "question": question,
            "model": entry.model, "proxy": proxy,
        }  # fmt: skip
        with self._lock:
            self._certificates.append((entry, {**about, **vars(certificate)}))

    def certificate_rows(self) -> list[dict[str, Any]]:
        """Oldest first; statements have the numbers of rows()."""
        with self._lock:
            numbers: dict[int, int] = {}
            for entry in self._entries.values():
                numbers.setdefault(entry.statement, len(numbers) + 1)
            return [{"statement": numbers.get(entry.statement), **row} for entry, row in self._certificates]

    def unsure(self) -> list[Unsure]:
        with self._lock:
            return list(self._unsure)

    def errors(self) -> list[RowError]:
        with self._lock:
            return list(self._errors)


def _numbered(entries: Iterable[Entry]) -> list[LedgerRow]:
    """Their statements are numbered from 1, in this order."""
    numbers: dict[int, int] = {}
    return [entry.row(numbers.setdefault(entry.statement, len(numbers) + 1)) for entry in entries]
