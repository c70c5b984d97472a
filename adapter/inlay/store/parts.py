"""One Parquet file of results: immutable, named by its bytes.

Columns: `key` (32 bytes), `value`, and for functions that give them `confidence` and `scores`; `inputs` where the
store keeps them. Keys and vectors are incompressible and stay as they are.

A changed byte is an error and never an answer. Parquet's own checksums cover pages, but neither their headers nor the
footer, where one byte makes other numbers of the same bits. So the name is 24 digits of the file's SHA-256 and the
CRC-32 of its footer, which is checked when the file is opened; and the footer holds a CRC-32 of every row group and
of all keys, which are checked when those are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from inlay.errors import InlayError
from inlay.store.folder import Folder
from inlay.store.keys import Keys, key_matrix

FORM = "part/1"
_SUMS = b"inlay.sums"
KEY = pa.field("key", pa.binary(32), nullable=False)
SUFFIX = ".parquet"

# A row group is what a lookup reads at least. Some thousand rows keep a scattered lookup cheap and a scan fast.
_GROUP_ROWS = 4_096
_GROUP_BYTES = 4_000_000
_READ_BYTES = 4_000_000

# What reading a damaged or vanished file raises, whichever layer finds it first.
READ_ERRORS = (OSError, pa.ArrowException, ValueError, KeyError)


T = TypeVar("T")


class DamagedPart(InlayError):
    """A file of the store that does not read as what it says it is."""


@dataclass(frozen=True)
class Part:
    """What a part says of itself. replaces: the parts whose rows it holds in their stead, after a compaction.
    rows_at: when the newest of them was written, in ISO form, if that was not when this file was."""

    name: str
    rows: int
    signature: str
    replaces: tuple[str, ...]
    rows_at: str = ""


def write_part(folder: Folder, table: pa.Table, signature: str, *, replaces: Sequence[str] = ()) -> str:
    """Publishes a table whose first column is `key`; returns the file's name. Raises OSError when it cannot."""
    with PartWriter(folder, table.schema, signature, replaces=replaces) as writer:
        writer.write_rows(table)
        return writer.publish()


class PartWriter:
    """Writes one part from any number of tables of one schema, a row group at a time, so that its size does not count.
    Used with `with`: nothing stays of a part that was not published."""

    def __init__(
        self, folder: Folder, schema: pa.Schema, signature: str, *, replaces: Sequence[str] = (), rows_at: str = ""
    ) -> None:
        self._schema = schema.with_metadata(_said(signature, replaces, rows_at))
        self._draft = folder.draft()
        self._digest = hashlib.sha256()
        self._waiting: list[pa.Table] = []
        self._piece = bytearray()
        self._bytes = 0
        self._groups: list[tuple[int, int]] = []
        self._keys_sum = 0
        self.rows = 0
        try:
            self._writer: pq.ParquetWriter | None = pq.ParquetWriter(self, self._schema, **_format(schema))
        except BaseException as error:
            self._draft.__exit__(error)
            raise

    def write_rows(self, table: pa.Table) -> None:
        if not table.num_rows:
            return
        self.rows += table.num_rows
        self._waiting.append(table.replace_schema_metadata(self._schema.metadata))
        n_rows = _group_rows(table)
        while sum(len(waiting) for waiting in self._waiting) >= n_rows:
            joined = pa.concat_tables(self._waiting)
            self._write_group(joined.slice(0, n_rows))
            self._waiting = [joined.slice(n_rows)]

    def _write_group(self, table: pa.Table) -> None:
        if self._writer is not None and table.num_rows:
            self._writer.write_table(table, row_group_size=table.num_rows)
            self._keys_sum = zlib.crc32(key_bytes(table["key"]).data, self._keys_sum)
            self._groups.append((self._bytes, zlib.crc32(self._piece)))
            self._piece.clear()

    def publish(self) -> str:
        """The part's name. Raises OSError."""
        if self._waiting:
            self._write_group(pa.concat_tables(self._waiting))
        self._close()
        name = _name_of(self._digest.hexdigest(), _footer(self._piece))
        self._draft.publish(name)
        return name

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.add_key_value_metadata({_SUMS: json.dumps({"groups": self._groups, "keys": self._keys_sum})})
            writer.close()

    # What pyarrow calls.

    @property
    def closed(self) -> bool:
        return self._draft.closed

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self._piece += data
        self._bytes += len(data)
        return self._draft.write(data)

    def flush(self) -> None:
        self._draft.flush()

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, *failed: object) -> None:
        with contextlib.suppress(*READ_ERRORS):  # after a failure; after publish() there is nothing to close
            self._close()
        self._draft.__exit__(*failed)


