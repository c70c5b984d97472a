"""Joins whose condition is a call: the pairs that fulfil it, found ahead.

Where the answer is made of the cosine of two vectors, each distinct value of both sides is embedded once and a blocked
matrix product gives the pairs; the function's own computation decides each of them. Any other call is asked once for
each distinct pair, in bulk, within its targets where it has some.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import duckdb
import numpy as np
import pyarrow as pa

from inlay.arrays import Bools, Floats, Ints, Numbers, numbers_array, relation_table
from inlay.engine import cancel, signals
from inlay.engine.near_pairs import TooManyPairs, near_pairs
from inlay.execution.answering import Rows, answer
from inlay.execution.binding import BoundCall
from inlay.execution.context import Context
from inlay.execution.session import Session
from inlay.execution.vectors import Side, side_vectors
from inlay.functions.blanks import asked_places
from inlay.functions.contract import Closeness, cosines
from inlay.parsing.statement import Call, Statement
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.keyed import KEY, ROWS
from inlay.planner.lookups import VALUE as ANSWER
from inlay.planner.lookups import key_places
from inlay.planner.pair_join import VALUE, JoinByCall
from inlay.planner.plan import Plan
from inlay.planner.rules.early_stop import early_stops

MOST_PAIRS = 16_000_000
"""Pairs that are held: 8 bytes each, and 12 while they are found."""

FEW_ROWS = 4
"""Where an equality beside the call leaves fewer pairs of rows than this many times the distinct values of both sides,
the pairs are asked for and not the values."""

NEAR = 1e-5
"""A score this close to the bound is looked up as the statement would: what is stored may differ in its last bits."""

_tables = itertools.count(1)


class Asks(Protocol):
    """What of a running statement a join needs."""

    session: Session
    context: Context
    plan: Plan
    all_pairs: dict[int, list[str]]
    statement_number: int

    @property
    def tables(self) -> dict[str, Any]: ...
    @property
    def held(self) -> Mapping[int, Any]: ...
    def query(self, sql: str) -> Any: ...
    def looked_up(self, text: str) -> str: ...
    def stage(self, number: int) -> None: ...
    def hold(self, number: int, rows: list[pa.Array], answers: pa.Array) -> None: ...


def joined(asks: Asks, join: JoinByCall, settings: tuple[Any, dict[str, Any], int | None]) -> tuple[Statement, str]:
    """The statement with the call's join made one by pairs, and what was done. settings: labels, options and the
    connection's number. Raises Unplannable where the call is better asked as it stands."""
    call = join.statement.calls[join.number]
    if key_places(call) != ((0, 0), (1, 1)):
        raise Unplannable(reasons.CONSTANT_SIDE)
    closeness = asks.session.bound(call.spec.name, *settings[:2], asks.context).bound.closeness
    if join.compared is not None and join.compared[0] not in (">", ">="):
        closeness = None
    if closeness is None and (join.crossing != () or _stops_early(asks, join)):
        raise Unplannable(reasons.FEWER_THAN_ALL)
    join, values = distinct_values(asks, join)
    n_values = sum(map(len, values))
    if few_rows(asks, join, n_values):
        raise Unplannable(reasons.FEW_PAIRS)
    if closeness is not None:
        pairs = pairs_by_vectors(asks, call, join, closeness, values, *settings)
        if pairs.answers is not None:
            asks.hold(join.number, pairs.texts(), pairs.answers)
        asked = f"{len(values[0]):,} and {len(values[1]):,} distinct values are asked for, not their pairs"
    else:
        pairs = pairs_by_answers(asks, join, values)
        asked = f"{len(values[0]):,} times {len(values[1]):,} distinct pairs are asked for"
    found = f"{len(pairs.at[0]):,} pairs join"
    if pairs.assumed:
        found = "one pair is assumed for each value of the larger side"
    return with_pairs(asks, join, pairs), f"{asked}; {found}"


def _stops_early(asks: Asks, join: JoinByCall) -> bool:
    return any(join.number in stop.numbers for stop in early_stops(join.statement, asks.plan.stages))


@dataclass(frozen=True)
class Pairs:
    """Distinct values of both sides of a call, in its order, and which pairs of them fulfil the condition. answers: to
    these pairs, where they are at hand. assumed: no model has said so."""

    values: tuple[pa.Array, pa.Array]
    at: tuple[Ints, Ints]
    answers: pa.Array | None = None
    assumed: bool = False

    @property
    def table(self) -> pa.Table:
        """As DuckDB joins by it; texts are there once, however many pairs they are in."""
        columns = [
            pa.DictionaryArray.from_arrays(numbers_array(at).cast(pa.int32()), values)
            for at, values in zip(self.at, self.values, strict=True)
        ]
        return pa.table({f"{KEY}{i}": column for i, column in enumerate(columns)})

    def texts(self) -> list[pa.Array]:
        return [values.take(numbers_array(at)) for at, values in zip(self.at, self.values, strict=True)]


