"""Answers to the rows of one call: what is known, what the function makes of its model's numbers, what failed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inlay.arrays import Bools, Ints, array_numbers, column_of, empty_table, numbers_array, true_places
from inlay.engine.executors import local
from inlay.engine.question import Question
from inlay.engine.resolve import Finished, Work, resolve
from inlay.errors import RowsFailedError
from inlay.execution.binding import BoundCall
from inlay.execution.context import Context
from inlay.execution.ledger import Entry
from inlay.execution.records import Unsure
from inlay.functions.arrow import answer_schema, answer_table, detail_array, value_array
from inlay.functions.blanks import blank_rows
from inlay.functions.contract import PENDING, Answers, Ask
from inlay.store.account import Failure
from inlay.store.calls import call_text
from inlay.store.inputs import Inputs, distinct_inputs

# Inputs; a model's lane is full with fewer.
FIRST_SLICE, LEAST_SLICE = 256, 64


@dataclass(frozen=True)
class Rows:
    """Rows of a statement that a call is to answer. columns: one per row value, of equal length. n_rows: how many rows
    of the statement they stand for, where they were made distinct before. counts: for how many each of them. whole:
    whether these are all the inputs that the statement has for the call; only then are targets met by a cascade."""

    columns: list[pa.Array]
    statement: int | None = None
    node: str = ""
    n_rows: int | None = None
    counts: pa.Array | None = None
    whole: bool = False


@dataclass(frozen=True)
class Answered:
    """Answers to distinct inputs, and how rows come back from them.

    table: columns of answer_schema(), NULL where there is no answer. errors: by place, why. known: what nothing had to
    be computed for. pending: what no model was asked. models: the name of the one that decided each input, where it was
    not always the call's. valid: which rows were asked for: those without a NULL among their values, or a blank text.
    returned: of each row the text that is returned as it is; None where none is.
    """

    call: BoundCall
    inputs: Inputs
    valid: pa.Array
    table: pa.Table
    errors: Mapping[int, str]
    known: Bools
    pending: Bools
    models: pa.Array | None = None
    returned: pa.Array | None = None

    def values(self) -> pa.Array:
        """One value per row."""
        values = self.spread(value_array(self.table))
        return values if self.returned is None else pc.coalesce(values, self.returned)

    def details(self) -> pa.StructArray:
        """One struct of try_ai_* per row."""
        models = self.call.model.name if self.models is None else self.models
        details = self.spread(detail_array(self.table, self.errors, models, self.known))
        if self.returned is None:
            return details
        is_returned = self.returned.is_valid()
        fields = {kind.name: details.field(kind.name) for kind in details.type}
        fields["value"] = pc.coalesce(fields["value"], self.returned)
        names = column_of([self.call.model.name] * len(is_returned), pa.string())
        fields["model"] = pc.if_else(is_returned, names, fields["model"])
        fields["cached"] = pc.or_kleene(is_returned, fields["cached"])  # NULL where the row was not asked for
        is_null = pc.invert(pc.or_(is_returned, details.is_valid()))
        return pa.StructArray.from_arrays(list(fields.values()), names=list(fields), mask=is_null)

    def spread(self, answers: pa.Array) -> pa.Array:
        """Answers of distinct inputs back to all rows, NULL where a value was NULL."""
        inverse, valid = self.inputs.inverse, self.valid
        if not len(answers):
            return pa.nulls(len(valid), answers.type)
        n_valid = len(answers) if inverse is None else len(inverse)
        if n_valid == len(valid):
            return answers if inverse is None else answers.take(inverse)
        where = np.zeros(len(valid), dtype=np.int64)
        where[true_places(valid)] = np.arange(n_valid) if inverse is None else array_numbers(inverse)
        # With numbers of Python's in an expression pyarrow would import pandas: see numbers_array().
        return answers.take(pc.if_else(valid, numbers_array(where), pa.nulls(len(valid), pa.int64())))


def answer(context: Context, call: BoundCall, rows: Rows, *, detail: bool) -> Answered:
    """Every row's answer; without detail only its value. Raises ModelError before any row is touched, and
    RowsFailedError when rows failed and the call's on_error is 'raise'."""
    if call.on_error == "raise":
        _stop_at_foreseen(context, call, rows)
    n_rows = len(rows.columns[0]) if rows.n_rows is None else rows.n_rows
    schema = answer_schema(call.spec) if detail else pa.schema([answer_schema(call.spec).field("value")])
    with context.entry(rows.statement, call.spec.name, call.model, call.text, n_rows, rows.node) as entry:
        valid = _valid_rows(rows.columns)
        returned = None
        if (blank := blank_rows(call.spec, call.blank, rows.columns)) is not None:
            n_blank = blank.true_count if rows.counts is None else pc.sum(rows.counts.filter(blank)).as_py()
            context.ledger.blank(entry, n_blank)
            valid = pc.and_not(valid, blank)
            text = rows.columns[0]
            returned = pc.if_else(blank, text, pa.nulls(len(text), text.type)) if call.blank == "same" else None
        columns = rows.columns if valid.true_count == len(valid) else [c.filter(valid) for c in rows.columns]
        inputs = distinct_inputs(columns, call.codecs, are_distinct=rows.n_rows is not None)
        answered = Answered(
            call, inputs, valid, empty_table(schema), {}, np.zeros(0, dtype=np.bool_), np.zeros(0, dtype=np.bool_),
            returned=returned,
        )  # fmt: skip
        if (
            rows.whole
            and rows.counts is not None
            and call.bound.cascade is not None
            and len(inputs)
            and not context.is_dry
        ):
            answered = _within_targets(context, answered, entry, schema, _rows_of_each(inputs, valid, rows.counts))
        elif len(inputs):
            answered = _resolved(context, answered, entry, schema, n_rows, whole=rows.whole)
    report(context, call, inputs, answered.errors, rows.node)
    return answered


