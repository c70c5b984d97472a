"""Answers of a planned statement's calls as tables that DuckDB looks them up in."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from inlay.arrays import column_of
from inlay.engine.result_cache import ENTRY_BYTES
from inlay.execution.binding import NOT_OPTIONS, Binding
from inlay.execution.gathering import GATHER_ROWS
from inlay.execution.quality import Quality, Settings
from inlay.execution.queries import Queries
from inlay.functions.arrow_types import arrow_type
from inlay.functions.spec import FunctionSpec
from inlay.parsing.statement import Call
from inlay.parsing.unplannable import Unplannable
from inlay.planner.keyed import KEY
from inlay.planner.lookups import VALUE, key_places
from inlay.store.codecs import Codec, codec_of

HELD_BYTES = 256_000_000
"""Answers of one call that are held for a lookup. Larger ones stream through the plain path."""

HELD_VECTOR_BYTES = 64_000_000
"""The same of vectors: they are as large as what is kept of the model's work anyway, so that the plain path finds there
what was answered ahead."""

_numbers = itertools.count(1)


@dataclass
class AnswerTable:
    """Answers of every call that asks the same. kind: their type. name: of the table. gathered: the queries that its
    inputs came from. failed: whether an input got no answer and the statement is to stop there."""

    labels: Any
    options: dict[str, Any]
    connection: int | None
    codecs: Sequence[Codec]
    kind: pa.DataType
    name: str = field(default_factory=lambda: f"_inlay_a{next(_numbers)}")
    columns: list[list[pa.Array]] = field(default_factory=list)
    values: list[pa.Array] = field(default_factory=list)
    gathered: list[str] = field(default_factory=list)
    n_bytes: int = 0
    failed: bool = False
    _places: tuple[int, dict[tuple[Any, ...], int]] = field(default=(0, {}), repr=False)

    def add(self, rows: list[pa.Array], values: pa.Array, *, gathers: bool = False) -> None:
        """gathers: each row holds the texts of a group, which are longer than its answer."""
        self.columns = self.columns or [[] for _ in rows]
        for column, added in zip(self.columns, rows, strict=True):
            column.append(added)
        self.values.append(values)
        self.n_bytes += values.nbytes + (sum(column.nbytes for column in rows) if gathers else 0)

    def answers_to(self, rows: Sequence[pa.Array]) -> pa.Array | None:
        """Answers to rows, where all of them are here; None of large tables, which are not held twice."""
        n_parts = len(self.values)  # another thread may be adding more
        if not n_parts or sum(map(len, self.values[:n_parts])) > GATHER_ROWS:
            return None
        if self._places[0] != n_parts:
            columns = [pa.chunked_array(column[:n_parts]).to_pylist() for column in self.columns]
            self._places = n_parts, {row: place for place, row in enumerate(zip(*columns, strict=True))}
        places = list(map(self._places[1].get, zip(*(column.to_pylist() for column in rows), strict=True)))
        if None in places:
            return None
        return pa.concat_arrays(self.values[:n_parts]).take(column_of(places, pa.int64()))

    def is_too_large(self, spec: FunctionSpec, cache_bytes: int) -> bool:
        return too_large(spec, self.n_rows, self.n_bytes, cache_bytes)

    @property
    def n_rows(self) -> int:
        return sum(map(len, self.values))

    def arrow(self, keys: tuple[tuple[int, int], ...]) -> pa.Table:
        """As DuckDB looks it up. Without a key it is one row, however often the same was asked, and whether an outer
        join asked it of NULL as well."""
        made: dict[str, Any] = {
            f"{KEY}{i}": pa.chunked_array(self.columns[i] if self.columns else [], type=self.codecs[i].arrow)
            for i, _ in keys
        }
        made[VALUE] = pa.chunked_array(
            [pa.StructArray.from_arrays([value], ["v"]) for value in self.values]
            or [pa.nulls(0, pa.struct([("v", self.kind)]))]
        )
        table = pa.table(made)
        if keys or not self.columns:
            return table
        whole = functools.reduce(pc.and_, (pa.chunked_array(column).is_valid() for column in self.columns))
        return table.filter(whole).slice(0, 1)


def too_large(spec: FunctionSpec, n_rows: int, n_bytes: int, cache_bytes: int) -> bool:
    """Whether answers are not held for a lookup. Vectors are not where they are more than a quarter of what is kept of
    the model's work: of more, the plain path, whose threads add to it, would have some inferred again."""
    if spec.returns != "FLOAT[]":
        return n_bytes > HELD_BYTES
    return n_bytes > HELD_VECTOR_BYTES or n_bytes + ENTRY_BYTES * n_rows > cache_bytes // 4


