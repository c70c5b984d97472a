"""Rows of a relation whose label is probably wrong: what inlay_mislabelled() and inlay.mislabelled() give.

A head is cross-validated over the labelled rows, as inlay_train does, and kept nowhere.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pyarrow as pa

from inlay.arrays import column_of
from inlay.errors import ConfigError
from inlay.execution.context import Context
from inlay.execution.labelled_rows import Labelled, Training, check_classes, read_labelled_rows
from inlay.execution.session import Session
from inlay.execution.training import FUNCTION as TRAIN
from inlay.execution.training import examples_of, vectors_model
from inlay.training.fits import METHODS
from inlay.training.suspects import suspects
from inlay.training.train import held_out_shares

FUNCTION = "inlay_mislabelled"


def mislabelled(
    session: Session, con: duckdb.DuckDBPyConnection, relation: Any, training: Training, context: Context, node: str
) -> pa.Table:
    """input, label, likely, confidence, label_confidence: the surest first. Raises as train_head(), and ConfigError for
    labels that are not one class a row."""
    base = vectors_model(session, training.model, FUNCTION, "labels are compared with those of")
    try:
        labelled = read_labelled_rows(con, relation, training)
        if labelled.kind != "single":
            raise ConfigError(f"{FUNCTION}: the labels are of kind {labelled.kind!r}; it takes one class a row.")
        check_classes(labelled, training)
    except ConfigError as error:
        raise ConfigError(str(error).replace(TRAIN, FUNCTION)) from None
    examples, folds = examples_of(context, labelled, training, base, node)
    shares = held_out_shares(training.method or METHODS["single"][0], examples, folds)
    places = suspects(examples.given, shares)
    likely, given = shares[places].argmax(axis=1), examples.given[places]
    texts = [_input(labelled, place) for place in places.tolist()]
    return pa.table(
        {
            "input": column_of(texts, pa.string()),
            "label": column_of([labelled.classes[k] for k in given.tolist()], pa.string()),
            "likely": column_of([labelled.classes[k] for k in likely.tolist()], pa.string()),
            "confidence": column_of(shares[places, likely].astype(float).tolist(), pa.float64()),
            "label_confidence": column_of(shares[places, given].astype(float).tolist(), pa.float64()),
        }
    )


def _input(labelled: Labelled, place: int) -> str:
    """The text of a row, or all that is read of it as JSON."""
    row = labelled.rows[place]
    if labelled.columns.is_plain_text:
        return str(row[labelled.columns.texts[0]])
    return json.dumps(row, ensure_ascii=False, default=str)
