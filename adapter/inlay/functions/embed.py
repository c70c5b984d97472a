"""ai_embed: a vector for a text."""

from __future__ import annotations

from inlay.errors import ConfigError
from inlay.functions.contract import Answers, Ask, Bound, Call
from inlay.store.inputs import Inputs


def bind(call: Call) -> Bound:
    if not call.model.can("vectors"):
        raise call.cannot("an embedding model", "Name one with model := '…'.")
    purpose = call.options.get("task") or "document"
    if purpose not in ("document", "query"):
        raise ConfigError(f"{call.function}: task is {purpose!r}; it must be 'document' or 'query'.")

    def answer(inputs: Inputs, ask: Ask) -> Answers:
        outcome = ask.raw_vectors(inputs, purpose)
        return Answers(outcome.rows, outcome.errors, outcome.known)

    return Bound(answer, None, call.model.prompt(purpose))
