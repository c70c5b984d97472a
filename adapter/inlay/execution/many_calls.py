"""Of a statement with many calls: which need no inputs of their own, and which are made though they are answered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Any

from inlay.execution.answer_tables import HeldAnswers, question_of
from inlay.execution.context import Context
from inlay.execution.session import Session
from inlay.parsing.statement import Call, Statement
from inlay.planner.crowds import crowded
from inlay.planner.gather import asked_by, asks_every_row
from inlay.planner.plan import Plan

ROW_BYTES = 5_000
"""What is kept of the model's work for one input, at most, unless it is a long reply."""


class ManyCalls:
    """crowded: calls beyond those that DuckDB plans quickly as lookups."""

    def __init__(self, session: Session, context: Context, plan: Plan) -> None:
        self._session = session
        self._context = context
        self.crowded = crowded(plan.statement, plan.stages)
        self._n_alike = Counter(question_of(plan.statement.calls[number]) for number in plan.stages)
        self._of_every_row: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)

    def asked_by(self, statement: Statement, call: Call) -> int | None:
        """An equal call that is answered, of which all inputs of a call are."""
        return asked_by(statement, call.number, self._of_every_row[question_of(call)])

    def asked(self, statement: Statement, call: Call, staged: Collection[int], every: bool) -> None:
        """Notes that a call is answered, for every input or some. staged: the calls that were looked up meanwhile."""
        question = question_of(call)
        if every and self._n_alike[question] > 1 and asks_every_row(statement, call.number, staged):
            self._of_every_row[question].append(call.number)

    def is_made(self, call: Call, held: HeldAnswers) -> bool:
        """Whether an answered call is made all the same, and finds its answers, and the same ones."""
        if call.number not in self.crowded or call.detail or self._context.is_dry:
            return False
        if self._session.binding.has_targets(call.spec.name, held[call.number].options):
            return False
        tables = {table.name: table for table in held.values()}.values()
        size = sum(table.n_bytes + ROW_BYTES * table.n_rows for table in tables)
        store = self._context.store
        return (store is not None and store.writable) or size < self._context.cache.budget_bytes // 4
