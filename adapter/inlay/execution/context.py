"""What one statement runs in: who answers, who keeps the account, what may be spent. Immutable, and passed down; a dry
run is the same statement in another context."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from inlay.engine.cancel import Token
from inlay.engine.executors.models import Models
from inlay.engine.limits import Limits
from inlay.engine.loaded import device_of
from inlay.engine.pool import endpoint_devices
from inlay.engine.resolve import Executor, OnProgress, Work
from inlay.engine.result_cache import ResultCache
from inlay.execution.ledger import Entry, Ledger
from inlay.execution.progress import Progress
from inlay.models.ref import ModelRef
from inlay.settings.schema import Settings
from inlay.store.account import Account
from inlay.store.results import Store

if TYPE_CHECKING:
    from inlay.execution.answering import Answered
    from inlay.parsing.statement import Call


class Guesses(Protocol):
    """Stands in for answers that are not known, where a statement is only planned."""

    def fill(self, call: Call, written: str, table: str, labels: Any, answered: Answered) -> pa.StructArray:
        """The answers in the struct of try_ai_*, with guesses for those that are pending. written: the call as it
        stands in the statement. table: that it is looked up in."""
        ...

    def n_unknown(self, table: str) -> int:
        """Of the answers in a table, how many are guesses."""
        ...


@dataclass(frozen=True)
class Context:
    """executor: answers what nobody knows. guesses: of a dry run, what stands for answers that nobody knows; None
    leaves them NULL. keep_numbers, keep_inputs, most_loaded_bytes: as of Work."""

    executor: Executor
    ledger: Ledger
    limits: Limits
    progress: Progress
    cache: ResultCache
    store: Store | None
    account: Account | None
    keep_numbers: bool = True
    keep_inputs: bool = False
    most_loaded_bytes: int | None = None
    guesses: Guesses | None = None

    @classmethod
    def of_session(cls, settings: Settings, store: Store | None, account: Account | None) -> Context:
        """Where models answer, and nothing was spent yet."""
        fresh = cls(Models(), Ledger(), Limits(), Progress("off"), ResultCache(0), store, account)
        return fresh.under(settings, store, account)

    def under(self, settings: Settings, store: Store | None, account: Account | None) -> Context:
        """The same under other settings: what is in memory and in the ledger stays, and so does what was spent."""
        self.cache.budget_bytes = settings.memory_mb * 1_000_000
        self.limits.limit(settings)
        return replace(
            self, progress=Progress(settings.progress), store=store, account=account,
            keep_numbers=settings.store_vectors, keep_inputs=settings.store_inputs,
            most_loaded_bytes=None if settings.loaded_memory_mb is None else settings.loaded_memory_mb * 1_000_000,
        )  # fmt: skip

    @property
    def is_dry(self) -> bool:
        """Whether no model is asked."""
        return not self.executor.claims

    def dry(self, executor: Executor, guesses: Guesses | None = None) -> Context:
        """The same where nothing is asked of a model: with an account of its own, of which nothing is kept."""
        return replace(
            self, executor=executor, ledger=Ledger(), account=None, progress=Progress("off"), guesses=guesses
        )

    def unaccounted(self) -> Context:
        """The same with what is asked in no ledger."""
        return replace(self, ledger=Ledger(), account=None)

    def work(self, entry: Entry | None = None, on_progress: OnProgress | None = None) -> Work:
        """entry: the line of the ledger that it is done for; without one, nobody's."""
        owner = None if entry is None else entry.number
        return Work(
            self.executor, self.cache, self.store, self.limits, Token(), owner, on_progress,
            self.keep_numbers, self.keep_inputs, most_loaded_bytes=self.most_loaded_bytes,
        )  # fmt: skip

    @contextlib.contextmanager
    def entry(
        self, statement: int | None, function: str, model: ModelRef, call: str, n_rows: int, node: str
    ) -> Iterator[Entry]:
        """A line of the ledger, open while the call is answered; see Ledger.begin()."""
        entry = self.ledger.begin(statement, function, model, call, n_rows, node)
        try:
            yield entry
        finally:
            self.ledger.end(entry, _device(model) if entry.tokens or entry.inferred else "")
            if self.account is not None:
                self.account.write(self.ledger.account_rows)


def _device(model: ModelRef) -> str:
    return device_of(model.fingerprint) or endpoint_devices().get(model.fingerprint, "")
