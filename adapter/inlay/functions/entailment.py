"""Entailment of (text, statement) pairs by an NLI model."""

from __future__ import annotations

import numpy as np

from inlay.arrays import Bools, Floats
from inlay.errors import CannotServeError
from inlay.functions.contract import Ask, by_left_row, softmax
from inlay.functions.example_fit import label_offsets, shares_by_odds
from inlay.functions.examples import NO_EXAMPLES, Examples
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


def statement_entailment(
    pairs: Inputs, ask: Ask, examples: Examples = NO_EXAMPLES
) -> tuple[Floats, dict[int, str], Bools]:
    """The probability that each text entails its own statement, errors by text, and what was known. With examples the
    probability that these say comes with such an entailment."""
    outcome = ask.logits(pairs)
    scores = entailment_probability(outcome.rows, ask.model)
    if examples:
        statements, which = pairs.column(1).each_once()
        places = np.arange(len(statements)) if which is None else which
        own = _log_odds(_of_examples(examples, statements, ask), ask.model).reshape(-1, len(statements))
        scores = shares_by_odds(_log_odds(outcome.rows, ask.model), places, own, examples.shares)
    return scores, outcome.errors, outcome.known


def _of_examples(examples: Examples, statements: Inputs, ask: Ask) -> Floats:
    pairs = each_with_each(text_inputs(list(examples.texts)), statements)
    return ask.own(lambda ask: ask.logits(pairs), [text for text in examples.texts for _ in range(len(statements))])


def _log_odds(logits: Floats, model: ModelRef) -> Floats:
    yes, no = entailment_columns(model)
    return np.asarray(logits[:, yes] - logits[:, no], dtype=np.float32)


def label_entailment(
    texts: Inputs, sentences: list[str], ask: Ask, examples: Examples = NO_EXAMPLES
) -> tuple[Floats, dict[int, str], Bools]:
    """Of each text which label's sentence it entails, as shares of 1; errors by text, and what was known. They are
    computed in the order of the sentences' text, so that the last bits too are those of any order."""
    yes, _ = entailment_columns(ask.model)
    logits, errors, known = logits_by_statement(texts, sentences, ask)
    by_text = np.array(sorted(range(len(sentences)), key=sentences.__getitem__))
    as_given = np.argsort(by_text)
    scores = logits[:, by_text, yes]
    if examples:
        own = _of_examples(examples, text_inputs(sentences), ask)[:, yes].reshape(-1, len(sentences))
        scores = scores + label_offsets(own[:, by_text], as_given[examples.places])
    return softmax(scores)[:, as_given], errors, known


def logits_by_statement(texts: Inputs, statements: list[str], ask: Ask) -> tuple[Floats, dict[int, str], Bools]:
    """Each text against each statement: logits [n, len(statements), labels], errors by text, and what was known."""
    k = len(statements)
    outcome = ask.logits(each_with_each(texts, text_inputs(statements)))
    return outcome.rows.reshape(len(texts), k, -1), *by_left_row(outcome.errors, outcome.known, k)