def _stop_at_foreseen(context: Context, call: BoundCall, rows: Rows) -> None:
    """Raises RowsFailedError where rows are among those that failed when the statement was answered ahead."""
    if not context.ledger.foresees:
        return
    valid = _valid_rows(rows.columns)
    inputs = distinct_inputs([column.filter(valid) for column in rows.columns], call.codecs)
    if errors := context.ledger.take_foreseen(call.question.signature, inputs.keys):
        raise RowsFailedError.listed(
            call.spec.name, [(" | ".join(inputs.excerpts(place))[:60], errors[place]) for place in sorted(errors)]
        )


def report(
    context: Context, call: BoundCall, inputs: Inputs, errors: Mapping[int, str], node: str, on_error: str | None = None
) -> None:
    """Lists inputs that got no answer; raises RowsFailedError where the call is to stop at them."""
    if not errors:
        return
    places = sorted(errors)
    texts = [" | ".join(inputs.excerpts(place)) for place in places]
    for place, text in zip(places, texts, strict=True):
        context.ledger.fail(call.spec.name, call.model.name, text, errors[place])
    if context.account is not None:
        written = call_text(call.spec.name, call.call.labels, {**call.call.options, "model": call.model.name})
        about = node, call.spec.name, call.model.name, written
        context.account.failed([Failure(*about, inputs.excerpts(place), errors[place]) for place in places])
    if (on_error or call.on_error) == "raise":
        listed = [(text[:60], errors[place]) for place, text in zip(places, texts, strict=True)]
        raise RowsFailedError.listed(call.spec.name, listed)


