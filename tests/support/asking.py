"""The engine asked without SQL."""

from __future__ import annotations

from collections.abc import Sequence

from inlay.backends.base import Choices, Instruction, Prompt
from inlay.engine.executors.models import Models
from inlay.engine.limits import Limits
from inlay.engine.question import numbers_question, replies_question
from inlay.engine.resolve import Resolved, Work, resolve
from inlay.engine.result_cache import ResultCache
from inlay.models.ref import ModelRef
from inlay.settings.read import Settings
from inlay.store.inputs import text_inputs


def work(cache_bytes: int = 100_000_000, limits: Limits | None = None) -> Work:
    """What questions are resolved with; nothing is known beforehand."""
    return Work(Models(), ResultCache(cache_bytes), limits=limits or Limits())


def limits(**most: float) -> Limits:
    made = Limits()
    made.limit(Settings(**most))
    return made


def numbers(
    model: ModelRef,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    prompt: str | Choices = "",
    *,
    within: Work | None = None,
) -> Resolved:
    inputs = text_inputs(texts) if pairs is None else text_inputs(texts, pairs)
    return resolve(numbers_question(model, prompt, pair=pairs is not None), inputs, within or work())


def replies(
    model: ModelRef, instruction: Instruction, prompts: Sequence[Prompt], *, within: Work | None = None
) -> Resolved:
    columns = [p.before for p in prompts], [p.text for p in prompts], [p.after for p in prompts]
    return resolve(replies_question(model, instruction), text_inputs(*columns), within or work())
