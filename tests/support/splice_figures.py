"""What a run over many statements comes to: differences, inputs, what was answered ahead, and the CPU of planning."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median, quantiles
from typing import Any

from inlay.execution.queries import UNBOUND
from inlay.execution.statement import prepare
from inlay.parsing.tokens import words
from inlay.parsing.unplannable import Unplannable
from support.outcomes import Outcome, asks_more

SHORT = 50
"""Tokens of a short statement."""


@dataclass
class Figures:
    """n_asking: statements that run, define no view and ask a model where they are not planned; n_ahead: of these, those
    that have asked it everything before DuckDB comes to their rows; n_without_calls: those for which it then makes no
    call at all. plain, planned: inputs that the models were asked for by
    the statements that are equal; n_more: statements that asked for more planned. short_ms, long_ms: of planning, by the number of tokens."""

    n_statements: int = 0
    n_refused: int = 0
    n_other: int = 0
    n_more: int = 0
    n_asking: int = 0
    n_ahead: int = 0
    n_without_calls: int = 0
    plain: int = 0
    planned: int = 0
    short_ms: list[float] = field(default_factory=list)
    long_ms: list[float] = field(default_factory=list)

    def add(self, sql: str, plain: Outcome, planned: Outcome, other: str | None) -> None:
        self.n_statements += 1
        self.n_other += other is not None
        self.n_more += asks_more(plain, planned)
        self.n_refused += planned.error is not None
        if planned.error is not None or plain.error is not None:
            return
        if plain.inferred and "create view" not in sql:
            self.n_asking += 1
            self.n_ahead += planned.asked_by_calls == 0
            self.n_without_calls += planned.by_calls == 0
        if other is None:
            self.plain += plain.inferred
            self.planned += planned.inferred

    def planned_in(self, sql: str, ms: float | None) -> None:
        if ms is not None:
            (self.short_ms if len(words(sql)) <= SHORT else self.long_ms).append(ms)

    def as_property(self) -> dict[str, Any]:
        """For a test's report, which goes from process to process."""
        return asdict(self)

    def __str__(self) -> str:
        every = sorted([*self.short_ms, *self.long_ms])
        lines = [
            f"{self.n_statements:,} statements, {self.n_refused:,} of them refused; {self.n_other:,} differ, "
            f"{self.n_more:,} ask for more inputs than plain",
            f"inputs asked for: {self.planned:,} planned, {self.plain:,} plain: {self.planned / max(self.plain, 1):.3f}",
            f"answered ahead: {self.n_ahead:,} of {self.n_asking:,} that ask a model and define no view: "
            f"{self.n_ahead / max(self.n_asking, 1):.1%}; with no call left in them: "
            f"{self.n_without_calls / max(self.n_asking, 1):.1%}",
        ]
        if len(every) > 1:
            lines.append(
                f"planning, ms of the CPU with known answers: median {median(self.short_ms or every):.1f} of up to {SHORT} "
                f"tokens, 95th percentile of all {quantiles(every, n=20)[-1]:.1f}, most {every[-1]:.1f}"
            )
        return "\n".join(lines)


def together(parts: Iterable[dict[str, Any]]) -> Figures:
    found = Figures()
    for part in parts:
        for name, value in part.items():
            setattr(found, name, getattr(found, name) + value)
    return found


def planning_ms(con: Any, sql: str) -> float | None:
    """CPU of all threads to plan a statement whose answers are known; None where it is not planned."""
    began = time.process_time()
    try:
        prepare(con._session, con.duckdb, sql)
    except (Unplannable, *UNBOUND):
        return None
    return 1e3 * (time.process_time() - began)
