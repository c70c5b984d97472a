"""Reading a part's keys and rows, always against its checksums.

Where a function takes a ParquetFile together with a folder, it is the file that open_part() returned, for its metadata;
it may be closed.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from inlay.store.folder import Folder
from inlay.store.keys import Keys, key_bytes
from inlay.store.parts import KEY, READ_ERRORS, DamagedPart, checksums, open_part, reading

T = TypeVar("T")

# A row group takes no more memory than this and so many times what it takes in the file. A writer makes groups of some
# megabytes, and text is packed to a tenth; a file made for it can be packed to a hundred-thousandth.
_UNPACKED_BYTES, _UNPACKED_TIMES = 64_000_000, 50


def read_columns(file: pq.ParquetFile, where: str, columns: list[str], group: int) -> pa.Table:
    """One row group. Raises DamagedPart, also where it would take far more memory than what any writer of parts packs
    into it: parts come from elsewhere, too."""
    with reading(where):
        n_rows, most = _rows_at_once(file, where, columns, group)
        if n_rows is None:
            return file.read_row_group(group, columns=columns, use_threads=False)
        batches, size = [], 0
        for batch in file.iter_batches(n_rows, row_groups=[group], columns=columns, use_threads=False):
            size += batch.nbytes
            if size > most:
                raise _too_large(where, group)
            batches.append(batch)
        return pa.Table.from_batches(batches)


def _rows_at_once(file: pq.ParquetFile, where: str, columns: list[str], group: int) -> tuple[int | None, int]:
    """(how many rows of a row group may be unpacked at once, None for all; bytes that they may take)."""
    described = file.metadata.row_group(group)
    leaves = [described.column(leaf) for leaf in range(described.num_columns)]
    leaves = [leaf for leaf in leaves if leaf.path_in_schema.partition(".")[0] in columns]
    most = _UNPACKED_BYTES + _UNPACKED_TIMES * sum(leaf.total_compressed_size for leaf in leaves)
    unpacked = sum(leaf.total_uncompressed_size for leaf in leaves)
    if unpacked > most or 4 * max((leaf.num_values for leaf in leaves), default=0) > most:
        raise _too_large(where, group)
    # A value in a dictionary takes its bytes once in the file, and once for each of its rows in memory.
    shared = [leaf for leaf in leaves if leaf.has_dictionary_page]
    if unpacked + sum(leaf.num_values * leaf.total_uncompressed_size for leaf in shared) <= most:
        return None, most
    return max(1, most // unpacked), most


def _too_large(where: str, group: int) -> DamagedPart:
    return DamagedPart(f"{where}: row group {group} is small in the file and very large unpacked; it is not read.")


def read_keys(file: pq.ParquetFile, where: str) -> Keys:
    """All keys, not checked. Raises DamagedPart."""
    groups = [read_columns(file, where, ["key"], group) for group in range(file.num_row_groups)]
    with reading(where):
        return key_bytes(pa.chunked_array([chunk for table in groups for chunk in table["key"].chunks], KEY.type))


def half_keys(file: pq.ParquetFile, where: str) -> frozenset[bytes]:
    """The first sixteen bytes of each key, which are enough to distinguish keys. Raises DamagedPart."""
    halves = np.ascontiguousarray(read_keys(file, where)[:, :16])
    return frozenset(halves.view("V16")[:, 0].tolist())


def _checked_keys(file: pq.ParquetFile, where: str) -> Keys:
    """All keys. Raises DamagedPart where they do not match their checksum."""
    keys = read_keys(file, where)
    if zlib.crc32(keys.data) != checksums(file)["keys"]:
        raise DamagedPart(f"{where}: its keys do not match their checksum.")
    return keys


def scan_keys(folder: Folder, name: str, file: pq.ParquetFile, look: Callable[[Keys, int], T]) -> list[T]:
    """look(keys, number of the first row) for each piece of a part's keys in order, which are then checked against
    their checksum. No more than a piece is in memory at a time: on many machines memory that a process takes for the
    first time costs more than reading the file. Raises DamagedPart, and FileNotFoundError."""
    try:
        with folder.open(name) as source:
            results, checksum, first_row = [], 0, 0
            for start, n_rows in _key_pages(file):
                piece = source.read_at(n_rows * 32, start)
                checksum = zlib.crc32(piece, checksum)
                results.append(look(np.frombuffer(piece, dtype=np.uint8).reshape(-1, 32), first_row))
                first_row += n_rows
        if first_row == file.metadata.num_rows and checksum == checksums(file)["keys"]:
            return results
    except FileNotFoundError:
        raise
    except READ_ERRORS:
        pass
    # Another layout than _key_pages() expects, or damage: Parquet's reader and the checksum decide which.
    return [look(_checked_keys(open_part(folder, name), f"{folder.address}/{name}"), 0)]


def _key_pages(file: pq.ParquetFile) -> list[tuple[int, int]]:
    """Where the keys of each row group begin, and how many there are, if they are written as PartWriter does:
    uncompressed, in one page, at the end of their column. The checksum shows whether they are."""
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
    """Row groups of a part, in the order given, their bytes checked first: Parquet's checksums cover the pages, but not
    the page headers, where a changed byte can turn a number into another. Raises DamagedPart, FileNotFoundError."""
    where = f"{folder.address}/{name}"
    with reading(where):
        sums = checksums(file)["groups"]
        # Offsets in Parquet count from the beginning of a file. Bytes outside these columns are never touched and take
        # no memory.
        content = np.zeros(max(sums[group][0] for group in groups), dtype=np.uint8)
        with folder.open(name) as source:
            for group in groups:
                begin = sums[group - 1][0] if group else 0
                stored = _checked_group(source, group, begin, sums[group], where)
                for start, stop in _column_bytes(file, group, columns):
                    content[start:stop] = np.frombuffer(stored, np.uint8, stop - start, start - begin)
        alone = pq.ParquetFile(pa.BufferReader(pa.py_buffer(content)), metadata=file.metadata)
        tables = _tables(alone, where, columns, groups)
        for table in tables:
            table.validate(full=True)  # a part from elsewhere may hold bytes that are no text
        return [table.select(columns).combine_chunks().to_batches()[0] for table in tables]


def _tables(file: pq.ParquetFile, where: str, columns: list[str], groups: Sequence[int]) -> list[pa.Table]:
    """Each row group by itself; read together, which costs less, where all of them may be unpacked at once."""
    if any(_rows_at_once(file, where, columns, group)[0] is not None for group in groups):
        return [read_columns(file, where, columns, group) for group in groups]
    table = file.read_row_groups(list(groups), columns=columns, use_threads=False)
    ends = np.cumsum([file.metadata.row_group(group).num_rows for group in groups]).tolist()
    return [table.slice(start, end - start) for start, end in zip([0, *ends], ends, strict=False)]


def _checked_group(source: pa.NativeFile, group: int, begin: int, expected: tuple[int, int], where: str) -> bytes:
    """The bytes of a row group. expected: where they end, and their CRC-32."""
    end, checksum = expected
    content: bytes = source.read_at(end - begin, begin)
    if zlib.crc32(content) != checksum:
        raise DamagedPart(f"{where}: row group {group} does not match its checksum.")
    return content


def _column_bytes(file: pq.ParquetFile, group: int, columns: Sequence[str]) -> list[tuple[int, int]]:
    """Where the bytes of columns begin and end in the file, leaf by leaf."""
    described = file.metadata.row_group(group)
    ranges = []
    for leaf in range(described.num_columns):
        column = described.column(leaf)
        if column.path_in_schema.partition(".")[0] in columns:
            start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
            ranges.append((start, start + column.total_compressed_size))
    return ranges


def check_sums(source: pa.NativeFile, file: pq.ParquetFile, where: str) -> None:
    """All of a part's bytes and keys against their checksums. Raises DamagedPart."""
    try:
        groups = checksums(file)["groups"]
        if len(groups) != file.num_row_groups:
            raise DamagedPart(f"{where}: it has {file.num_row_groups} row groups and {len(groups)} checksums.")
        start = 0
        for number, expected in enumerate(groups):
            _checked_group(source, number, start, expected, where)
            start = expected[0]
        _checked_keys(file, where)
    except (*READ_ERRORS, TypeError) as error:
        raise DamagedPart(f"{where}: {error}") from error
