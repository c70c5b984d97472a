"""Entailment of (text, statement) pairs by an NLI model."""

from __future__ import annotations

from inlay.arrays import Bools, Floats
from inlay.errors import CannotServeError
from inlay.functions.contract import Ask, by_left_row, softmax
from inlay.models.ref import ModelRef
from inlay.store.inputs import Inputs, each_with_each, text_inputs


def entailment_columns(model: ModelRef) -> tuple[int, int]:
    """Positions of 'entailment' and of what denies it ('contradiction', or 'not_entailment' of two-way models)."""
    named = [label.lower() for label in model.labels]
    yes = next((i for i, label in enumerate(named) if label.startswith("entail")), None)
    no = next(
        (i for i, label in enumerate(named) if label.startswith(("contradict", "not_entail", "not entail"))), None
    )
    if yes is None or no is None:
        raise CannotServeError(
            f"model {model.name!r} has the labels {', '.join(model.labels)}; an NLI model names its entailment and "
            "contradiction. Correct id2label in its config.json."
        )
    return yes, no


def entailment_probability(logits: Floats, model: ModelRef) -> Floats:
    """Entailment against contradiction, neutral left aside, as transformers' zero-shot pipeline does."""
    yes, no = entailment_columns(model)
    return softmax(logits[:, [no, yes]])[:, 1]


def statement_entailment(pairs: Inputs, ask: Ask) -> tuple[Floats, dict[int, str], Bools]:
    """The probability that each text entails its own statement, errors by text, and what was known."""
    outcome = ask.logits(pairs)
    return entailment_probability(outcome.rows, ask.model), outcome.errors, outcome.known


def logits_by_statement(texts: Inputs, statements: list[str], ask: Ask) -> tuple[Floats, dict[int, str], Bools]:
    """Each text against each statement: logits [n, len(statements), labels], errors by text, and what was known."""
    k = len(statements)
    outcome = ask.logits(each_with_each(texts, text_inputs(statements)))
    return outcome.rows.reshape(len(texts), k, -1), *by_left_row(outcome.errors, outcome.known, k)