def distinct_values(asks: Asks, join: JoinByCall) -> tuple[JoinByCall, tuple[pa.Array, pa.Array]]:
    """The values of both sides, in the order of the call; and the join as it was gathered."""
    first = asks.looked_up(join.with_ctes(join.values_of(0)))
    if join.alone is not None and "CROSS_PRODUCT" in str(asks.query(f"EXPLAIN {first}").fetchall()):
        join = join.from_one_relation()
        first = asks.looked_up(join.with_ctes(join.values_of(0)))
    second = asks.looked_up(join.with_ctes(join.values_of(1)))
    found = tuple(_column(asks.query(sql)) for sql in (first, second))
    return join, (found[1], found[0]) if join.swapped else (found[0], found[1])


def _column(relation: Any) -> pa.Array:
    column = relation_table(relation).column(0).combine_chunks()
    found = column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
    if not pa.types.is_string(found.type):
        raise Unplannable(reasons.of_other_type(found.type, "VARCHAR"))
    return found


def few_rows(asks: Asks, join: JoinByCall, n_values: int) -> bool:
    """Whether the other conditions of the join leave so few pairs of rows that these are better asked for."""
    if not join.equal:
        return False
    if join.crossing is None:
        raise Unplannable(reasons.JOINED_BY_USING)
    n_rows: int = asks.query(asks.looked_up(join.with_ctes(join.rows()))).fetchall()[0][0]
    return n_rows < FEW_ROWS * n_values


def pairs_by_vectors(
    asks: Asks,
    call: Call,
    join: JoinByCall,
    closeness: Closeness,
    values: tuple[pa.Array, pa.Array],
    labels: Any,
    options: dict[str, Any],
    connection: int | None,
) -> Pairs:
    """The pairs whose score passes the bound, as the function computes it."""
    session, context = asks.session, asks.context
    bound = _bound(asks, join, closeness)
    about = Rows([], asks.statement_number, str(options.get("node") or ""))
    bound_call = session.bound(call.spec.name, labels, options, context)
    # Where the answer to a blank is NULL, it is in no pair.
    places = [asked_places(side) if bound_call.blank == "null" else np.arange(len(side)) for side in values]
    asked = (values[0].take(numbers_array(places[0])), values[1].take(numbers_array(places[1])))
    with signals.inside(connection, (session.number, asks.statement_number)):
        token = cancel.Token()
        n_blank = sum(map(len, values)) - sum(map(len, asked))
        sides = side_vectors(context, bound_call, closeness, asked, about, n_blank)
        if any(side.pending for side in sides):
            at, scores = _one_for_each(places, bound)
            return Pairs(values, at, _answers(scores, closeness), assumed=True)
        if any(side.errors for side in sides) and bound_call.on_error == "raise":
            raise Unplannable(reasons.VALUE_FAILED)
        (left, right), scores = _near(sides, closeness, bound, token.check)
        at = (places[0][left], places[1][right])
        scores, passes = _decided(context, bound_call, about, Pairs(values, at), scores, closeness, bound)
    return Pairs(values, (at[0][passes], at[1][passes]), _answers(scores[passes], closeness))


def _one_for_each(places: list[Ints], bound: _Bound) -> tuple[tuple[Ints, Ints], Numbers]:
    """Of a dry run, a pair for each value of the larger side."""
    n_pairs = max(map(len, places)) if all(map(len, places)) else 0
    left, right = (of_side[np.arange(n_pairs) % max(1, len(of_side))] for of_side in places)
    return (left, right), np.full(n_pairs, bound.least)


def _near(
    sides: list[Side], closeness: Closeness, bound: _Bound, check: Callable[[], None]
) -> tuple[tuple[Ints, Ints], Numbers]:
    """The pairs that pass the bound or nearly do, since what is stored may say otherwise of a pair just below it; and
    their scores."""
    if not all(np.isfinite(side.rows).all() for side in sides):
        raise Unplannable(reasons.NOT_FINITE)
    good = [np.setdiff1d(np.arange(len(side.rows)), list(side.errors)) for side in sides]
    left_rows, right_rows = (side.rows[places] for side, places in zip(sides, good, strict=True))
    least = bound.least - NEAR

    def nearly(scores: Floats) -> Bools:
        return np.asarray(closeness.score(scores).astype(np.float64) >= least, dtype=np.bool_)

    try:
        left, right, found = near_pairs(
            left_rows, right_rows, closeness.cosine(least), cosines, nearly, most=MOST_PAIRS, check=check
        )
    except TooManyPairs:
        raise Unplannable(reasons.too_many_pairs(MOST_PAIRS)) from None
    return (good[0][left], good[1][right]), closeness.score(found).astype(np.float64)


