"""The distinct inputs of calls, as DuckDB gives them for queries of the planner's own.

Most statements ask for few inputs, by queries that take longer to bind than to run. So the first are read as rows: a
relation, whose rows would come as Arrow, is bound twice. A query that was of few rows before is asked without GROUP BY,
which alone is half of what it costs; one of many is a relation, in which a row costs a tenth.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from inlay.arrays import column_of, empty_table, joined, relation_reader
from inlay.execution.queries import UNBOUND, Queries, first_line
from inlay.functions.arrow_texts import FRACTIONS, WRITTEN_OTHERWISE, arrow_text
from inlay.functions.spec import READ_AS_TEXT
from inlay.parsing.statement import Call
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.keyed import KEY, ROWS, row_by_row
from inlay.planner.lookups import key_places, same_keys
from inlay.store.codecs import codec_of

GATHER_ROWS = 8_192
"""The most inputs that are answered at a time."""

FIRST_ROWS = 256
"""Rows that are read one by one."""

_WAITS = re.compile(
    r"\b(?:group|order|distinct|join|union(?! all)|except|intersect|over|limit|having|qualify|pivot|unpivot)\b", re.I
)
"""Words of queries that make all rows before they give the first, wherever they stand."""

_FEW_BEFORE: dict[str, bool] = {}
"""By query, whether it was of few rows when it was asked last, in this process: a hint, which costs what it saves where
it is wrong."""

_MOST_TEXTS = 1_000

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
        before_many: Callable[[], None] = lambda: None,
    ) -> Iterator[pa.RecordBatch]:
        """Those of the first query that DuckDB binds, without what is answered in the table of that name, whose one row
        says it all where there are no keys; in batches of at most GATHER_ROWS, or in one. texts: queries, and whether
        they look up no answers. gathered: the queries that the table came from; the new one is added. expect: is told
        how many rows the inputs stand for. before_many: is called before those of more rows than FIRST_ROWS may be
        gathered. Raises Unplannable where DuckDB binds none, what it says while rows come, and what before_many()
        raises."""
        reason: Exception | None = None
        for sql, reads_no_answers in texts:
            answers = self._queries.tables.get(table)
            self.kinds[call.number] = self._kinds.get(sql, ())
            if sql in gathered or (answers is not None and not key_places(call) and answers.num_rows > 0):
                return
            gathered.append(sql)
            asked = (sql, *types_of(call))
            try:
                few = None if answers is not None else self._few(asked, call, table, is_kept=reads_no_answers)
                if few is None:
                    before_many()
                    batches = self._batches(sql, call, table, expect)
            except UNBOUND as error:
                reason = error
                continue
            if few is not None:
                if expect is not None:
                    expect(sum(few.column(ROWS).to_pylist()))
                if len(few):
                    yield few
                return
            first, is_whole = next(batches, (None, True))
            _remember(sql, is_few=first is None or (is_whole and pc.sum(first.column(ROWS)).as_py() <= FIRST_ROWS))
            if first is None:
                return
            if is_whole and answers is None and reads_no_answers:
                self._kept[asked] = first
            rest = (batch for batch, _ in batches)
            yield from _one([first, *rest]) if whole else _and(first, rest)
            return
        raise Unplannable(reasons.inputs_not_selected(first_line(reason)))

    def _few(self, asked: tuple[str, ...], call: Call, table: str, *, is_kept: bool) -> pa.RecordBatch | None:
        """The inputs that a query gives, if they were read for this statement, or were of few rows when it was asked
        last; None elsewhere. asked: the query, and the types of the call's values. is_kept: whether others may ask it
        too."""
        if (kept := self._kept.get(asked)) is not None or not is_kept:
            return kept
        sql, *types = asked
        if not _FEW_BEFORE.get(sql):
            return None
        rows_sql = row_by_row(sql)
        is_plain = _GOES_ON and not self._queries.in_transaction and {*types} <= {"VARCHAR", "BLOB"}
        if rows_sql is None or not is_plain or _WAITS.search(rows_sql):
            return None
        result = self._queries.run(_as_texts(rows_sql, call, None, ()), "execute")
        kinds = _kinds_read(result, call)
        rows = result.fetchmany(FIRST_ROWS + 1) if WRITTEN_OTHERWISE.isdisjoint(kinds) else None
        if rows is None or len(rows) > FIRST_ROWS:
            _drop(result)
            _remember(sql, is_few=False)
            return None
        self.kinds[call.number] = self._kinds[sql] = kinds
        counts = Counter(row[: len(types)] for row in rows)
        schema = _schema(call)
        values = [*([key[i] for key in counts] for i in range(len(types))), list(counts.values())]
        read = pa.Table.from_arrays(list(map(column_of, values, schema.types)), schema=schema)
        self._kept[asked] = _batch(self._as_usual(read, _Read(kinds, schema, iter(())), table))
        return self._kept[asked]

    def _batches(
        self, sql: str, call: Call, table: str, expect: Callable[[int], None] | None
    ) -> Iterator[tuple[pa.RecordBatch, bool]]:
        """What such a query gives, and of each batch whether it is the last. Raises Unplannable for what no function is
        handed as text."""
        kinds = self.kinds[call.number]
        text = _as_texts(sql, call, table if table in self._queries.tables else None, kinds)
        if expect is not None:
            self._tell_rows(text, expect)
        result = self._queries.run(text, "execute" if _GOES_ON and _FEW_BEFORE.get(sql, True) else "sql")
        found = _kinds_read(result, call)
        self.kinds[call.number] = self._kinds[sql] = found
        if found != kinds and not WRITTEN_OTHERWISE.isdisjoint(found):
            _drop(result)
            return self._batches(sql, call, table, None)
        if not FRACTIONS.isdisjoint(found):  # 0.0 and -0.0 have two texts, and are one value in GROUP BY
            self.left_out.add(table)
        return self._in_batches(_read(result, call, found), table)

    def _in_batches(self, read: _Read, table: str) -> Iterator[tuple[pa.RecordBatch, bool]]:
        waiting = empty_table(read.schema)
        for rows in read.rows:
            more = self._as_usual(rows, read, table)
            if len(waiting) and len(waiting) + len(more) > GATHER_ROWS:  # cut anew, every row would be copied
                yield _batch(waiting), False
                waiting = more
            else:
                waiting = pa.concat_tables([waiting, more]) if len(waiting) else more
        if len(waiting):
            yield _batch(waiting), True

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


def _remember(sql: str, *, is_few: bool) -> None:
    while len(_FEW_BEFORE) >= _MOST_TEXTS:
        _FEW_BEFORE.pop(next(iter(_FEW_BEFORE)), None)
    _FEW_BEFORE[sql] = is_few


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


def _schema(call: Call) -> pa.Schema:
    keys = [(f"{KEY}{i}", codec_of(kind).arrow) for i, kind in enumerate(types_of(call))]
    return pa.schema([*keys, (ROWS, pa.int64())])


def _read(result: Any, call: Call, kinds: tuple[str, ...]) -> _Read:
    schema = _schema(call)
    first_as_rows = isinstance(result, duckdb.DuckDBPyConnection) and WRITTEN_OTHERWISE.isdisjoint(kinds)
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


def _drop(result: Any) -> None:
    """Leaves a result whose rows are not wanted: the connection has one at a time."""
    if _GOES_ON and isinstance(result, duckdb.DuckDBPyConnection):
        result.abort()


def _batch(table: pa.Table) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(map(joined, table.columns)), schema=table.schema)


def _kinds_read(result: Any, call: Call) -> tuple[str, ...]:
    """The types of a call's row values, by the last columns of a result or a relation."""
    is_relation = isinstance(result, duckdb.DuckDBPyRelation)
    types = result.types if is_relation else [kind for _, kind, *_ in result.description]
    try:
        return kinds_of([str(kind) for kind in types[-len(call.texts) :]], types_of(call))
    except Unplannable:
        _drop(result)
        raise


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
