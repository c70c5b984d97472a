"""What models would have to do for what a dry run has counted: inputs, tokens, seconds, money. One estimate, whoever
shows it: explain, EXPLAIN, `inlay plan` and the dbt operations.
"""

from __future__ import annotations

import platform
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inlay.backends.base import Instruction
from inlay.engine.cancel import Token
from inlay.engine.executors.counting import Counting, Needed
from inlay.engine.limits import Limits
from inlay.engine.loaded import loaded, loaded_models
from inlay.engine.pool import endpoint_devices
from inlay.engine.resolve import Usage, resolve
from inlay.errors import BudgetExceededError
from inlay.execution.context import Context
from inlay.execution.session import Session
from inlay.models.ref import ModelRef
from inlay.store.account import read_ledger


@dataclass(frozen=True)
class Speed:
    """tokens_per_second: read and written. reply_tokens: written for one input, on average; None where nobody knows.
    source: how it is known."""

    tokens_per_second: float
    loading_seconds: float
    reply_tokens: float | None
    source: str = "by earlier runs on this machine"


@dataclass(frozen=True)
class ModelCost:
    """What one model has to do. inputs: texts, pairs and prompts, labels among them. tokens: to read. output_tokens: to
    write, by the replies of earlier runs, or the most that there may be. seconds: None where no speed is known. source:
    where the speed is from. cost: money."""

    model: str
    inputs: int
    tokens: int
    output_tokens: int
    seconds: float | None
    source: str
    cost: float

    @property
    def all_tokens(self) -> int:
        return self.tokens + self.output_tokens


@dataclass(frozen=True)
class Costs:
    """By model; models without work are left out."""

    models: tuple[ModelCost, ...] = ()

    @property
    def inputs(self) -> int:
        return sum(each.inputs for each in self.models)

    @property
    def tokens(self) -> int:
        """Read and written."""
        return sum(each.all_tokens for each in self.models)

    @property
    def output_tokens(self) -> int:
        return sum(each.output_tokens for each in self.models)

    @property
    def cost(self) -> float:
        return sum(each.cost for each in self.models)

    @property
    def seconds(self) -> float | None:
        """None when the time of any model is unknown."""
        known = [each.seconds for each in self.models if each.seconds is not None]
        return sum(known) if len(known) == len(self.models) else None

    def hold_against(self, limits: Limits) -> None:
        """Raises BudgetExceededError where a limit would be passed."""
        known = sum(each.seconds or 0.0 for each in self.models)
        limits.foresee(self.inputs, self.tokens, known, self.cost)


def costs(session: Session, counting: Counting, *, measure_in: Context | None = None) -> Costs:
    """Of all that was counted. measure_in: where a sample of the inputs may be inferred, and kept, for models whose
    speed nobody knows, unless a limit would be passed."""
    needed = [each for each in counting.needed.values() if each.inputs or each.prompts]
    if not needed:
        return Costs()  # without a look at the store's ledger, which may be long
    speeds = speeds_here(session)
    if measure_in is not None and _within_limits(needed, speeds, measure_in.limits):
        for each in needed:
            if each.model.fingerprint not in speeds:
                speeds[each.model.fingerprint] = measured_speed(each, measure_in)
    return Costs(tuple(_model_cost(each, speeds.get(each.model.fingerprint)) for each in needed))


def _within_limits(needed: Iterable[Needed], speeds: Mapping[str, Speed], limits: Limits) -> bool:
    """Whether so much may be asked at all: refused before the first call means before the sample's too."""
    estimate = Costs(tuple(_model_cost(each, speeds.get(each.model.fingerprint)) for each in needed))
    try:
        limits.foresee(estimate.inputs, estimate.tokens, None, estimate.cost)
    except BudgetExceededError:
        return False
    return True


def _model_cost(needed: Needed, speed: Speed | None) -> ModelCost:
    model = needed.model
    known = None if speed is None else speed.reply_tokens
    written = needed.most_output_tokens
    if known:
        written = min(written, int(known * needed.prompts))
    inputs, money = needed.inputs + needed.prompts, model.cost(needed.tokens, written)
    if speed is None or not speed.tokens_per_second:
        source = "no earlier run on this machine is known"
        return ModelCost(model.name, inputs, needed.tokens, written, None, source, money)
    seconds = (needed.tokens + written) / speed.tokens_per_second
    source = speed.source
    if model.fingerprint not in {*loaded_models(), *endpoint_devices()}:
        seconds += speed.loading_seconds
        source += ", loading included"
    return ModelCost(model.name, inputs, needed.tokens, written, seconds, source, money)


def speeds_here(session: Session) -> dict[str, Speed]:
    """Fingerprint → speed of the runs on this machine, by the store's ledger; without a store, of what this session
    ran."""
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


def measured_speed(needed: Needed, context: Context) -> Speed:
    """Runs a sample of what was counted for this model. The results are kept, so that nothing is computed for the
    estimate alone; numbers only where the settings store numbers."""
    loading = _loading_seconds(needed.model, context)
    usage, seconds, written, n_replies, n_inputs = Usage(), 0.0, 0, 0, 0
    for question, inputs in needed.sample:
        replies = isinstance(question.asked, Instruction)
        work = context.work()
        began = time.perf_counter()
        found = resolve(question, inputs, work, keep=replies or work.keep_numbers)
        seconds += time.perf_counter() - began
        usage.add(found.usage)
        n_inputs += len(inputs)
        if replies:
            written += found.usage.output_tokens
            n_replies += len(inputs)
    tokens = usage.tokens + usage.output_tokens
    per_second = tokens / seconds if seconds else 0.0
    return Speed(per_second, loading, written / n_replies if n_replies else None, f"{n_inputs:,} inputs, measured now")


def _loading_seconds(model: ModelRef, context: Context) -> float:
    if model.endpoint is not None:
        return 0.0
    began = time.perf_counter()
    with loaded(model, Token(), context.most_loaded_bytes):
        return time.perf_counter() - began