def _resolved(
    context: Context, answered: Answered, entry: Entry, schema: pa.Schema, n_rows: int, *, whole: bool = False
) -> Answered:
    """By the call's own model alone. whole: as of Rows."""
    call, inputs = answered.call, answered.inputs
    with (
        context.progress.working(f"{call.spec.name} {call.model.name}", n_rows) as on_progress,
        _counted_if_it_fails(context, entry, _Function(call, context.work(entry, on_progress))) as function,
    ):
        if whole and call.bound.adapted is not None:
            call = function.call = replace(call, bound=call.bound.adapted(inputs, function.ask))
        if call.bound.basis is None:  # its model's numbers are the answer, and are stored as such
            function.ask.work = replace(function.ask.work, n_inputs=len(inputs))
            finished = function.answers(inputs)
            table, errors, known = finished.rows, finished.errors, finished.known
            assert known is not None
            pending = np.zeros(len(inputs), dtype=np.bool_)
            pending[finished.pending] = True
        else:
            # What was not sure enough is listed with its likeliest answer.
            question = call.question_about(call.schema if call.bound.is_silent else schema)
            # Of a dry run nothing is kept, though some functions need no model to answer.
            work = replace(function.ask.work, executor=function)
            found = resolve(question, inputs, work, keep=not context.is_dry)
            table, errors, known, pending = found.rows, found.errors, found.known, found.pending
    unsure = _unsure(call, entry, inputs, table, errors, pending) if call.bound.is_silent else {}
    left = context.ledger.count(entry, inputs.keys, known, errors, function.ask.usage, call.model, unsure)
    if left and context.account is not None:
        context.account.left([vars(each) for each in left])
    return replace(answered, table=table.select(schema.names), errors=errors, known=known, pending=pending)


def _unsure(
    call: BoundCall, entry: Entry, inputs: Inputs, table: pa.Table, errors: Mapping[int, str], pending: Bools
) -> dict[int, Unsure]:
    """By place, what has no answer though nothing failed."""
    places = [i for i in true_places(table["value"].combine_chunks().is_null()) if i not in errors and not pending[i]]
    rows = table.select(["confidence", "scores"]).take(numbers_array(np.array(places, dtype=np.int64))).to_pylist()
    left = {}
    for place, row in zip(places, rows, strict=True):
        scores = dict(row["scores"] or ())
        best = max(sorted(scores), key=lambda name: scores[name]) if scores else None
        about = entry.node, call.spec.name, call.model.name, call.text
        left[int(place)] = Unsure(*about, inputs.excerpts(place), best, row["confidence"])
    return left


@contextlib.contextmanager
def _counted_if_it_fails(context: Context, entry: Entry, function: _Function) -> Iterator[_Function]:
    """What was asked before a statement ended in an error is in the ledger all the same."""
    try:
        yield function
    except BaseException:
        context.ledger.spent(entry, function.ask.usage, function.ask.model)
        raise


class _Function:
    """The function of a call, as who answers the call's own question."""

    claims = False

    def __init__(self, call: BoundCall, work: Work) -> None:
        self.call = call
        self.ask = Ask(call.model, work)

    def run(self, question: Question, inputs: Inputs, work: Work) -> Iterator[Finished]:
        self.ask.work = replace(self.ask.work, on_progress=work.on_progress, n_inputs=len(inputs))
        # Where the model's numbers are not stored, what is answered is all that a killed process leaves behind.
        in_slices = work.store is not None and not work.keep_numbers
        known = np.zeros(len(inputs), dtype=np.bool_)
        for part in _paced_slices(len(inputs)) if in_slices else [slice(0, len(inputs))]:
            places = np.arange(part.start, part.stop)
            finished = self.answers(inputs.take(places) if in_slices else inputs)
            if len(finished.places) < len(places):
                finished.rows = finished.rows.take(numbers_array(finished.places))
            known[part] = finished.known
            yield Finished(
                places[finished.places],
                finished.rows,
                {part.start + i: reason for i, reason in finished.errors.items()},
                places[finished.pending],
                known,
            )

    def answers(self, inputs: Inputs) -> Finished:
        """With a row for each input, whatever became of it."""
        answers = self.call.bound.answer(inputs, self.ask)
        is_pending = np.full(len(inputs), self.ask.is_pending)
        is_pending[[place for place, reason in answers.errors.items() if reason == PENDING]] = True
        errors = {place: reason for place, reason in answers.errors.items() if not is_pending[place]}
        good = ~is_pending
        good[list(errors)] = False
        table = answer_table(answers, self.call.spec, is_silent=self.call.bound.is_silent)
        return Finished(np.flatnonzero(good), table, errors, np.flatnonzero(is_pending), answers.known)