def _decided(
    context: Context, call: BoundCall, about: Rows, pairs: Pairs, scores: Numbers, closeness: Closeness, bound: _Bound
) -> tuple[Numbers, Bools]:
    """(the score of each pair, whether it passes the bound), by what is stored where that may matter."""
    passes = bound.passed_by(scores)
    close = np.flatnonzero(np.abs(scores - bound.least) <= NEAR)
    if not len(close) or context.store is None:
        return scores, passes
    texts = Pairs(pairs.values, (pairs.at[0][close], pairs.at[1][close])).texts()
    answers = answer(context, call, replace(about, columns=texts, n_rows=0), detail=False).values().to_pylist()
    if closeness.least is None:
        scores[close] = [math.nan if score is None else score for score in answers]
        passes = bound.passed_by(scores)
    else:
        passes[close] = [bool(each) for each in answers]
    return scores, passes


def _answers(scores: Numbers, closeness: Closeness) -> pa.Array:
    """Of pairs that pass the bound."""
    return _doubles(scores) if closeness.least is None else pa.repeat(True, len(scores))


def _doubles(numbers: Any) -> pa.Array:
    return pa.Array.from_buffers(pa.float64(), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))])


@dataclass(frozen=True)
class _Bound:
    """The lowest score that joins. strictly: a score must be above it."""

    least: float
    strictly: bool = False

    def passed_by(self, scores: Numbers) -> Bools:
        return np.asarray(scores > self.least if self.strictly else scores >= self.least, dtype=np.bool_)


def _bound(asks: Asks, join: JoinByCall, closeness: Closeness) -> _Bound:
    if join.compared is None:
        if closeness.least is None:
            raise Unplannable(reasons.NOT_A_CONDITION)
        return _Bound(closeness.least)
    if closeness.least is not None:
        raise Unplannable(reasons.COMPARED)
    operator, text = join.compared
    try:
        value = asks.query(f"SELECT ({text})::DOUBLE").fetchall()[0][0]
    except duckdb.Error as error:
        raise Unplannable(reasons.bound_not_read(str(error).splitlines()[0])) from None
    if value is None or not math.isfinite(value):
        raise Unplannable(reasons.BOUND_NOT_FINITE)
    return _Bound(float(value), strictly=operator == ">")


def pairs_by_answers(asks: Asks, join: JoinByCall, values: tuple[pa.Array, pa.Array]) -> Pairs:
    """The pairs whose answer fulfils the condition, all of them asked."""
    if len(values[0]) * len(values[1]) > MOST_PAIRS:
        raise Unplannable(reasons.too_many_distinct_pairs(MOST_PAIRS))
    names = [f"_inlay_v{next(_tables)}" for _ in values]
    asks.tables.update({name: pa.table({VALUE: side}) for name, side in zip(names, values, strict=True)})
    asks.all_pairs[join.number] = [
        # Text by text, which a cross product is not: what is asked of one text is best asked together.
        f"SELECT l.{VALUE} AS {KEY}0, unnest((SELECT list({VALUE}) FROM {names[1]})) AS {KEY}1, 1 AS {ROWS} "
        f"FROM {names[0]} AS l"
    ]
    asks.stage(join.number)
    if asks.held[join.number].failed:
        raise Unplannable(reasons.PAIR_FAILED)
    answer = f"({ANSWER}).v"
    condition = answer if join.compared is None else f"{answer} {join.compared[0]} ({join.compared[1]})"
    relation = asks.query(f"SELECT {KEY}0, {KEY}1 FROM {asks.held[join.number].name} WHERE {condition}")
    found = relation_table(relation)
    at = []
    for i, side in enumerate(values):
        places = {text: place for place, text in enumerate(side.to_pylist())}
        at.append(np.array([places[text] for text in found.column(i).to_pylist()], dtype=np.int64))
    return Pairs(values, (at[0], at[1]))


def with_pairs(asks: Asks, join: JoinByCall, pairs: Pairs) -> Statement:
    """The statement joined by the pairs. Raises Unplannable where DuckDB does not take it."""
    number = next(_tables)
    sides = pairs.values[::-1] if join.swapped else pairs.values
    names = [f"_inlay_p{number}", f"_inlay_l{number}", f"_inlay_r{number}"]
    made = [pairs.table, *(pa.table({VALUE: side}) for side in sides)]
    statement = join.joined(*names)
    asks.tables.update(zip(names, made, strict=True))
    return statement