class HeldAnswers(dict[int, AnswerTable]):
    """Tables of answers by the number of the call that looks them up; calls that ask the same of the same model share
    one."""

    def __init__(self, queries: Queries, calls: Iterable[Call], binding: Binding) -> None:
        """calls: those that are to be answered ahead."""
        super().__init__()
        self._queries = queries
        self.connection = queries.around.connection
        self._shared: dict[tuple[Any, ...], AnswerTable] = {}
        self._settings: dict[tuple[Any, ...], Settings] = {}
        quality = queries.around.quality
        self.quality = Quality.of(quality, binding, () if quality is None else self._readable(calls))

    def table_of(self, call: Call) -> AnswerTable:
        """The table that the call shares, or a new one."""
        question = question_of(call)
        shared = self._shared.get(question)
        if shared is not None:
            return shared
        settings = self.settings(call)
        codecs = [codec_of(argument.type) for argument in call.spec.args if not argument.is_setting]
        return AnswerTable(*settings, codecs, arrow_type(call.spec.try_returns if call.detail else call.spec.returns))

    def settings(self, call: Call) -> Settings:
        """Labels, options by name, and the connection's number, with what the call gets of the statement's target."""
        return self.quality.within(call.spec, self.written(call))

    def written(self, call: Call) -> Settings:
        """The same as the statement has them."""
        question = question_of(call)
        if question not in self._settings:
            self._settings[question] = self._queries.settings(call)
        return self._settings[question]

    def _readable(self, calls: Iterable[Call]) -> Iterator[tuple[FunctionSpec, Settings]]:
        for call in calls:
            with contextlib.suppress(Unplannable):  # it will not be answered ahead either
                yield call.spec, self.written(call)

    def without_rows(self, call: Call) -> pa.Table:
        """As DuckDB looks a call up of which nothing was asked yet."""
        table = self.table_of(call)
        return self._queries.typed(call, table.labels, table.arrow(key_places(call)))

    def keep(self, call: Call, table: AnswerTable) -> None:
        """From here on queries may look the call up in it."""
        self._shared[question_of(call)] = self[call.number] = table
        answers = table.arrow(key_places(call))
        self._queries.tables[table.name] = self._queries.typed(call, table.labels, answers)

    def answers_to(
        self, function: str, columns: list[pa.Array], labels: Any, options: Mapping[str, Any]
    ) -> pa.Array | None:
        """Answers to rows of a call that DuckDB makes, where all of them were answered ahead."""
        for question, table in self._shared.items():
            (name, detail, *_), (_, written, _) = question, self._settings[question]
            if name == function and not detail and table.labels == labels and _given(written) == _given(options):
                return table.answers_to(columns)
        return None

    def keep_shared(
        self, call: Call, rows: list[pa.Array], answers: pa.Array, others: Iterable[Call], cache_bytes: int
    ) -> None:
        """Keeps answers to a call that needs none of them itself, where others ask the same."""
        table = self[call.number] = self.table_of(call)
        n_bytes = sum(column.nbytes for column in rows) + answers.nbytes
        is_too_large = too_large(call.spec, len(answers), n_bytes, cache_bytes)
        if not is_too_large and any(question_of(other) == question_of(call) for other in others):
            table.add(rows, answers)
            self.keep(call, table)


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None and name not in NOT_OPTIONS}


def question_of(call: Call) -> tuple[Any, ...]:
    """What two calls have in common that ask the same of the same model."""
    keys = key_places(call)
    varying = {at for _, at in keys}
    fixed = tuple(text for at, text in enumerate(call.arguments) if at not in varying)
    return (call.spec.name, call.detail, fixed, tuple(sorted(call.options.items())), len(keys))
