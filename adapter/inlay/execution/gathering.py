"""The distinct inputs of calls, as DuckDB gives them for queries of the planner's own.

The first are read as rows: a relation, whose rows would come as Arrow, is bound twice, and most statements ask for few
inputs, by queries that take longer to bind than to run. Where there are more, the rest comes as Arrow, in which a row
costs a tenth.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from inlay.arrays import column_of, relation_reader
from inlay.execution.queries import UNBOUND, Queries, first_line
from inlay.functions.arrow_texts import FRACTIONS, WRITTEN_OTHERWISE, arrow_text
from inlay.functions.spec import READ_AS_TEXT
from inlay.parsing.statement import Call
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.keyed import KEY, ROWS
from inlay.planner.lookups import key_places, same_keys
from inlay.store.codecs import codec_of

GATHER_ROWS = 8_192
"""Inputs that are answered at a time."""

FIRST_ROWS = 256
"""Of these the rows are read one by one."""

_GIVEN = "_inlay_r"
"""Columns of values as they are, beside their texts: _inlay_r0, …"""

_GOES_ON = hasattr(duckdb.DuckDBPyConnection, "to_arrow_reader")
"""Whether a result of which rows were read gives the rest as Arrow. DuckDB 1 loses it, so a relation is read there."""


class Gathering:
    """Of one statement. What one call was asked is kept for others that may be asked the same.

    kinds: by call, the types of its row values. left_out: the tables of calls of which some inputs may be left to the
    call: no SQL gives their text."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries
        self._kept: dict[tuple[str, ...], pa.RecordBatch] = {}
        self._kinds: dict[str, tuple[str, ...]] = {}
        self.kinds: dict[int, tuple[str, ...]] = {}
        self.left_out: set[str] = set()

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
            self.kinds[call.number] = self._kinds.get(sql, ())
            if sql in gathered or (answers is not None and not key_places(call) and answers.num_rows > 0):
                return
            gathered.append(sql)
            asked = (sql, *types_of(call))
            if answers is None and (kept := self._kept.get(asked)) is not None:
                if expect is not None:
                    expect(sum(kept.column(ROWS).to_pylist()))
                yield kept
                return
            try:
                batches = self._batches(sql, call, table, expect)
            except UNBOUND as error:
                reason = error
                continue
            first, is_whole = next(batches, (None, True))
            if first is None:
                return
            if is_whole and answers is None and reads_no_answers:
                self._kept[asked] = first
            rest = (batch for batch, _ in batches)
            yield from _one([first, *rest]) if whole else _and(first, rest)
            return
        raise Unplannable(reasons.inputs_not_selected(first_line(reason)))

    def _batches(
        self, sql: str, call: Call, table: str, expect: Callable[[int], None] | None
    ) -> Iterator[tuple[pa.RecordBatch, bool]]:
        """What such a query gives, and of each batch whether it is the last. Raises Unplannable for what no function is
        handed as text."""
        kinds = self.kinds[call.number]
        text = _as_texts(sql, call, table if table in self._queries.tables else None, kinds)
        result = self._queries.run(text, "execute" if _GOES_ON else "sql")
        types = [kind for _, kind, *_ in result.description] if _GOES_ON else result.types
        found = kinds_of([str(kind) for kind in types[-len(call.texts) :]], types_of(call))
        self.kinds[call.number] = self._kinds[sql] = found
        if found != kinds and not WRITTEN_OTHERWISE.isdisjoint(found):
            return self._batches(sql, call, table, expect)
        if not FRACTIONS.isdisjoint(found):  # 0.0 and -0.0 have two texts, and are one value in GROUP BY
            self.left_out.add(table)
        if expect is not None:
            self._tell_rows(text, expect)
        return self._in_batches(_read(result, call, found), table)

    def _in_batches(self, read: _Read, table: str) -> Iterator[tuple[pa.RecordBatch, bool]]:
        waiting = read.schema.empty_table()
        for more in read.rows:
            if len(waiting) >= GATHER_ROWS:
                yield _batch(waiting.slice(0, GATHER_ROWS)), False
                waiting = waiting.slice(GATHER_ROWS)
            waiting = pa.concat_tables([waiting, self._as_usual(more, read, table)])
        while len(waiting):
            yield _batch(waiting.slice(0, GATHER_ROWS)), len(waiting) <= GATHER_ROWS
            waiting = waiting.slice(GATHER_ROWS)

    def _as_usual(self, rows: pa.Table, read: _Read, table: str) -> pa.Table:
        """Rows with the texts that a function is handed: dates beyond the years 1 to 9999 have others in Arrow."""
        usual = rows
        for i, kind in enumerate(read.kinds):
            column = usual.column(i)
            if kind == "DATE":
                is_usual = pc.equal(pc.utf8_length(column), len("2000-01-01"))
            elif kind in WRITTEN_OTHERWISE:
                is_usual = pc.equal(column, usual.column(f"{_GIVEN}{i}").cast(pa.string()))
            else:
                continue
            usual = usual.filter(pc.or_kleene(is_usual, column.is_null()))
        if len(usual) < len(rows):
            self.left_out.add(table)
        return usual.select(read.schema.names).cast(read.schema)

    def _tell_rows(self, text: str, expect: Callable[[int], None]) -> None:
        """How many rows gathered inputs stand for."""
        try:
            expect(self._queries.row(f"SELECT coalesce(sum({ROWS}), 0)::BIGINT FROM ({text}) AS _inlay_all")[0])
        except duckdb.InterruptException:
            raise
        except duckdb.Error:  # as reading them will, where it is handled
            return


