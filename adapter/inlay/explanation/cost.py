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
from inlay.execution.ledger import Ledger
from inlay.execution.session import Session
from inlay.models.ref import ModelRef
from inlay.store.account import read_ledger
from inlay.tables import Table, plain_text


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
    by model; None where no speed is known. cost: money. output_tokens: that language models would write."""

    lines: list[Line]
    inputs: int
    seconds: Mapping[str, float | None]
    sources: Mapping[str, str]
    cost: float
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        """Read and written."""
        return sum(line.tokens for line in self.lines) + self.output_tokens

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
    past = speeds(session)
    needed = needs(foresight, past)
    try:
        inference.limits.foresee(
            sum(each.inputs for each in needed), sum(each.all_tokens for each in needed), None,
            sum(each.cost for each in needed),
        )  # fmt: skip
    except BudgetExceededError:
        may_measure = False  # refused before the first call means before the sample's too
    seconds: dict[str, float | None] = {}
    sources: dict[str, str] = {}
    if may_measure:
        for each in needed:
            if each.ref.fingerprint not in past:
                past[each.ref.fingerprint] = measured_speed(foresight, inference, each.ref)
                sources[each.ref.name] = f"{_sampled(foresight, each.ref.name):,} inputs, measured now"
        needed = needs(foresight, past)  # a sample's replies have a length
    for each in needed:
        speed = past.get(each.ref.fingerprint)
        if speed is None or not speed.tokens_per_second:
            seconds[each.ref.name], sources[each.ref.name] = None, "never run on this machine"
        else:
            seconds[each.ref.name] = speed.loading_seconds + each.all_tokens / speed.tokens_per_second
            sources.setdefault(each.ref.name, "earlier runs")
    return Plan(
        lines, sum(each.inputs for each in needed), seconds, sources, sum(each.cost for each in needed),
        sum(each.output_tokens for each in needed),
    )  # fmt: skip


@dataclass(frozen=True)
class Speed:
    """tokens_per_second: read and written. reply_tokens: written for one input, on average; 0 of models that write
    nothing, None where nobody knows."""

    tokens_per_second: float
    loading_seconds: float
    reply_tokens: float | None = 0.0


@dataclass(frozen=True)
class Need:
    """What one model would have to do. output_tokens: by the replies of earlier runs, or the most that there may be."""

    ref: ModelRef
    inputs: int
    tokens: int
    output_tokens: int

    @property
    def all_tokens(self) -> int:
        return self.tokens + self.output_tokens

    @property
    def cost(self) -> float:
        return self.ref.cost(self.tokens, self.output_tokens)


def needs(foresight: Foresight, past: Mapping[str, Speed]) -> list[Need]:
    """By model, what a plan has counted; models without work are left out."""
    found = [Need(each.ref, each.inputs, each.tokens, 0) for each in foresight.needed.values() if each.inputs]
    for each in foresight.replies.values():
        if each.prompts:
            speed = past.get(each.ref.fingerprint)
            known = None if speed is None else speed.reply_tokens
            output = each.most_output_tokens if not known else min(each.most_output_tokens, int(known * each.prompts))
            found.append(Need(each.ref, each.prompts, each.tokens, output))
    by_model: dict[str, Need] = {}
    for need in found:  # a language model may be asked for likelihoods and for replies
        other = by_model.get(need.ref.name)
        by_model[need.ref.name] = (
            need
            if other is None
            else Need(
                need.ref,
                need.inputs + other.inputs,
                need.tokens + other.tokens,
                need.output_tokens + other.output_tokens,
            )
        )
    return list(by_model.values())


def _sampled(foresight: Foresight, model: str) -> int:
    samples = (found.sample for found in (foresight.needed.get(model), foresight.replies.get(model)) if found)
    return sum(map(len, samples))


def measured_speed(foresight: Foresight, inference: Inference, ref: ModelRef) -> Speed:
    """Runs a sample of what was counted for this model. The results are kept."""
    loading = 0.0 if ref.endpoint is not None else inference.load(ref)
    sampled = measure(inference, foresight.needed.get(ref.name), foresight.replies.get(ref.name), Token())
    return Speed(sampled.tokens_per_second, loading, sampled.reply_tokens)


def speeds(session: Session) -> dict[str, Speed]:
    """Fingerprint → speed of the runs on this machine, by the store's ledger; without a store, of what this session
    ran."""
    if session.store is None and session.planning:
        return {}
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0] * 5)
    rows: list[dict[str, Any]] = (
        session.ledger.account_rows() if session.store is None else read_ledger(session.store.folder).to_pylist()
    )
    for row in rows:
        if row["host"] == platform.node() and row["tokens"]:
            entry = sums[row["fingerprint"]]
            written = row["output_tokens"] or 0
            entry[0] += row["tokens"] + written
            entry[1] += row["seconds"] - row["loading_seconds"]
            entry[2] = max(entry[2], row["loading_seconds"])
            if written:
                entry[3] += written
                entry[4] += row["inferred"] + row["failed"]
    return {
        key: Speed(tokens / spent, loading, written / replies if replies else None)
        for key, (tokens, spent, loading, written, replies) in sums.items()
        if spent > 0
    }


def plan_text(plan: Plan) -> str:
    """The plan as people read it: a line per call, then seconds by model, and cost where there is any."""
    return "\n".join([plain_text(plan_table(plan)), *plan_notes(plan)])


def plan_table(plan: Plan) -> Table:
    """A row per call."""
    rows = [
        (
            line.node.split(".")[-1], line.function, line.model,
            line.rows, line.distinct, line.known, line.to_infer, line.tokens,
        )
        for line in plan.lines
    ]  # fmt: skip
    titles = ("node", "function", "model", "rows", "distinct", "known", "to infer", "tokens")
    return Table(titles, rows, numbers=range(3, 8))


def plan_notes(plan: Plan) -> list[str]:
    """What stands below the table."""
    lines = []
    for name, seconds in plan.seconds.items():
        spent = "unknown" if seconds is None else f"about {seconds:,.1f} s"
        lines.append(f"{name}: {spent} ({plan.sources[name]})")
    if plan.output_tokens:
        lines.append(f"to write: about {plan.output_tokens:,} tokens")
    if plan.cost:
        lines.append(f"cost: about {plan.cost:,.4f}")
    if not plan.to_infer:
        lines.append("Everything is known: no model would run.")
    return lines


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
