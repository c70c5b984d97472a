"""What became of each call of a planned statement while it was answered."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from inlay.execution.ledger import Ledger
from inlay.execution.records import CallWork


@dataclass
class Staged:
    """What became of one call. inputs: distinct ones that were gathered. texts: the queries that they came from. reads:
    of the early stops that it is part of, the calls whose answers decide what is asked. work: by model, what was done
    for it."""

    inputs: int = 0
    texts: list[str] = field(default_factory=list)
    reads: set[int] = field(default_factory=set)
    work: dict[str, CallWork] = field(default_factory=dict)

    def noted(self, texts: Iterable[str]) -> Iterator[str]:
        """The same queries; each is noted as it is taken."""
        for text in texts:
            self.texts.append(text)
            yield text


class Stages(defaultdict[int, Staged]):
    """By the call's number. ledger, statement: where the work is read from."""

    def __init__(self, ledger: Ledger, statement: int) -> None:
        super().__init__(Staged)
        self._ledger = ledger
        self._statement = statement
        self._working: int | None = None

    @contextlib.contextmanager
    def working_for(self, number: int) -> Iterator[None]:
        """What is done meanwhile is put down to this call."""
        staged = self[number]
        if number == self._working:  # a join that asks every pair
            yield
            return
        before, working = self.work_so_far(), self._working
        self._working = number
        try:
            yield
        finally:
            self._working = working
        for model, work in self.work_so_far().items():
            if (new := work - before.get(model, CallWork())) != CallWork():
                staged.work[model] = staged.work.get(model, CallWork()) + new

    def work_so_far(self) -> dict[str, CallWork]:
        """By model."""
        rows = defaultdict(list)
        for row in self._ledger.rows(self._statement):
            rows[row.model].append(row)
        return {model: CallWork.of(each) for model, each in rows.items()}
