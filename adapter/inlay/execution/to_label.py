"""The rows of a relation that are most worth labelling: what inlay_to_label() and inlay.to_label() give.

A model says which label is likely, and how sure it is of that; rows are chosen by their vectors, see
training/worth_labelling.py.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from inlay.arrays import Floats, Numbers, column_of, relation_table
from inlay.errors import CannotServeError, ConfigError
from inlay.execution.call_options import check_text, given_options
from inlay.execution.context import Context
from inlay.execution.labelled_rows import distinct_texts, source_of
from inlay.execution.replacement_scan import with_tables
from inlay.execution.session import Session
from inlay.execution.training import vectors_model
from inlay.functions.calibrated import raw_numbers
from inlay.functions.contract import Answers, Ask, softmax
from inlay.models.ref import ModelRef
from inlay.store.inputs import Inputs, text_inputs
from inlay.training.worth_labelling import most_worth

FUNCTION = "inlay_to_label"

MOST_ROWS = 8_192
"""Distinct texts that are looked at: of more, those whose digests are lowest, a sample that stays as rows are added."""

_CALL = "ai_classify"
_EXAMPLE = "CALL inlay_to_label('tickets', text := 'body', labels := ['delivery', 'refund'])"


@dataclass(frozen=True)
class ToLabel:
    """What a call of inlay_to_label says. labels: as of ai_classify. labelled: a relation with the columns text and
    label, of rows that have their label. model: as of ai_classify."""

    text: str
    labels: Any = None
    n: int = 50
    labelled: Any = None
    model: str | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> ToLabel:
        """Raises ConfigError, naming the option and what is allowed."""
        given = given_options(FUNCTION, given, cls.__dataclass_fields__)
        check_text(FUNCTION, given)
        n = given.get("n", cls.n)
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise ConfigError(f"{FUNCTION}: n is {n!r}; it must be a whole number from 1 on.")
        return cls(**given)


@dataclass(frozen=True)
class Proposals:
    """Rows to label, best first. shares: of each row the probability of each class. n_labelled: texts that have their
    label. n_left: those that have none, the rows to label among them; at most MOST_ROWS."""

    texts: Sequence[str]
    classes: tuple[str, ...]
    shares: Floats
    n_labelled: int
    n_left: int

    def table(self) -> pa.Table:
        """input, likely, confidence."""
        likely = self.shares.argmax(axis=1)
        names = [self.classes[place] for place in likely.tolist()]
        return pa.table(
            {
                "input": column_of(self.texts, pa.string()),
                "likely": column_of(names, pa.string()),
                "confidence": column_of(self.shares.max(axis=1).astype(float).tolist(), pa.float64()),
            }
        )


def to_label(
    session: Session, con: duckdb.DuckDBPyConnection, relation: Any, said: ToLabel, context: Context, node: str
) -> Proposals:
    """Raises ConfigError for labels that are none and for a relation without texts, CannotServeError for a model that
    gives no scores, and what reading the relations and asking the model raise."""
    model = session.model(said.model or session.settings.model, FUNCTION)
    if said.labels is None and not model.can("own_labels"):
        raise ConfigError(f"{FUNCTION}: labels is missing. Give the choices: {_EXAMPLE}")
    labelled = {} if said.labelled is None else _labelled(con, said.labelled)
    texts = distinct_texts(con, relation, said.text)
    if not texts:
        raise ConfigError(f"{FUNCTION}: the relation has no text in {said.text!r}, so there is nothing to label.")
    inputs = _in_order([text for text in texts if text not in labelled])
    answers = _answers(session, context, said, model, inputs, labelled, node)
    shares = _shares(answers, model)
    rows, of_labelled, errors = _vectors(session, context, model, inputs, list(labelled), node)
    good = np.array([i for i in range(len(inputs)) if i not in answers.errors and i not in errors], dtype=np.int64)
    places = good[most_worth(rows[good], _weights(shares[good], model), said.n, of_labelled)]
    values = inputs.values()
    chosen = [values[place] for place in places.tolist()]
    return Proposals(chosen, answers.labels, shares[places], len(labelled), len(inputs))


def _labelled(con: duckdb.DuckDBPyConnection, relation: Any) -> dict[str, str]:
    source, tables = source_of(relation)
    sql = f"SELECT text::VARCHAR AS text, label::VARCHAR AS label FROM {source} AS _rows"
    rows = relation_table(with_tables(con, sql, tables, None)).to_pylist()
    return {row["text"]: row["label"] for row in rows if row["text"] and row["text"].strip() and row["label"]}


def _in_order(texts: Sequence[str]) -> Inputs:
    """In the order of their digests, which is that of no relation; at most MOST_ROWS."""
    inputs = text_inputs(texts)
    keys = [key.tobytes() for key in inputs.keys]
    return inputs.take(np.array(sorted(range(len(keys)), key=keys.__getitem__)[:MOST_ROWS], dtype=np.int64))


def _answers(
    session: Session, context: Context, said: ToLabel, model: ModelRef, inputs: Inputs, labelled: Mapping[str, str],
    node: str,
) -> Answers:  # fmt: skip
    """What ai_classify says. The labels of an embedding model move towards what is labelled and towards the texts."""
    options: dict[str, Any] = {"model": model.name}
    if model.can("vectors"):
        options["adapt"] = True
        if labelled:
            options["examples"] = [{"text": text, "label": label} for text, label in labelled.items()]
    try:
        call = session.binding.bound(_CALL, said.labels, options)
    except ConfigError as error:
        raise ConfigError(f"{FUNCTION}: {str(error).removeprefix(f'{_CALL}: ')}") from None
    n = len(inputs)
    with context.entry(random.getrandbits(62), FUNCTION, model, call.text, n, node) as entry:
        with context.progress.working(f"{FUNCTION} {model.name}", n) as on_progress:
            ask = Ask(model, context.work(entry, on_progress))
            bound = call.bound.adapted(inputs, ask) if call.bound.adapted else call.bound
            answers = bound.answer(inputs, ask)
        context.ledger.count(entry, inputs.keys, answers.known, answers.errors, ask.usage, model)
    for place, reason in answers.errors.items():
        context.ledger.fail(FUNCTION, model.name, inputs.excerpts(place)[0], reason)
    return answers


def _shares(answers: Answers, model: ModelRef) -> Floats:
    raw = raw_numbers(answers, model)
    if raw is None:
        raise CannotServeError(
            f"{FUNCTION}: model {model.name!r} only says its answer and gives no scores, so nothing says how uncertain "
            "it is. Name an embedding model, an NLI model, a head or a language model in this process."
        )
    return softmax(raw)


def _weights(shares: Floats, model: ModelRef) -> Numbers:
    """Of a model that has learned from labelled rows between a half and one, by how near the second label is to the
    first. How uncertain others are says little: rows chosen by it were worse than random ones (bench/to_label.py)."""
    if not model.can("own_labels") or shares.shape[1] < 2:
        return np.ones(len(shares))
    ordered = np.sort(shares, axis=1).astype(np.float64)
    return 1 - (ordered[:, -1] - ordered[:, -2]) / 2


def _vectors(
    session: Session, context: Context, model: ModelRef, inputs: Inputs, labelled: Sequence[str], node: str
) -> tuple[Floats, Floats, dict[int, str]]:
    """(of the inputs, of what is labelled, why inputs have none)."""
    if model.base is not None:
        model = model.base
    elif not model.can("vectors"):
        model = vectors_model(session, None, FUNCTION, "rows are told apart by those of")
    n, values = len(inputs), inputs.values()
    texts = text_inputs([*values, *labelled])
    about = json.dumps({"labelled": len(labelled)})
    with context.entry(random.getrandbits(62), FUNCTION, model, about, len(texts), node) as entry:
        with context.progress.working(f"{FUNCTION} {model.name}", len(texts)) as on_progress:
            outcome = Ask(model, context.work(entry, on_progress)).vectors(texts)
        context.ledger.count(entry, texts.keys, outcome.known, outcome.errors, outcome.usage, model)
    for place, reason in outcome.errors.items():
        context.ledger.fail(FUNCTION, model.name, texts.excerpts(place)[0], reason)
    readable = [place for place in range(n, len(texts)) if place not in outcome.errors]
    return outcome.rows[:n], outcome.rows[readable], outcome.errors