def _paced_slices(n: int) -> Iterator[slice]:
    """Inputs that take about as long as what is finished may wait to be stored."""
    start, size = 0, FIRST_SLICE
    while start < n:
        began = time.monotonic()
        yield slice(start, min(start + size, n))
        start += size
        pace = size / max(time.monotonic() - began, 1e-6)
        size = max(LEAST_SLICE, min(4 * size, int(pace * local.STORE_S)))


def _within_targets(context: Context, answered: Answered, entry: Entry, schema: pa.Schema, counts: Ints) -> Answered:
    """Answers of which some are the proxy's. What the exact model answers is treated as any exact answer, and stored;
    what the proxy answers is stored nowhere. Which inputs are asked does not depend on what is stored, so the same
    inputs get the same answers again."""
    call, inputs = answered.call, answered.inputs
    cascade = call.bound.cascade
    assert cascade is not None
    proxy = cascade.proxy
    parts: list[tuple[Ints, Answered]] = []

    def exact(places: Ints) -> list[Any]:
        part = replace(answered, inputs=inputs.take(places))
        context.progress.expect(len(places))
        part = _resolved(context, part, entry, schema, len(places))
        parts.append((places, part))
        values: list[Any] = part.table["value"].to_pylist()
        return values

    n_rows = int(counts.sum())
    with context.entry(entry.statement, call.spec.name, proxy, call.text, n_rows, entry.node) as line:
        with context.progress.working(f"{call.spec.name} {proxy.name}", n_rows) as on_progress:
            ask = Ask(proxy, context.work(line, on_progress))
            routed = cascade(
                inputs, ask, exact, counts=counts,
                ids=np.ascontiguousarray(inputs.keys[:, :8]).view(np.uint64)[:, 0],
                seed=int(call.question.signature[:15], 16),
            )  # fmt: skip
        context.ledger.count(line, inputs.keys, routed.known, {}, ask.usage, proxy)
    for question, certificate in routed.certificates:
        context.ledger.certify(entry, proxy.name, question, certificate)
    if context.account is not None:
        context.account.certified(context.ledger.certificate_rows)
    rest = np.flatnonzero(~routed.asked)
    guessed = Answers([routed.values[i] for i in rest], {}, routed.known[rest])
    gathered = call.codec(schema).gather(len(inputs))
    gathered.put(rest, answer_table(guessed, call.spec))
    known = routed.known.copy()
    errors: dict[int, str] = {}
    for places, part in parts:
        gathered.put(places, part.table)
        known[places] = part.known
        errors.update({int(places[i]): reason for i, reason in part.errors.items()})
    names = column_of([proxy.name, call.model.name], pa.string()).take(numbers_array(routed.asked.astype(np.int64)))
    pending = np.zeros(len(inputs), dtype=np.bool_)
    return replace(answered, table=gathered.rows, errors=errors, known=known, pending=pending, models=names)


def _valid_rows(columns: list[pa.Array]) -> pa.Array:
    valid = columns[0].is_valid()
    for column in columns[1:]:
        valid = pc.and_(valid, column.is_valid())
    return valid


def _rows_of_each(inputs: Inputs, valid: pa.Array, counts: pa.Array) -> Ints:
    """How many rows stand behind each distinct input. counts: of the rows before they were made distinct."""
    each = array_numbers(counts.filter(valid))
    if inputs.inverse is None:
        return np.asarray(each, dtype=np.int64)
    places = array_numbers(inputs.inverse)
    return np.bincount(places, weights=each, minlength=len(inputs)).astype(np.int64)
