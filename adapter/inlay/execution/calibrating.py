"""A judging call calibrated from the labelled rows of a relation: what inlay_calibrate() and inlay.calibrate() do.

The call is given as it is written in SQL, so that what is calibrated is what will be asked. A calibration is kept as a
head is, and made again only where its labelled rows, or the question, have changed.
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
import pyarrow as pa

from inlay import __version__
from inlay.arrays import Floats, Ints, array_numbers, column_of, relation_table
from inlay.backends.heads import packed
from inlay.errors import CannotServeError, ConfigError
from inlay.execution.binding import BoundCall
from inlay.execution.call_options import given_options
from inlay.execution.context import Context
from inlay.execution.labelled_rows import LEAST_ROWS, source_of
from inlay.execution.queries import Queries
from inlay.execution.replacement_scan import with_tables
from inlay.execution.session import Session
from inlay.execution.surroundings import surroundings
from inlay.execution.training import Outcome, card_that_learned, with_fingerprint
from inlay.functions.calibrated import raw_numbers
from inlay.functions.contract import Answers, Ask
from inlay.functions.decisions import HOLDS
from inlay.models.head_card import Columns, HeadCard, Judges, check_name, write_head
from inlay.parsing.marks import unmarked
from inlay.parsing.quoting import quoted
from inlay.parsing.statement import Statement
from inlay.parsing.tokens import Text, closing
from inlay.parsing.unplannable import Unplannable
from inlay.planner.row_calls import with_texts_of_rows
from inlay.store.account import now_text
from inlay.store.inputs import Inputs, distinct_inputs, text_inputs
from inlay.training.folds import folds_of
from inlay.training.judgements import Fitted, fit_judgement
from inlay.training.measures import confused
from inlay.training.train import MOST_FOLDS

FUNCTION = "inlay_calibrate"

# Raised when the same rows give another calibration.
_VERSION = 1

_OF_BOOLEANS = {"true": "true", "yes": "true", "1": "true", "false": "false", "no": "false", "0": "false"}


@dataclass(frozen=True)
class Calibrating:
    """What a call of inlay_calibrate says. call: SQL of the judging call. group: as of inlay_train."""

    call: str
    label: str
    group: str | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Calibrating:
        """Raises ConfigError, naming the option and what is allowed."""
        given = given_options(FUNCTION, given, cls.__dataclass_fields__)
        for name, example in (("call", "$$ai_classify(body, ['bug', 'praise'])$$"), ("label", "'topic'")):
            if not isinstance(given.get(name), str):
                raise ConfigError(f"{FUNCTION}: {name} is {given.get(name)!r}. Type: {name} := {example}.")
        return cls(**given)


@dataclass
class _Rows:
    """inputs: the distinct ones. which: of each labelled row its input. labels: as text. left_out: rows without."""

    inputs: Inputs
    which: Ints
    labels: list[str]
    groups: list[bytes]
    statement: str | None
    left_out: int

    def take(self, places: list[int]) -> _Rows:
        labels, groups = [self.labels[i] for i in places], [self.groups[i] for i in places]
        left_out = self.left_out + len(self.labels) - len(places)
        return _Rows(self.inputs, self.which[places], labels, groups, self.statement, left_out)


def calibrate(
    session: Session, con: duckdb.DuckDBPyConnection, name: str, relation: Any, said: Calibrating, context: Context,
    node: str,
) -> Outcome:  # fmt: skip
    """Raises ConfigError for a call that cannot be calibrated and for labels that it does not answer, CannotServeError
    for a model without scores, and what reading the relation and asking the model raise."""
    name, heads = check_name(name), Path(session.settings.heads)
    judged, texts = _judged(session, con, said.call)
    rows = _read(con, relation, texts, said, judged)
    digest = _learned_from(rows, judged)
    if (current := card_that_learned(heads, name, digest, judges=True)) is not None:
        return Outcome(current, False)
    answers = _answers(context, judged, rows.inputs, node)
    rows = rows.take([i for i, place in enumerate(rows.which.tolist()) if place not in answers.errors])
    fitted, given, classes = _fitted(judged, answers, rows)
    arrays = packed(fitted.arrays)
    kinds = {key for key in fitted.arrays if key != "held_out"}
    card = HeadCard(
        name=name, kind="single", method="judgement", answer=judged.spec.returns, classes=classes,
        columns=Columns((texts[0],)), base=judged.model.name, base_fingerprint=judged.model.fingerprint,
        arrays=hashlib.sha256(arrays).hexdigest(), fingerprint="", learned_from=digest,
        temperature=float(fitted.arrays["temperature"][0]) if "temperature" in kinds else 1.0,
        rows=len(rows.labels), left_out=rows.left_out, folds=MOST_FOLDS,
        rows_per_class=tuple(np.bincount(given, minlength=len(classes)).tolist()), measures=fitted.measures,
        confusion=confused(given, fitted.answered, classes), trained_at=now_text(), trained_by=f"inlay {__version__}",
        judges=Judges(judged.spec.name, judged.question.signature, said.call.strip(), rows.statement),
    )  # fmt: skip
    card = with_fingerprint(card)
    write_head(heads, card, arrays)
    return Outcome(card, True)


def _judged(session: Session, con: duckdb.DuckDBPyConnection, sql: str) -> tuple[BoundCall, tuple[str, ...]]:
    """(the call made ready, SQL of its row values)."""
    takes = [
        spec.name for spec in session.specs.values() if any(option.name == "calibration" for option in spec.options)
    ]
    try:
        text = with_texts_of_rows(Text(f"SELECT {sql} AS judged"), session.called, lambda text: text)
        statement = Statement.read(text, session.called)
        outermost = next((call for number, call in statement.calls.items() if statement.place(number) == 1), None)
        is_bracket = len(statement.words) > 2 and statement.words[2].text == "("
        is_whole = is_bracket and closing(statement.words, 2) == len(statement.words) - 3  # AS judged
        if outermost is None or not is_whole or outermost.detail or outermost.spec.name not in takes:
            raise ConfigError(
                f"{FUNCTION}: call is {sql!r}; it must be one call of {', '.join(takes)}, as it is written in SQL: "
                "call := $$ai_classify(body, ['bug', 'praise'])$$."
            )
        queries = Queries(con, {}, None, surroundings(con), session.binding.structure)
        labels, options, _ = queries.settings(outermost)
    except Unplannable as error:
        raise ConfigError(f"{FUNCTION}: call is {sql!r}, which cannot be read: {error}") from None
    texts = tuple(unmarked(text, statement.names) for text in outermost.texts)
    given = session.binding.given(outermost.spec.name, options)
    return session.binding.judged(outermost.spec, labels, given), texts


def _read(
    con: duckdb.DuckDBPyConnection, relation: Any, texts: tuple[str, ...], said: Calibrating, judged: BoundCall
) -> _Rows:
    source, tables = source_of(relation)
    columns = [f"({text})::VARCHAR AS c{i}" for i, text in enumerate(texts)]
    group = "NULL" if said.group is None else quoted(said.group)
    columns += [f"{quoted(said.label)}::VARCHAR AS label", f"{group}::VARCHAR AS grouped"]
    table = relation_table(with_tables(con, f"SELECT {', '.join(columns)} FROM {source} AS _rows", tables, None))
    examples = {row["text"] for row in judged.call.options.get("examples") or ()}  # which are known to the call
    found: dict[tuple[str, ...], str | None] = {}
    for row in table.select([f"c{i}" for i in range(len(texts))] + ["label", "grouped"]).to_pylist():
        *values, grouped = row.values()
        if None not in values and values[0].strip() and values[0] not in examples:
            found.setdefault(tuple(values), grouped)
    # In an order of their own, so that rows in another order give the same arrays to the last bit.
    ordered = sorted(found, key=lambda values: tuple(each.encode("utf-8", "surrogatepass") for each in values))
    statements = {values[1] for values in ordered} if len(texts) > 1 else set()
    if len(statements) > 1:
        raise ConfigError(
            f"{FUNCTION}: the rows have {len(statements)} statements; a calibration is of one. Make one for each."
        )
    held = [column_of([values[i] for values in ordered], pa.string()) for i in range(len(texts))]
    inputs = distinct_inputs(held)
    which = np.arange(len(ordered)) if inputs.inverse is None else array_numbers(inputs.inverse)
    keys = text_inputs([values[0] for values in ordered]).keys
    groups = [keys[i].tobytes() if found[each] is None else str(found[each]).encode() for i, each in enumerate(ordered)]
    labels = [values[-1] for values in ordered]
    return _Rows(inputs, which, labels, groups, next(iter(statements), None), len(table) - len(ordered))


def _learned_from(rows: _Rows, judged: BoundCall) -> str:
    """Whatever can change the calibration."""
    keys = [rows.inputs.keys[place].tobytes().hex() for place in rows.which.tolist()]
    listed = list(zip(keys, rows.labels, [group.hex() for group in rows.groups], strict=True))
    how = {"version": _VERSION, "question": judged.question.signature, "call": judged.text}
    return hashlib.sha256(json.dumps([how, listed], sort_keys=True).encode()).hexdigest()


def _answers(context: Context, judged: BoundCall, inputs: Inputs, node: str) -> Answers:
    """Of the call as it is, one for each input; those that fail are listed."""
    model, n = judged.model, len(inputs)
    with context.entry(random.getrandbits(62), FUNCTION, model, judged.text, n, node) as entry:
        with context.progress.working(f"{FUNCTION} {model.name}", n) as on_progress:
            ask = Ask(model, context.work(entry, on_progress))
            answers = judged.bound.answer(inputs, ask)
        context.ledger.count(entry, inputs.keys, answers.known, answers.errors, ask.usage, model)
    for place, reason in answers.errors.items():
        context.ledger.fail(FUNCTION, model.name, " | ".join(inputs.excerpts(place)), reason)
    return answers


def _fitted(judged: BoundCall, answers: Answers, rows: _Rows) -> tuple[Fitted, Ints, tuple[str, ...]]:
    """(the calibration, of each row the place of its label, the labels)."""
    raw = raw_numbers(answers, judged.model)
    if raw is None:
        raise CannotServeError(
            f"{FUNCTION}: model {judged.model.name!r} only says its answer and gives no scores, so nothing says how "
            "sure it is. Where its server gives log-probabilities, set logprobs = true under "
            f"[models.{judged.model.name}]; or name an embedding model, an NLI model or a language model in this "
            "process."
        )
    classes = answers.labels or HOLDS
    written = rows.labels if answers.labels else [_OF_BOOLEANS.get(label.lower(), label) for label in rows.labels]
    places = {label: place for place, label in enumerate(classes)}
    if (foreign := next((label for label in written if label not in places), None)) is not None:
        raise ConfigError(
            f"{FUNCTION}: a row has the label {foreign!r}, which {judged.spec.name} never answers here: it is one of "
            f"{', '.join(classes)}. Leave these rows out, or add the label to the call."
        )
    given = np.array([places[label] for label in written], dtype=np.int64)
    counts = np.bincount(given, minlength=len(classes))
    if len(given) < 4 * LEAST_ROWS or (not answers.labels and counts.min() < LEAST_ROWS):
        of_each = "" if answers.labels else f", {LEAST_ROWS} of them at least that hold and {LEAST_ROWS} that do not"
        raise ConfigError(
            f"{FUNCTION}: {len(given):,} labelled rows that differ; a calibration needs {4 * LEAST_ROWS}{of_each}. "
            f"{rows.left_out:,} rows were left out: they have no label or no text, are there twice, are examples of "
            "the call or got no answer."
        )
    own = None
    if answers.confidence is not None:
        own = np.array([0.0 if sure is None else sure for sure in answers.confidence], dtype=np.float32)[rows.which]
    chosen: Ints | None = None
    if answers.labels:
        chosen = np.array([places[answers.values[place]] for place in rows.which.tolist()], dtype=np.int64)
    raw_of_rows: Floats = raw[rows.which]
    return fit_judgement(raw_of_rows, given, chosen, own, folds_of(rows.groups, given, MOST_FOLDS)), given, classes