def _said(signature: str, replaces: Sequence[str], rows_at: str = "") -> dict[str, str]:
    said = {"inlay.form": FORM, "inlay.signature": signature, "inlay.replaces": json.dumps(list(replaces))}
    return {**said, "inlay.rows_at": rows_at} if rows_at else said


def _format(schema: pa.Schema) -> dict[str, Any]:
    """How the columns of a part are written, for pyarrow."""
    value = schema.field("value").type
    vectors = pa.types.is_list(value) and pa.types.is_floating(value.value_type)
    plain = {"key", "value"} if vectors else {"key"}
    leaves = _leaf_names(schema)
    return {
        "compression": {leaf: "NONE" if name in plain else "ZSTD" for leaf, name in leaves.items()},
        "use_dictionary": [leaf for leaf, name in leaves.items() if name not in plain],
        "write_statistics": False,
        "write_page_checksum": True,
    }


def _group_rows(table: pa.Table) -> int:
    row_bytes = max(1, table.nbytes // max(1, table.num_rows))
    return int(min(_GROUP_ROWS, max(512, _GROUP_BYTES // row_bytes)))


def part_name(content: bytes | pa.Buffer) -> str:
    return _name_of(hashlib.sha256(content).hexdigest(), _footer(memoryview(content)))


def stored_name(folder: Folder, name: str) -> str:
    """The name that the bytes of a stored part give it now, read in pieces. Raises OSError."""
    digest = hashlib.sha256()
    with folder.open(name) as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
        return _name_of(digest.hexdigest(), _stored_footer(file))


def _name_of(digest: str, footer: bytes) -> str:
    return f"{digest[:24]}{zlib.crc32(footer):08x}{SUFFIX}"


def _footer(content: bytes | bytearray | memoryview) -> bytes:
    """What a Parquet file says of itself, at its end, with its length after it."""
    length = int.from_bytes(content[-8:-4], "little")
    return bytes(content[-8 - length :])


def _stored_footer(file: pa.NativeFile) -> bytes:
    size = file.size()
    end = file.read_at(min(8, size), max(0, size - 8))
    start = max(0, size - 8 - int.from_bytes(end[:4], "little"))
    return bytes(file.read_at(size - start, start))


def part_names(folder: Folder) -> list[str]:
    return [name for name in folder.names() if name.endswith(SUFFIX) and not name.startswith(".")]


def open_part(folder: Folder, name: str) -> pq.ParquetFile:
    """Raises FileNotFoundError when it is gone, DamagedPart when it is not a part."""
    where = f"{folder.address}/{name}"
    try:
        source = folder.open(name)
        footer = _stored_footer(source)
    except FileNotFoundError:
        raise
    except READ_ERRORS as error:
        raise DamagedPart(f"{where}: {error}") from error
    if not name.endswith(_name_of("", footer)):
        raise DamagedPart(f"{where}: what it says of itself does not give its name.")
    return part_from(source, where)


def part_from(source: pa.NativeFile, where: str) -> pq.ParquetFile:
    """A part's bytes, opened. Raises FileNotFoundError, for object stores that look only now, or DamagedPart."""
    try:
        file = pq.ParquetFile(source)  # its pages are covered by our own checksums, which are ten times as fast
    except FileNotFoundError:
        raise
    except READ_ERRORS as error:
        raise DamagedPart(f"{where}: {error}") from error
    said = file.schema_arrow.metadata or {}
    if (
        said.get(b"inlay.form") != FORM.encode()
        or _SUMS not in file.metadata.metadata
        or file.schema_arrow.names[:2] != ["key", "value"]
    ):
        raise DamagedPart(f"{where} is not a part of form {FORM}.")
    return file


def describe_part(name: str, file: pq.ParquetFile) -> Part:
    """Raises DamagedPart where it does not say what a part says."""
    said: Mapping[bytes, bytes] = file.schema_arrow.metadata
    try:
        return Part(
            name=name,
            rows=file.metadata.num_rows,
            signature=said[b"inlay.signature"].decode(),
            replaces=tuple(map(str, json.loads(said[b"inlay.replaces"]))),
            rows_at=said.get(b"inlay.rows_at", b"").decode(),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedPart(f"{name} does not say which signature its rows have, or which parts it replaces.") from error


def read_columns(file: pq.ParquetFile, where: str, columns: list[str], groups: list[int] | None = None) -> pa.Table:
    """Raises DamagedPart."""
    try:
        if groups is None:
            return file.read(columns=columns)
        return file.read_row_groups(groups, columns=columns)
    except READ_ERRORS as error:
        raise DamagedPart(f"{where}: {error}") from error


def read_keys(file: pq.ParquetFile, where: str) -> npt.NDArray[np.uint8]:
    """[n, 32], all keys of a part, held against their checksum. Raises DamagedPart."""
    return np.concatenate([*key_pieces(file, where), np.zeros((0, 32), dtype=np.uint8)])


def key_pieces(file: pq.ParquetFile, where: str) -> list[npt.NDArray[np.uint8]]:
    """The same in pieces, without copying them together."""
    chunks = read_columns(file, where, ["key"])["key"].chunks
    pieces = [key_bytes(pa.chunked_array([chunk])) for chunk in chunks]
    found = 0
    for piece in pieces:
        found = zlib.crc32(piece.data, found)
    if found != _sums(file)["keys"]:
        raise DamagedPart(f"{where}: its keys do not give their checksum.")
    return pieces


def scan_keys(folder: Folder, name: str, file: pq.ParquetFile, look: Callable[[Keys, int], T]) -> list[T]:
    """look(keys, number of the first row) for each piece of a part's keys in order, which are then held against their
    checksum. No more than a piece is in memory at a time: on many machines memory that a process takes for the first
    time costs more than reading the file. file: as open_part() gave it; it may be closed. Raises DamagedPart, and
    FileNotFoundError."""
    try:
        with folder.open(name) as source:
            seen, found, first_row = [], 0, 0
            for start, n_rows in _key_pages(file):
                piece = source.read_at(n_rows * 32, start)
                found = zlib.crc32(piece, found)
                seen.append(look(np.frombuffer(piece, dtype=np.uint8).reshape(-1, 32), first_row))
                first_row += n_rows
        if first_row == file.metadata.num_rows and found == _sums(file)["keys"]:
            return seen
    except FileNotFoundError:
        raise
    except READ_ERRORS:
        pass
    # Not as _key_pages() takes it to be, or damaged: Parquet's reader and the checksum say which.
    pieces = key_pieces(open_part(folder, name), f"{folder.address}/{name}")
    firsts = np.cumsum([0, *map(len, pieces)]).tolist()
    return [look(piece, first) for piece, first in zip(pieces, firsts, strict=False)]


def _key_pages(file: pq.ParquetFile) -> list[tuple[int, int]]:
    """Where the keys of each row group begin, and how many there are, if they are written as PartWriter does: as they
    are, in one page, at the end of their column. Whether they are, their checksum says."""
    pages = []
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        column = group.column(0)
        end = column.data_page_offset + column.total_compressed_size
        pages.append((end - group.num_rows * 32, group.num_rows))
    return pages


def read_groups(
    folder: Folder, name: str, file: pq.ParquetFile, groups: Sequence[int], columns: list[str]
) -> list[pa.RecordBatch]:
    """Row groups of a part, in the order given, their bytes held against their checksums: those of Parquet cover the
    pages, but not their headers, where a changed byte can make another number of a number. file: as open_part() gave
    it; it may be closed. Raises DamagedPart, FileNotFoundError."""
    sums = _sums(file)["groups"]
    leaves = [i for i, path in enumerate(_leaf_paths(file)) if path.partition(".")[0] in columns]
    try:
        # Parquet counts from the beginning of a file. What is not of these columns is never touched and takes no
        # memory.
        content = np.zeros(max(sums[group][0] for group in groups), dtype=np.uint8)
        with folder.open(name) as source:
            for group in groups:
                end, expected = sums[group]
                begin = sums[group - 1][0] if group else 0
                read = source.read_at(end - begin, begin)
                if zlib.crc32(read) != expected:
                    raise DamagedPart(f"{folder.address}/{name}: row group {group} does not give its checksum.")
                for start, stop in _column_bytes(file, group, leaves):
                    content[start:stop] = np.frombuffer(read, np.uint8, stop - start, start - begin)
        alone = pq.ParquetFile(pa.BufferReader(pa.py_buffer(content)), metadata=file.metadata)
        table = alone.read_row_groups(list(groups), columns=columns, use_threads=False).select(columns)
        ends = np.cumsum([file.metadata.row_group(group).num_rows for group in groups])
        starts = [0, *ends[:-1]]
        return [_batch(table.slice(int(start), int(end - start))) for start, end in zip(starts, ends, strict=True)]
    except FileNotFoundError:
        raise
    except READ_ERRORS as error:
        raise DamagedPart(f"{folder.address}/{name}: {error}") from error


def _leaf_paths(file: pq.ParquetFile) -> list[str]:
    schema = file.metadata.schema
    return [schema.column(i).path for i in range(len(schema))]


def _column_bytes(file: pq.ParquetFile, group: int, leaves: Sequence[int]) -> list[tuple[int, int]]:
    """Where the bytes of leaf columns begin and end in the file."""
    described = file.metadata.row_group(group)
    found = []
    for leaf in leaves:
        column = described.column(leaf)
        start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
        found.append((start, start + column.total_compressed_size))
    return found


def _batch(table: pa.Table) -> pa.RecordBatch:
    return table.combine_chunks().to_batches()[0]


def check_sums(source: pa.NativeFile, file: pq.ParquetFile, where: str) -> None:
    """All of a part's bytes and keys against their checksums. Raises DamagedPart."""
    try:
        groups = _sums(file)["groups"]
        if len(groups) != file.num_row_groups:
            raise DamagedPart(f"{where}: it has {file.num_row_groups} row groups and {len(groups)} checksums.")
        start = 0
        for number, (end, expected) in enumerate(groups):
            if zlib.crc32(source.read_at(end - start, start)) != expected:
                raise DamagedPart(f"{where}: row group {number} does not give its checksum.")
            start = end
        read_keys(file, where)
    except (*READ_ERRORS, TypeError) as error:
        raise DamagedPart(f"{where}: {error}") from error


def _sums(file: pq.ParquetFile) -> dict[str, Any]:
    """groups: where the bytes of each row group end, and their CRC-32. keys: the CRC-32 of all keys."""
    found: dict[str, Any] = json.loads(file.metadata.metadata[_SUMS])
    return found


def key_bytes(column: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """[n, 32] of a key column."""
    if not len(column):
        return np.zeros((0, 32), dtype=np.uint8)
    joined = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    data = np.frombuffer(joined.buffers()[1], dtype=np.uint8)
    return data[joined.offset * 32 : (joined.offset + len(joined)) * 32].reshape(-1, 32)


def half_keys(file: pq.ParquetFile, where: str) -> frozenset[bytes]:
    """The first sixteen bytes of each key, which tell any two apart. Raises DamagedPart."""
    halves = np.ascontiguousarray(key_bytes(read_columns(file, where, ["key"])["key"])[:, :16])
    return frozenset(halves.view(np.dtype("V16")).reshape(-1).tolist())


def key_column(keys: Sequence[bytes] | Keys) -> pa.Array:
    content = np.ascontiguousarray(key_matrix(keys))
    return pa.Array.from_buffers(pa.binary(32), len(keys), [None, pa.py_buffer(content)])


def _leaf_names(schema: pa.Schema) -> dict[str, str]:
    """Parquet's path of each leaf column → the top-level column it belongs to."""
    leaves: dict[str, str] = {}

    def walk(path: str, kind: pa.DataType, top: str) -> None:
        if pa.types.is_list(kind):
            walk(f"{path}.list.element", kind.value_type, top)
        elif pa.types.is_map(kind):
            walk(f"{path}.key_value.key", kind.key_type, top)
            walk(f"{path}.key_value.value", kind.item_type, top)
        else:
            leaves[path] = top

    for field in schema:
        walk(field.name, field.type, field.name)
    return leaves


def rows_of_groups(file: pq.ParquetFile) -> npt.NDArray[np.int64]:
    """First row of each row group, and the number of rows at the end."""
    counts: list[Any] = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
