"""What ran and what failed, stored with the results, so that it outlives the process.

    ledger/<run>.parquet      one row per call of a statement; written anew, whole, while the run goes on
    errors/<run>-<n>.parquet  one row per failed input, with all that is needed to try it again
    unsure/<run>-<n>.parquet  one row per input that was not sure enough to be answered, with the likeliest answer
    certificates/<run>.parquet  one row per question that a cascade answered: what it promised, and by which sample

A run is one process's use of a store. Unlike results, errors and unsure hold the inputs themselves: on a local file
system only their owner can read them.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from inlay.arrays import empty_table
from inlay.locks import new_lock
from inlay.store.account_columns import (
    CERTIFICATES_COLUMNS,
    ERRORS_COLUMNS,
    LEDGER_COLUMNS,
    UNSURE_COLUMNS,
    Columns,
)
from inlay.store.folder import Folder
from inlay.store.parts import READ_ERRORS, SUFFIX, part_names
from inlay.store.results import Store

LEDGER, ERRORS, UNSURE, CERTIFICATES = "ledger", "errors", "unsure", "certificates"

# While a run goes on its ledger is written again at most this often; a killed process loses no more of it.
WRITE_EVERY_S = 5.0

_ARROW = {
    "VARCHAR": pa.string(), "INTEGER": pa.int32(), "BIGINT": pa.int64(), "DOUBLE": pa.float64(), "BOOLEAN": pa.bool_(),
    "VARCHAR[]": pa.list_(pa.string()),
}  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """One input that got no answer. call: as of call_text(), enough to ask again; see read_call()."""

    node: str
    function: str
    model: str
    call: str
    inputs: tuple[str, ...]
    error: str


class Account:
    """Writes one run's ledger and errors. Thread-safe."""

    def __init__(self, store: Store, invocation: str = "") -> None:
        self._store = store
        self.invocation = invocation
        self._lock = new_lock()
        self.begin_run()

    def begin_run(self) -> None:
        self.run = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        self._written = float("-inf")
        self._files = 0

    def write(self, rows: Callable[[], Sequence[Mapping[str, Any]]], *, now: bool = False) -> None:
        """Stores the run's ledger as it is now, unless it was stored a moment ago."""
        if not self._store.writable:
            return
        with self._lock:
            if not now and time.monotonic() - self._written < WRITE_EVERY_S:
                return
            self._written = time.monotonic()
            if table := self._table(rows(), LEDGER_COLUMNS):
                self._publish(f"{LEDGER}/{self.run}.parquet", table)

    def failed(self, failures: Sequence[Failure]) -> None:
        self._add(ERRORS, [{"failed_at": now_text(), **vars(failure)} for failure in failures], ERRORS_COLUMNS)

    def left(self, unsure: Sequence[Mapping[str, Any]]) -> None:
        """Adds inputs that were not sure enough to be answered."""
        self._add(UNSURE, [{"left_at": now_text(), **each} for each in unsure], UNSURE_COLUMNS)

    def _add(self, kind: str, rows: Sequence[Mapping[str, Any]], columns: Columns) -> None:
        """A file of rows with inputs in them."""
        if not self._store.writable or not rows:
            return
        with self._lock:
            self._files += 1
            number = self._files
        self._publish(f"{kind}/{self.run}-{number:04d}.parquet", self._table(rows, columns), private=True)

    def certified(self, rows: Callable[[], Sequence[Mapping[str, Any]]]) -> None:
        """Stores the run's certificates as they are now."""
        if not self._store.writable:
            return
        with self._lock:
            self._publish(f"{CERTIFICATES}/{self.run}.parquet", self._table(rows(), CERTIFICATES_COLUMNS))

    def _table(self, rows: Sequence[Mapping[str, Any]], columns: Columns) -> pa.Table:
        return table_of_rows([{"run": self.run, "invocation": self.invocation, **row} for row in rows], columns)

    def _publish(self, name: str, table: pa.Table, *, private: bool = False) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="ZSTD")
        try:
            self._store.folder.publish(name, sink.getvalue(), private=private)
        except (OSError, pa.ArrowException) as error:
            self._store.failed(error, 0)


def _schema_of(columns: Columns) -> pa.Schema:
    return pa.schema([(name, _ARROW[sql_type]) for name, sql_type in columns.items()])


def table_of_rows(rows: Sequence[Mapping[str, Any]], columns: Columns) -> pa.Table:
    """Through JSON, in which half of a surrogate pair becomes a question mark."""
    schema = _schema_of(columns)
    if not rows:
        return empty_table(schema)
    texts = (json.dumps({name: row[name] for name in schema.names}, ensure_ascii=False) for row in rows)
    lines = "\n".join(texts).encode("utf-8", "replace")
    options = pa_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    # One block holds all: a row that is longer than a block is refused.
    read = pa_json.ReadOptions(block_size=len(lines) + 1)
    return pa_json.read_json(pa.BufferReader(lines), read_options=read, parse_options=options)


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def run_names(folder: Folder) -> list[str]:
    """Every run whose ledger is kept, oldest first."""
    return [name.removesuffix(SUFFIX) for name in part_names(folder.inside(LEDGER))]


def read_ledger(folder: Folder, runs: Collection[str] | None = None) -> pa.Table:
    """The ledger of these runs, or of all, oldest first."""
    return _read(folder, LEDGER, LEDGER_COLUMNS, runs)


def read_errors(folder: Folder, runs: Collection[str] | None = None) -> pa.Table:
    """Every failure of these runs, or of all, oldest first; an input that failed twice is there twice."""
    return _read(folder, ERRORS, ERRORS_COLUMNS, runs)


def read_unsure(folder: Folder, runs: Collection[str] | None = None) -> pa.Table:
    """What these runs, or all, left without an answer since it was not sure enough, oldest first."""
    return _read(folder, UNSURE, UNSURE_COLUMNS, runs)


def read_certificates(folder: Folder, runs: Collection[str] | None = None) -> pa.Table:
    """The certificates of these runs, or of all, oldest first."""
    return _read(folder, CERTIFICATES, CERTIFICATES_COLUMNS, runs)


def error_files(folder: Folder) -> list[str]:
    return part_names(folder.inside(ERRORS))


def forget_errors(folder: Folder, names: Sequence[str]) -> None:
    for name in names:
        folder.delete(f"{ERRORS}/{name}")


def _read(folder: Folder, name: str, columns: Columns, runs: Collection[str] | None) -> pa.Table:
    """Files that cannot be read are skipped: they are no reason to stop a statement."""
    schema, tables = _schema_of(columns), []
    for file in part_names(folder.inside(name)):
        if runs is not None and not file.startswith(tuple(runs)):
            continue
        try:
            rows = pq.ParquetFile(pa.BufferReader(folder.read(f"{name}/{file}"))).read()
            tables.append(pa.Table.from_arrays([_column(rows, field) for field in schema], schema=schema))
        except READ_ERRORS:
            continue
    return pa.concat_tables(tables) if tables else empty_table(schema)


def _column(rows: pa.Table, field: pa.Field) -> pa.Array | pa.ChunkedArray:
    """As it is in this version; NULL where the version that wrote the rows did not have it."""
    has_it = field.name in rows.column_names
    return rows[field.name].cast(field.type) if has_it else pa.nulls(len(rows), field.type)
