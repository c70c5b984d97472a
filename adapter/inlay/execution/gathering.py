"""The distinct inputs of calls, as DuckDB gives them for queries of the planner's own.

The first are read as rows: a relation, whose rows would come as Arrow, is bound twice, and most statements ask for few
inputs, by queries that take longer to bind than to run. Where there are more, the rest comes as Arrow, in which a row
costs a tenth.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from inlay.arrays import column_of, relation_reader
from inlay.execution.queries import UNBOUND, Queries, first_line
from inlay.functions.spec import READ_AS_TEXT
from inlay.parsing.statement import Call
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.gather import KEY, ROWS
from inlay.planner.lookups import key_places, same_keys
from inlay.store.codecs import codec_of

GATHER_ROWS = 8_192
"""Inputs that are answered at a time."""

FIRST_ROWS = 256
"""Of these the rows are read one by one."""

_GOES_ON = hasattr(duckdb.DuckDBPyConnection, "to_arrow_reader")
"""Whether a result of which rows were read gives the rest as Arrow. DuckDB 1 loses it, so a relation is read there."""


class Gathering:
    """Of one statement. What one call was asked is kept for others that may be asked the same."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._kept: dict[tuple[str, ...], pa.RecordBatch] = {}

    def inputs(
        self,
        texts: Iterable[tuple[str, bool]],
        call: Call,
        table: str,
        gathered: list[str],
        whole: bool,
        expect: Callable[[int], None] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Those of the first query that DuckDB binds, without what is answered in the table of that name, whose one row
        says it all where there are no keys; in batches of GATHER_ROWS, or in one. texts: queries, and whether they look
        up no answers. gathered: the queries that the table came from; the new one is added. expect: is told how many
        rows the inputs stand for. Raises Unplannable where DuckDB binds none, and what it says while rows come."""
        reason: Exception | None = None
        for sql, reads_no_answers in texts:
            answers = self._queries.tables.get(table)
            if sql in gathered or (answers is not None and not key_places(call) and answers.num_rows > 0):
                return
            gathered.append(sql)
            asked = (sql, *_types(call))
            if answers is None and (kept := self._kept.get(asked)) is not None:
                if expect is not None:
                    expect(sum(kept.column(ROWS).to_pylist()))
                yield kept
                return
            text = _as_texts(sql, call, table if answers is not None else None)
            if expect is not None:
                self._tell_rows(text, expect)
            try:
                result = self._queries.run(text, "execute" if _GOES_ON else "sql")
            except UNBOUND as error:
                reason = error
                continue
            batches = _batches(result, call)
            first, is_whole = next(batches, (None, True))
            if first is None:
                return
            if is_whole and answers is None and reads_no_answers:
                self._kept[asked] = first
            rest = (batch for batch, _ in batches)
            yield from _one([first, *rest]) if whole else _and(first, rest)
            return
        raise Unplannable(reasons.inputs_not_selected(first_line(reason)))

    def _tell_rows(self, text: str, expect: Callable[[int], None]) -> None:
        """How many rows gathered inputs stand for."""
        try:
            expect(self._queries.row(f"SELECT coalesce(sum({ROWS}), 0)::BIGINT FROM ({text}) AS _inlay_all")[0])
        except duckdb.InterruptException:
            raise
        except duckdb.Error:  # as reading them will, where it is handled
            return


def _types(call: Call) -> list[str]:
    """Of the row values that a call takes."""
    return [argument.type for argument in call.spec.args if not argument.is_setting][: len(call.texts)]


def _as_texts(sql: str, call: Call, answered: str | None) -> str:
    """A query for the inputs with a text in the place of what is no VARCHAR, as the function would be handed it, the
    number of their rows, and what type each had. answered: a table that holds some."""
    types = _types(call)
    keys = (f"_inlay_g.{KEY}{i}{'::VARCHAR' if kind == 'VARCHAR' else ''}" for i, kind in enumerate(types))
    kinds = (f"typeof(_inlay_g.{KEY}{i})" for i, _ in enumerate(types))
    text = f"SELECT {', '.join([*keys, ROWS, *kinds])} FROM ({sql}) AS _inlay_g"
    places = key_places(call)
    if answered is None or not places:
        return text
    on = same_keys(answered, call, ((i, f"_inlay_g.{KEY}{i}", at) for i, at in places))
    return f"{text} ANTI JOIN {answered} ON {on}"


def _batches(result: Any, call: Call) -> Iterator[tuple[pa.RecordBatch, bool]]:
    """What such a query gives, and of each batch whether it is the last. Raises Unplannable for what no function is
    handed as text."""
    types = _types(call)
    given = [codec_of(kind).arrow for kind in types] + [pa.int64()]
    schema = pa.schema(list(zip([f"{KEY}{i}" for i in range(len(types))] + [ROWS], given, strict=True)))
    more: Iterator[pa.RecordBatch] = iter(())
    if _GOES_ON:
        rows = result.fetchmany(FIRST_ROWS)
        if not rows:
            return
        kinds = _kinds(rows[0][-len(types) :], types)
        columns = [column_of([row[i] for row in rows], kind) for i, kind in enumerate(given)]
        waiting = pa.Table.from_arrays(columns, schema=schema)
        if len(rows) == FIRST_ROWS:
            more = _rest(result)
    else:
        more = _rest(result)
        first = next(more, None)
        if first is None:
            return
        kinds = _kinds([column[0].as_py() for column in first.columns[-len(types) :]], types)
        waiting = _inputs_of(first, schema)
    # A date beyond the years 1 to 9999 has another text in Arrow: it is left to the call.
    dates = [i for i, kind in enumerate(kinds) if kind == "DATE"]
    for batch in more:
        if len(waiting) >= GATHER_ROWS:
            yield _of_usual_dates(waiting.slice(0, GATHER_ROWS), dates), False
            waiting = waiting.slice(GATHER_ROWS)
        waiting = pa.concat_tables([waiting, _inputs_of(batch, schema)])
    while len(waiting):
        yield _of_usual_dates(waiting.slice(0, GATHER_ROWS), dates), len(waiting) <= GATHER_ROWS
        waiting = waiting.slice(GATHER_ROWS)


def _inputs_of(batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
    """Without the types that the values had."""
    return pa.Table.from_arrays(batch.columns[: len(schema)], names=schema.names).cast(schema)


def _rest(result: Any) -> Iterator[pa.RecordBatch]:
    """Rows of a result that were not fetched yet. Raises what DuckDB says; Arrow hands on its text alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # DuckDB 2 would rather be asked for a relation
        reader = relation_reader(result, GATHER_ROWS)
    try:
        yield from reader
    except OSError as error:
        if type(error) is not OSError:  # a TimeoutError of a signal's handler
            raise
        kind = duckdb.InterruptException if str(error).startswith("INTERRUPT") else duckdb.Error
        raise kind(str(error)) from None
    finally:
        reader.close()  # an open reader holds the connection


def _of_usual_dates(table: pa.Table, dates: Sequence[int]) -> pa.RecordBatch:
    """Rows whose dates have ten letters."""
    for i in dates:
        is_usual = pc.equal(pc.utf8_length(table.column(i)), len("2000-01-01"))
        table = table.filter(pc.or_kleene(is_usual, table.column(i).is_null()))
    return pa.RecordBatch.from_arrays([column.combine_chunks() for column in table.columns], schema=table.schema)


def _kinds(written: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The types that DuckDB gives the row values, which may be of these."""
    kinds = [kind.partition("(")[0] for kind in written]
    for kind, takes in zip(kinds, wanted, strict=True):
        if kind != takes and not (takes == "VARCHAR" and kind in READ_AS_TEXT):
            raise Unplannable(reasons.of_other_type(kind, takes))
    return kinds


def _one(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The same rows in one batch, or as few as Arrow has for so many bytes."""
    joined: list[pa.RecordBatch] = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return joined


def _and(first: pa.RecordBatch, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from batches
