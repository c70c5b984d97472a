"""How the programs ask inlay: SQL through inlay.connect(), and the engine without SQL through the seam that
inlay/engine/__init__.py documents. No program knows more of the package's inside than what it measures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import inlay
from inlay.engine.executors.models import Models
from inlay.engine.question import numbers_question
from inlay.engine.resolve import Resolved, Work, resolve
from inlay.engine.result_cache import ResultCache
from inlay.models.describe import describe
from inlay.models.ref import ModelRef
from inlay.settings.read import read_settings
from inlay.store.inputs import text_inputs

_CACHE_BYTES = 512_000_000  # what memory_mb is unless set


class Asked(NamedTuple):
    """What statements asked of models, by the ledger."""

    rows: int
    inferred: int
    tokens: int


def asked_by(con: Any, run: Callable[[], Any]) -> tuple[Any, Asked]:
    """What run() gives, and what it asked on this connection."""
    before = _ledger(con)
    result = run()
    return result, Asked(*(after - was for after, was in zip(_ledger(con), before, strict=True)))


def _ledger(con: Any) -> tuple[int, ...]:
    sums = ", ".join(f"coalesce(sum({column}), 0)::bigint" for column in ("rows", "inferred", "tokens"))
    found: tuple[int, ...] = con.execute(f"select {sums} from inlay_ledger()").fetchall()[0]
    return found


def forget(con: Any) -> None:
    """Nothing that models computed is known in memory afterwards; they stay loaded."""
    inlay.attach(con).cache.clear()


def model(name: str, **options: Any) -> ModelRef:
    """The described model of a name. options: keys of inlay.toml."""
    settings = read_settings(options)
    return describe(settings.models[name], device=settings.device, dtype=settings.dtype)


def work() -> Work:
    """What questions are resolved with; nothing is known beforehand."""
    return Work(Models(), ResultCache(_CACHE_BYTES))


def numbers(ref: ModelRef, texts: Sequence[str], within: Work) -> Resolved:
    """A model's numbers for each text."""
    return resolve(numbers_question(ref), text_inputs(texts), within)