def types_of(call: Call) -> list[str]:
    """Of the row values that a call takes."""
    return [argument.type for argument in call.spec.args if not argument.is_setting][: len(call.texts)]


def _as_texts(sql: str, call: Call, answered: str | None, kinds: tuple[str, ...]) -> str:
    """A query for the inputs with a text in the place of what is no VARCHAR, as the function would be handed it, the
    number of their rows, and columns of their own types. answered: a table that holds some. kinds: these types, where
    they are known: what Arrow writes otherwise is there as it is."""
    types = types_of(call)
    values = [f"_inlay_g.{KEY}{i}" for i, _ in enumerate(types)]
    given = zip(values, types, kinds or [""] * len(types), strict=True)
    keys = [arrow_text(value, of) if kind == "VARCHAR" else value for value, kind, of in given]
    columns = [f"{key} AS {KEY}{i}" for i, key in enumerate(keys)]
    is_read = [bool(kinds) and kinds[i] in WRITTEN_OTHERWISE for i, _ in enumerate(values)]
    raw = [value if read else f"CASE WHEN false THEN {value} END" for value, read in zip(values, is_read, strict=True)]
    columns += [ROWS, *(f"{value} AS {_GIVEN}{i}" for i, value in enumerate(raw))]
    text = f"SELECT {', '.join(columns)} FROM ({sql}) AS _inlay_g"
    places = key_places(call)
    if answered is None or not places:
        return text
    on = same_keys(answered, call, ((i, values[i], at) for i, at in places), kinds)
    return f"{text} ANTI JOIN {answered} ON {on}"


@dataclass(frozen=True)
class _Read:
    """A result that is read. kinds: the types of the row values. schema: of the inputs. rows: with the columns of the
    schema, and where Arrow writes a value otherwise, that."""

    kinds: tuple[str, ...]
    schema: pa.Schema
    rows: Iterator[pa.Table]


def _read(result: Any, call: Call, kinds: tuple[str, ...]) -> _Read:
    types = types_of(call)
    given = [codec_of(kind).arrow for kind in types] + [pa.int64()]
    schema = pa.schema(list(zip([f"{KEY}{i}" for i in range(len(types))] + [ROWS], given, strict=True)))
    first_as_rows = _GOES_ON and WRITTEN_OTHERWISE.isdisjoint(kinds)
    return _Read(kinds, schema, _first_as_rows(result, schema) if first_as_rows else _rest(result))


def _first_as_rows(result: Any, schema: pa.Schema) -> Iterator[pa.Table]:
    rows = result.fetchmany(FIRST_ROWS)
    columns = [column_of([row[i] for row in rows], kind) for i, kind in enumerate(schema.types)]
    yield pa.Table.from_arrays(columns, schema=schema)
    if len(rows) == FIRST_ROWS:
        yield from _rest(result)


def _rest(result: Any) -> Iterator[pa.Table]:
    """Rows of a result that were not fetched yet. Raises what DuckDB says; Arrow hands on its text alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # DuckDB 2 would rather be asked for a relation
        reader = relation_reader(result, GATHER_ROWS)
    try:
        for batch in reader:
            yield pa.Table.from_batches([batch])
    except OSError as error:
        if type(error) is not OSError:  # a TimeoutError of a signal's handler
            raise
        kind = duckdb.InterruptException if str(error).startswith("INTERRUPT") else duckdb.Error
        raise kind(str(error)) from None
    finally:
        reader.close()  # an open reader holds the connection


def _batch(table: pa.Table) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([column.combine_chunks() for column in table.columns], schema=table.schema)


def kinds_of(written: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """The types that DuckDB gives the row values. Raises Unplannable where one may not be of these."""
    kinds = tuple(kind.partition("(")[0] for kind in written)
    for kind, takes in zip(kinds, wanted, strict=True):
        if kind != takes and not (takes == "VARCHAR" and kind in READ_AS_TEXT | WRITTEN_OTHERWISE):
            raise Unplannable(reasons.of_other_type(kind, takes))
    return kinds


def _one(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The same rows in one batch, or as few as Arrow has for so many bytes."""
    joined: list[pa.RecordBatch] = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return joined


def _and(first: pa.RecordBatch, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from batches
