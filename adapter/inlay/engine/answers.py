"""How answers to one question are held: rows of numbers, texts, or columns of a table; each of them knows how it is
gathered, how it is stored as Arrow, and which rows are no answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from inlay.arrays import (
    Bools,
    Floats,
    Ints,
    array_flags,
    array_floats,
    column_of,
    empty_table,
    numbers_array,
    rows_taken,
    vector_array,
    vector_rows,
)
from inlay.engine.result_cache import empty_rows
from inlay.json_schema import is_stored_reply
from inlay.thoughts import begins_with_thoughts

Rows = Any
"""Answers to as many inputs: a float32 matrix, a list of texts or a table, as their codec holds them."""

NO_ANSWER = "the reply is empty, or begins with the model's thoughts"
NOT_FINITE = "the model's numbers for this input are not finite (NaN, or too large for its precision)"


class Gathered(Protocol):
    """Where the answers to n inputs come together, in any order."""

    def put(self, places: Ints, rows: Rows) -> None: ...

    @property
    def rows(self) -> Rows:
        """All of them in the order of the inputs. Of a place that got none, zeros, None or a row of NULL."""
        ...


class AnswerCodec(Protocol):
    """cached: whether answers are kept in memory too, where they are claimed by who computes them."""

    @property
    def cached(self) -> bool: ...
    @property
    def schema(self) -> pa.Schema:
        """Of the stored table, the columns that are read."""
        ...

    def gather(self, n: int) -> Gathered: ...
    def faults(self, rows: Rows) -> dict[int, str]:
        """By position, why what a model gave is no answer."""
        ...

    def to_table(self, rows: Rows) -> pa.Table: ...
    def from_table(self, table: pa.Table) -> tuple[Ints, Rows]:
        """Which rows of a stored table are answers, and these: what wrote it may have been another version, or somebody
        who makes answers up."""
        ...


@dataclass
class _Filled:
    rows: Rows

    def put(self, places: Ints, rows: Rows) -> None:
        self.rows[places] = rows


@dataclass(frozen=True)
class Numbers:
    """A row of float32 for each input. width: None where a stored table is read without its model; all of its rows then
    have the width of the first."""

    width: int | None
    cached = True
    schema = pa.schema([("value", pa.list_(pa.float32()))])

    def gather(self, n: int) -> Gathered:
        assert self.width is not None
        return _Filled(empty_rows(n, self.width))

    def faults(self, rows: Floats) -> dict[int, str]:
        # A sum of squares is finite only where each number is, and where the row has a length in float32.
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(np.einsum("ij,ij->i", rows, rows))
        return {} if finite.all() else dict.fromkeys(np.flatnonzero(~finite).tolist(), NOT_FINITE)

    def to_table(self, rows: Floats) -> pa.Table:
        return pa.table({"value": vector_array(rows)})

    def from_table(self, table: pa.Table) -> tuple[Ints, Floats]:
        widths = np.where(
            array_flags(table["value"].is_valid()), array_floats(pc.list_value_length(table["value"])), -1
        )
        width = self.width if self.width is not None else widths.max(initial=1)
        places = np.flatnonzero(widths == width)
        rows = vector_rows(_rows_at(table, places)["value"])
        if not (faults := self.faults(rows)):
            return places, rows
        good = np.setdiff1d(np.arange(len(rows)), list(faults), assume_unique=True)
        return places[good], rows[good]


class _Texts:
    def __init__(self, n: int) -> None:
        self.rows: list[str | None] = [None] * n

    def put(self, places: Ints, rows: list[str]) -> None:
        for place, text in zip(places.tolist(), rows, strict=True):
            self.rows[place] = text


@dataclass(frozen=True)
class Texts:
    """A text for each input. reply_schema: of the JSON that it is, where it is any."""

    reply_schema: str | None = None
    cached = True
    schema = pa.schema([("value", pa.string())])

    def gather(self, n: int) -> Gathered:
        return _Texts(n)

    def faults(self, rows: list[str]) -> dict[int, str]:
        return {i: NO_ANSWER for i, text in enumerate(rows) if not is_reply(text)}

    def to_table(self, rows: list[str]) -> pa.Table:
        return pa.table({"value": column_of(rows, pa.string())})

    def from_table(self, table: pa.Table) -> tuple[Ints, list[str]]:
        texts = table["value"].to_pylist()
        good = [i for i, text in enumerate(texts) if self._is_answer(text)]
        return np.array(good, dtype=np.int64), [texts[i] for i in good]

    def _is_answer(self, text: str | None) -> bool:
        if self.reply_schema is None or text is None:
            return is_reply(text)
        return is_stored_reply(self.reply_schema, text)


def is_reply(text: str | None) -> bool:
    return text is not None and bool(text.strip()) and "\0" not in text and not begins_with_thoughts(text)


class _Tables:
    def __init__(self, schema: pa.Schema, n: int) -> None:
        self._schema = schema
        self._n = n
        self._parts: list[tuple[Ints, pa.Table]] = []

    def put(self, places: Ints, rows: pa.Table) -> None:
        self._parts.append((places, rows.select(self._schema.names)))

    @property
    def rows(self) -> pa.Table:
        places = np.concatenate([np.zeros(0, dtype=np.int64), *(places for places, _ in self._parts)])
        joined = pa.concat_tables([table for _, table in self._parts] or [empty_table(self._schema)])
        if len(places) == self._n and (np.diff(places) == 1).all():
            return joined
        order = np.full(self._n, -1, dtype=np.int64)
        order[places] = np.arange(len(places))
        if len(places) == self._n:
            return joined.take(numbers_array(order))
        return rows_taken(joined, order)


@dataclass(frozen=True)
class Table:
    """Columns of a table for each input. schema: of those that the caller wants, `value` first. possible: of each row
    of a stored table whether it may be an answer."""

    schema: pa.Schema
    possible: Callable[[pa.Table], Bools]
    cached = False

    def gather(self, n: int) -> Gathered:
        return _Tables(self.schema, n)

    def faults(self, rows: pa.Table) -> dict[int, str]:
        return {}

    def to_table(self, rows: pa.Table) -> pa.Table:
        return rows

    def from_table(self, table: pa.Table) -> tuple[Ints, pa.Table]:
        places = np.flatnonzero(self.possible(table))
        rows = _rows_at(table, places)
        return places, rows if rows.schema.equals(self.schema) else rows.cast(self.schema)


def _rows_at(table: pa.Table, places: Ints) -> pa.Table:
    return table if len(places) == len(table) else table.take(numbers_array(places))
