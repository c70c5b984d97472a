"""A head trained from the labelled rows of a relation: what inlay_train() and inlay.train_head() do.

Vectors come from memory and from the store where they are known, as for every function. A head that has learned from
the same rows in the same way is not trained again.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from inlay import __version__
from inlay.arrays import Floats, Ints
from inlay.backends.heads import packed
from inlay.errors import CannotServeError, ConfigError, ModelNotFoundError
from inlay.execution.context import Context
from inlay.execution.labelled_rows import Labelled, Training, check_classes, class_counts, read_labelled_rows
from inlay.execution.session import Session
from inlay.functions.contract import Ask
from inlay.functions.head_rows import Read, features, of_rows, read_rows
from inlay.functions.label_vectors import label_vectors
from inlay.functions.labels import Labels
from inlay.models.head_card import FORM, HeadCard, check_name, read_card, write_head
from inlay.models.ref import ModelRef
from inlay.settings.read import HEAD
from inlay.store.account import now_text
from inlay.store.inputs import text_inputs
from inlay.training.fits import METHODS, Examples
from inlay.training.folds import folds_of
from inlay.training.train import MOST_FOLDS, Trained, train

FUNCTION = "inlay_train"

# Raised when the same rows give another head.
_VERSION = 1


@dataclass(frozen=True)
class Outcome:
    """is_new: whether it was trained now; a head that has learned the same was there otherwise."""

    card: HeadCard
    is_new: bool


def train_head(
    session: Session, con: duckdb.DuckDBPyConnection, name: str, relation: Any, training: Training, context: Context,
    node: str,
) -> Outcome:  # fmt: skip
    """node: of a dbt project, which trains it. Raises ConfigError for labels that nothing can be learned from,
    CannotServeError for a model without vectors, and what reading the relation and asking the model raise."""
    name = check_name(name.removeprefix(HEAD) if isinstance(name, str) else name)
    base = vectors_model(session, training.model, FUNCTION, "a head reads those of")
    labelled = read_labelled_rows(con, relation, training)
    check_classes(labelled, training)
    digest, heads = _learned_from(labelled, training, base), Path(session.settings.heads)
    if (current := card_that_learned(heads, name, digest)) is not None:
        return Outcome(current, False)
    examples, folds = examples_of(context, labelled, training, base, node)
    card, arrays = _trained(name, labelled, training, base, examples, folds, digest)
    write_head(heads, card, arrays)
    return Outcome(card, True)


def vectors_model(session: Session, named: str | None, function: str, why: str) -> ModelRef:
    """The embedding model that a head stands on. why: what needs one, for the error. Raises CannotServeError."""
    base = session.model(named or session.settings.model, function)
    if not base.can("vectors"):
        raise CannotServeError(
            f"{function}: model {base.name!r} gives no vectors (its task is {base.task!r}); {why} an embedding model. "
            "Name one with model := '…'."
        )
    return base


def card_that_learned(heads: Path, name: str, digest: str, *, judges: bool = False) -> HeadCard | None:
    """The card of the head's current version, where it has learned from just that. judges: whether it is to be a
    calibration. Raises ConfigError where the name is taken by one of the other kind."""
    try:
        current = read_card(heads, name)
    except ModelNotFoundError:
        return None
    if (current.judges is not None) != judges:
        there = "a head" if judges else f"a calibration of {current.judges.function}" if current.judges else ""
        raise ConfigError(f"{name!r} is {there} already, in {heads.absolute()}. Take another name.")
    return current if current.learned_from == digest else None


def _learned_from(labelled: Labelled, training: Training, base: ModelRef) -> str:
    """Whatever can change the head; rows in any order."""
    rows = sorted(
        f"{key.tobytes().hex()} {written} {group.hex()}"
        for key, written, group in zip(labelled.keys, labelled.written, labelled.groups, strict=True)
    )
    how = {"version": _VERSION, "base": base.fingerprint, "kind": labelled.kind, **asdict(training)}
    return hashlib.sha256(json.dumps([how, rows], sort_keys=True).encode()).hexdigest()


def _features(
    context: Context, labelled: Labelled, training: Training, base: ModelRef, node: str
) -> tuple[Floats, Floats | None]:
    """Of the rows, and of the names of the classes. A row that the model cannot read is left out, and listed."""
    read = _read(labelled)
    n = len(labelled.rows)
    with context.entry(random.getrandbits(62), FUNCTION, base, json.dumps(asdict(training)), n, node) as entry:
        with context.progress.working(f"{FUNCTION} {base.name}", n) as on_progress:
            ask = Ask(base, context.work(entry, on_progress))
            outcome = features(read, ask)
            names = None
            if training.names and labelled.kind == "single" and labelled.columns.is_plain_text:
                labels = Labels(labelled.classes, (None,) * len(labelled.classes))
                names = label_vectors(labels, base.template, ask)
        context.ledger.count(entry, labelled.keys, outcome.known, outcome.errors, outcome.usage, base)
    for place, reason in outcome.errors.items():
        context.ledger.fail(FUNCTION, base.name, labelled.rows[place][training.text[0]] or "", reason)
    good = [i for i in range(n) if i not in outcome.errors]
    if len(good) < n:
        labelled.take(good)
        labelled.left_out += n - len(good)
        check_classes(labelled, training)
    return outcome.rows[good], names


def _read(labelled: Labelled) -> Read:
    if labelled.columns.is_plain_text:
        return read_rows(labelled.columns, text_inputs([row[labelled.columns.texts[0]] for row in labelled.rows]))
    return of_rows(labelled.columns, labelled.rows)


def examples_of(
    context: Context, labelled: Labelled, training: Training, base: ModelRef, node: str
) -> tuple[Examples, Ints]:
    """(what is learned from, the fold of each). The labelled rows are put in that order."""
    rows, names = _features(context, labelled, training, base, node)
    # In an order of their own, so that rows in another order give the same arrays to the last bit.
    order = sorted(range(len(rows)), key=lambda i: (labelled.keys[i].tobytes(), labelled.written[i]))
    labelled.take(order)
    rows = rows[order]
    weights = _weights(labelled, balanced=training.class_weight == "balanced")
    examples = Examples(labelled.kind, rows, labelled.given, weights, len(labelled.classes), names)
    strata = labelled.given if labelled.kind in ("single", "ordinal") else np.zeros(len(rows), dtype=np.int64)
    return examples, folds_of(labelled.groups, strata, MOST_FOLDS)


def _trained(
    name: str, labelled: Labelled, training: Training, base: ModelRef, examples: Examples, folds: Ints, digest: str
) -> tuple[HeadCard, bytes]:
    method = training.method or METHODS[labelled.kind][0]
    learned: Trained = train(method, examples, folds, labelled.classes)
    arrays = packed(learned.arrays)
    card = HeadCard(
        name=name, kind=labelled.kind, method=method, answer=labelled.answer, classes=labelled.classes,
        columns=labelled.columns, base=base.name, base_fingerprint=base.fingerprint,
        arrays=hashlib.sha256(arrays).hexdigest(), fingerprint="", learned_from=digest,
        temperature=learned.temperature, strength=learned.strength, rows=len(examples), left_out=labelled.left_out,
        folds=MOST_FOLDS, rows_per_class=class_counts(labelled), merged=labelled.merged, measures=learned.measures,
        confusion=learned.confusion, trained_at=now_text(), trained_by=f"inlay {__version__}",
    )  # fmt: skip
    return with_fingerprint(card), arrays


def with_fingerprint(card: HeadCard) -> HeadCard:
    parts: dict[str, Any] = {
        "form": FORM, "kind": card.kind, "method": card.method, "answer": card.answer, "classes": card.classes,
        "columns": asdict(card.columns), "base": card.base_fingerprint, "arrays": card.arrays,
        "temperature": card.temperature,
    }  # fmt: skip
    if card.judges is not None:
        parts["judges"] = asdict(card.judges)
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return replace(card, fingerprint=digest)


def _weights(labelled: Labelled, *, balanced: bool) -> Any:
    """Of each row: one, or so that all classes weigh the same."""
    weights = np.ones(len(labelled.rows))
    if not balanced or labelled.kind not in ("single", "ordinal"):
        return weights
    counts = np.maximum(np.bincount(labelled.given, minlength=len(labelled.classes)), 1)
    weights = (len(weights) / (len(labelled.classes) * counts))[labelled.given]
    return weights
