"""Label sets: labels that moved once towards the texts of a relation, kept under a name. What inlay_labels() does.

ai_classify(…, adapt := true) moves labels towards the texts of its own statement, so what it answers depends on them. A
label set is moved once and stays: it is kept as a head, by the centre of each class, and used wherever a head is, in
incremental models and views too.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from inlay import __version__
from inlay.backends.heads import packed
from inlay.errors import ConfigError
from inlay.execution.call_options import check_text, given_options
from inlay.execution.context import Context
from inlay.execution.labelled_rows import distinct_texts
from inlay.execution.session import Session
from inlay.execution.training import Outcome, card_that_learned, vectors_model, with_fingerprint
from inlay.functions.adapted import moved
from inlay.functions.classify import COSINE_SHARPNESS
from inlay.functions.contract import Ask
from inlay.functions.label_vectors import label_vectors
from inlay.functions.labels import Labels, check_template, read_labels
from inlay.models.head_card import Columns, HeadCard, check_name, write_head
from inlay.models.ref import ModelRef
from inlay.settings.read import HEAD
from inlay.store.account import now_text
from inlay.store.inputs import Inputs, text_inputs

FUNCTION = "inlay_labels"

# Raised when the same texts give another label set.
_VERSION = 1


@dataclass(frozen=True)
class LabelSet:
    """What a call of inlay_labels says. text: the column of the texts."""

    text: str
    labels: Labels
    template: str | None = None
    model: str | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> LabelSet:
        """Raises ConfigError, naming the option and what is allowed."""
        given = given_options(FUNCTION, given, cls.__dataclass_fields__)
        check_text(FUNCTION, given)
        labels = read_labels(FUNCTION, given.get("labels")).sorted()
        return cls(given["text"], labels, check_template(FUNCTION, given.get("template")), given.get("model"))


def freeze_labels(
    session: Session, con: duckdb.DuckDBPyConnection, name: str, relation: Any, said: LabelSet, context: Context,
    node: str,
) -> Outcome:  # fmt: skip
    """Raises ConfigError for a relation without texts, CannotServeError for a model without vectors, and what reading
    the relation and asking the model raise."""
    name = check_name(name.removeprefix(HEAD) if isinstance(name, str) else name)
    base = vectors_model(session, said.model, FUNCTION, "labels move among those of")
    texts, heads = text_inputs(distinct_texts(con, relation, said.text)), Path(session.settings.heads)
    if not len(texts):
        raise ConfigError(
            f"{FUNCTION}: the relation has no text in {said.text!r}, so there is nothing to move towards."
        )
    digest = _learned_from(texts, said, base)
    if (current := card_that_learned(heads, name, digest)) is not None:
        return Outcome(current, False)
    card, arrays = _frozen(context, name, texts, said, base, digest, node)
    write_head(heads, card, arrays)
    return Outcome(card, True)


def _learned_from(texts: Inputs, said: LabelSet, base: ModelRef) -> str:
    labels = list(zip(said.labels.names, said.labels.descriptions, strict=True))
    how = {
        "version": _VERSION, "base": base.fingerprint, "labels": labels, "template": said.template or base.template,
        "column": said.text,
    }  # fmt: skip
    rows = hashlib.sha256(np.ascontiguousarray(texts.keys).tobytes()).hexdigest()
    return hashlib.sha256(json.dumps([how, rows], sort_keys=True).encode()).hexdigest()


def _frozen(
    context: Context, name: str, texts: Inputs, said: LabelSet, base: ModelRef, digest: str, node: str
) -> tuple[HeadCard, bytes]:
    labels, n = said.labels, len(texts)
    about = json.dumps({"labels": list(labels.names), "text": said.text})
    with context.entry(random.getrandbits(62), FUNCTION, base, about, n, node) as entry:
        with context.progress.working(f"{FUNCTION} {base.name}", n) as on_progress:
            ask = Ask(base, context.work(entry, on_progress))
            own = label_vectors(labels, said.template or base.template, ask)
            outcome = ask.vectors(texts)
        context.ledger.count(entry, texts.keys, outcome.known, outcome.errors, outcome.usage, base)
    for place, reason in outcome.errors.items():
        context.ledger.fail(FUNCTION, base.name, texts.excerpts(place)[0], reason)
    good = [place for place in range(n) if place not in outcome.errors]
    rows = outcome.rows[good]
    nearest = np.bincount((rows @ own.T).argmax(axis=1), minlength=len(labels.names))
    arrays = packed({"centres": moved(own, rows)})
    card = HeadCard(
        name=name, kind="single", method="centroid", answer="VARCHAR", classes=labels.names,
        columns=Columns((said.text,)), base=base.name, base_fingerprint=base.fingerprint,
        arrays=hashlib.sha256(arrays).hexdigest(), fingerprint="", learned_from=digest,
        temperature=1 / COSINE_SHARPNESS, rows=len(rows), left_out=n - len(rows),
        rows_per_class=tuple(int(each) for each in nearest), trained_at=now_text(),
        trained_by=f"inlay {__version__}",
    )  # fmt: skip
    return with_fingerprint(card), arrays
