"""The plan of `inlay plan`: per dbt model or statement what is known, what is to infer, and what that would take."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inlay.engine.cancel import Token
from inlay.engine.foresight import Foresight, measure
from inlay.engine.inference import Inference
from inlay.engine.limits import Limits
from inlay.errors import BudgetExceededError
from inlay.ledger import Ledger
from inlay.session import Session
from inlay.store.account import read_ledger


@dataclass(frozen=True)
class Line:
    """One call: rows that reach it, distinct inputs, how many of them are known or to infer, tokens to read."""

    node: str
    function: str
    model: str
    rows: int
    distinct: int
    known: int
    to_infer: int
    tokens: int


@dataclass(frozen=True)
class Plan:
    """inputs: texts and pairs that models would read, labels among them. seconds: of inference and of loading models,
    by model; None where no speed is known. cost: money."""

    lines: list[Line]
    inputs: int
    seconds: Mapping[str, float | None]
    sources: Mapping[str, str]
    cost: float

    @property
    def tokens(self) -> int:
        return sum(line.tokens for line in self.lines)

    @property
    def to_infer(self) -> int:
        return sum(line.to_infer for line in self.lines)

    @property
    def total_seconds(self) -> float | None:
        """None when the time of any model is unknown."""
        known = [seconds for seconds in self.seconds.values() if seconds is not None]
        return sum(known) if len(known) == len(self.seconds) else None

    def hold_against(self, limits: Limits) -> None:
        """Raises BudgetExceededError where the plan would pass a limit."""
        limits.foresee(self.inputs, self.tokens, self.total_seconds, self.cost)


def plan_of(session: Session, foresight: Foresight, inference: Inference, *, may_measure: bool) -> Plan:
    """After a run in which nothing was inferred: what it counted, and how long that will take.

    The speed of a model is that of earlier runs on this machine, read from the store's ledger; where there are none,
    may_measure lets a sample of the inputs be inferred now, and kept, unless the plan passes a limit.
    """
    lines = [
        Line(
            node=row["node"] or f"statement {row['statement']}",
            function=row["function"], model=row["model"], rows=row["rows"], distinct=row["distinct_inputs"],
            known=row["known"], to_infer=row["inferred"], tokens=row["tokens"],
        )
        for row in session.ledger.account_rows()
    ]  # fmt: skip
    seconds: dict[str, float | None] = {}
    sources: dict[str, str] = {}
    models = foresight.needed.values()
    inputs = sum(needed.inputs for needed in models)
    cost = sum(needed.tokens / 1e6 * needed.ref.cost_per_million_tokens for needed in models)
    try:
        inference.limits.foresee(inputs, sum(needed.tokens for needed in models), None, cost)
    except BudgetExceededError:
        may_measure = False  # refused before the first call means before the sample's too
    past = speeds(session)
    for name, needed in foresight.needed.items():
        if not needed.inputs:
            continue
        speed = past.get(needed.ref.fingerprint)
        if speed is not None:
            tokens_per_second, loading = speed
            seconds[name], sources[name] = loading + needed.tokens / tokens_per_second, "earlier runs"
        elif may_measure:
            loading = inference.load(needed.ref)
            measured = measure(inference, needed, Token())
            seconds[name] = None if measured is None else loading + needed.tokens / measured
            sources[name] = f"{len(needed.sample)} inputs, measured now"
        else:
            seconds[name], sources[name] = None, "never run on this machine"
    return Plan(lines, inputs, seconds, sources, cost)


def speeds(session: Session) -> dict[str, tuple[float, float]]:
    """Fingerprint → (tokens a second, seconds to load) of the runs on this machine, by the store's ledger; without a
    store, of what this session ran."""
    if session.store is None and session.planning:
        return {}
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    rows: list[dict[str, Any]] = (
        session.ledger.account_rows() if session.store is None else read_ledger(session.store.folder).to_pylist()
    )
    for row in rows:
        if row["host"] == platform.node() and row["tokens"]:
            entry = sums[row["fingerprint"]]
            entry[0] += row["tokens"]
            entry[1] += row["seconds"] - row["loading_seconds"]
            entry[2] = max(entry[2], row["loading_seconds"])
    return {key: (tokens / spent, loading) for key, (tokens, spent, loading) in sums.items() if spent > 0}


def plan_text(plan: Plan) -> str:
    """The plan as people read it: a line per call, then seconds by model, and cost where there is any."""
    head = ["node", "function", "model", "rows", "distinct", "known", "to infer", "tokens"]
    rows = [
        [line.node.split(".")[-1], line.function, line.model]
        + [f"{n:,}" for n in (line.rows, line.distinct, line.known, line.to_infer, line.tokens)]
        for line in plan.lines
    ]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [head, *rows]
    ]
    for name, seconds in plan.seconds.items():
        spent = "unknown" if seconds is None else f"about {seconds:,.1f} s"
        lines.append(f"{name}: {spent} ({plan.sources[name]})")
    if plan.cost:
        lines.append(f"cost: about {plan.cost:,.4f}")
    if not plan.to_infer:
        lines.append("Everything is known: no model would run.")
    return "\n".join(lines)


def begin_plan(session: Session) -> str:
    """From here on the session counts what models would have to do, and has them do nothing."""
    if not session.planning:
        session.plan()
    return ""


def end_plan(session: Session) -> str:
    """The text of the plan since begin_plan(); models run again, and the account begins anew. Raises
    BudgetExceededError where the plan passes a limit."""
    foresight = session.inference
    if not isinstance(foresight, Foresight):
        return ""
    plan = plan_of(session, foresight, foresight, may_measure=False)  # nothing is measured, so no model is needed
    session.configure(session.settings)
    session.ledger = Ledger()
    plan.hold_against(session.inference.limits)
    return plan_text(plan)
