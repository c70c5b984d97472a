"""The composition root: one Session per DuckDB database instance, holding what its functions need.

What answers calls is imported with the first call: a connection that is attached and calls nothing does without arrow,
engine and store.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inlay.errors import NotAttachedError
from inlay.execution.mentions import Mentions
from inlay.functions.configured import configured_definitions
from inlay.functions.spec import FunctionSpec
from inlay.locks import new_reentrant_lock
from inlay.planner.aggregates import of_list
from inlay.settings.schema import Settings

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from inlay.engine.limits import Limits
    from inlay.engine.result_cache import ResultCache
    from inlay.execution.answer_tables import HeldAnswers
    from inlay.execution.answering import Answered, Rows
    from inlay.execution.binding import Binding, BoundCall
    from inlay.execution.context import Context
    from inlay.execution.ledger import Ledger
    from inlay.models.ref import ModelRef
    from inlay.parsing.statement import Specs
    from inlay.planner.macro import Macro
    from inlay.store.account import Account
    from inlay.store.results import Store

_numbers = itertools.count(1)


class Session:
    """Settings, definitions, models, results, limits and account of one database instance."""

    settings: Settings
    specs: dict[str, FunctionSpec]
    called: Specs
    """Scalar functions and aggregates, and their try_ twins."""
    mentions: Mentions
    store: Store | None = None
    account: Account | None = None

    def __init__(self, settings: Settings) -> None:
        self.number = next(_numbers)
        self.attached = True
        self._lock = new_reentrant_lock()
        self._binding: Binding | None = None
        self._context: Context | None = None
        self._opened: tuple[str | None, str] = (None, "")
        self.contexts: dict[int, Context] = {}  # of connections that have one of their own
        self.examples: dict[int | None, Mapping[str, Any]] = {}  # see Queries.examples, of each connection's statement
        self.ahead: dict[int | None, HeldAnswers] = {}  # by connection, of a statement that is running on it
        self.create_twins: Callable[[duckdb.DuckDBPyConnection], None] = lambda con: None  # see client/macros.py
        self.views: frozenset[str] = frozenset()  # those of the database that the latest planned statement saw
        self.macros: Mapping[str, Sequence[Macro]] | None = None  # that call a model, as they were when last read
        self._recorded: set[str] = set()
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Takes new settings. What is known stays known, since keys hold everything that can change an answer, and what
        was spent of a limit stays spent."""
        specs = configured_definitions(settings)
        where = (settings.store, settings.store_mode)
        if where != self._opened:  # with the same store, its index and this run's account go on
            self.store, self.account = open_store(settings)
            self._opened = where
        self.settings, self.specs = settings, specs
        self.called = {
            (settings.prefix + name).lower(): (spec, name == spec.try_name)
            for spec in specs.values()
            if not spec.is_table and spec.answer is not None  # a user's macro is DuckDB's to expand
            for name in (spec.name, spec.try_name)
        }
        self.called |= {of_list(name): kind for name, kind in self.called.items() if kind[0].kind == "aggregate"}
        self.mentions = Mentions(specs.values(), settings.prefix).with_views_of(getattr(self, "mentions", None))
        self.macros = None
        self._recorded.clear()  # another default model answers the same words
        with self._lock:
            self._binding = None
            if self._context is not None:
                self._context = self._context.under(settings, self.store, self.account)

    @property
    def binding(self) -> Binding:
        with self._lock:
            if self._binding is None:
                from inlay.execution.binding import Binding

                self._binding = Binding(self.settings, self.specs)
            return self._binding

    @property
    def context(self) -> Context:
        """Of statements for which nobody has said otherwise; see within()."""
        with self._lock:
            if self._context is None:
                from inlay.execution.context import Context

                self._context = Context.of_session(self.settings, self.store, self.account)
            return self._context

    @property
    def ledger(self) -> Ledger:
        return self.context.ledger

    @property
    def limits(self) -> Limits:
        return self.context.limits

    @property
    def cache(self) -> ResultCache:
        return self.context.cache

    def context_of(self, connection: int | None) -> Context:
        return self.context if connection is None else self.contexts.get(connection, self.context)

    @contextlib.contextmanager
    def within(self, connection: int, context: Context) -> Iterator[None]:
        """What this one connection runs meanwhile runs in another context; others notice nothing."""
        before = self.contexts.get(connection)
        self.contexts[connection] = context
        try:
            yield
        finally:
            if before is None:
                del self.contexts[connection]
            else:
                self.contexts[connection] = before

    @contextlib.contextmanager
    def knowing(self, connection: int | None, held: HeldAnswers) -> Iterator[None]:
        """Calls that DuckDB makes meanwhile on a connection look for their answers in these first."""
        self.ahead[connection] = held
        try:
            yield
        finally:
            del self.ahead[connection]

    def model(self, name: str, function: str | None = None) -> ModelRef:
        """The described model of a registered name. Raises UnknownModelError, or what describing it raises."""
        return self.binding.model(name, function)

    def bound(self, function: str, labels: Any, options: Mapping[str, Any], context: Context) -> BoundCall:
        """The checked call; a store that may be written to learns of it. Raises ConfigError or ModelError."""
        call = self.binding.bound(function, labels, options)
        # Which result set answers a call that adapts is not known before its inputs are.
        is_fixed = call.bound.adapted is None and not context.is_dry
        if self.store is not None and self.store.writable and is_fixed and call.text not in self._recorded:
            self._recorded.add(call.text)
            call.record(self.store, self.binding.structure(call.spec, labels) if call.spec.typed else None)
        return call

    def answered(
        self, function: str, labels: Any, options: Mapping[str, Any], rows: Rows, context: Context, *, detail: bool
    ) -> Answered:
        """Raises NotAttachedError, ConfigError or ModelError before any row is touched, and RowsFailedError when rows
        failed and on_error is 'raise'."""
        if not self.attached:
            raise NotAttachedError(
                f"{function}: inlay was detached from this database. Attach again: inlay.attach(con)"
            )
        from inlay.execution.answering import answer

        return answer(context, self.bound(function, labels, options, context), rows, detail=detail)

    def answer(
        self,
        function: str,
        columns: list[pa.Array],
        labels: Any,
        options: Mapping[str, Any],
        *,
        statement: int | None = None,
        detail: bool = False,
        connection: int | None = None,
    ) -> pa.Array:
        """One value per row of `columns`, which are of equal length; NULL where any of them is NULL. detail: the struct
        of try_ai_*. Raises as answered()."""
        from inlay.execution.answering import Rows

        if isinstance(relation := options.get("examples"), str):
            options = {**options, "examples": self.examples.get(connection, {}).get(relation, relation)}
        held = None if detail else self.ahead.get(connection)
        if held is not None and (known := held.answers_to(function, columns, labels, options)) is not None:
            return known
        rows = Rows(columns, statement, str(options.get("node") or ""))
        found = self.answered(function, labels, options, rows, self.context_of(connection), detail=detail)
        return found.details() if detail else found.values()

    def forget_results(self) -> None:
        if self._context is not None:
            self._context.cache.clear()

    def begin_anew(self) -> None:
        """In a forked child: the account of the parent's work is the parent's."""
        if self._context is not None:
            self._context.ledger.clear()
        if self.account is not None:
            self.account.begin_run()

    def close_account(self) -> None:
        """Writes the ledger as it is now."""
        if self.account is not None and self._context is not None:
            self.account.write(self._context.ledger.account_rows, now=True)


def open_store(settings: Settings) -> tuple[Store | None, Account | None]:
    """The store of the settings and this run's account in it; none where there is none."""
    if not settings.store or settings.store_mode == "off":
        return None, None
    from inlay.store.account import Account
    from inlay.store.results import Store

    store = Store(settings.store, settings.store_mode)
    return store, Account(store)
