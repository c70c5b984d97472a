"""One Parquet file of results: immutable, named by its bytes.

Columns: `key` (32 bytes), `value`, for some functions `confidence` and `scores`, and `inputs` where the store keeps
them. Keys and vectors are incompressible and are stored uncompressed.

A changed byte is an error and never an answer. Parquet's own checksums cover pages, but neither their headers nor the
footer, where one changed byte can turn a number into another. So the name is 24 digits of the file's SHA-256 and the
CRC-32 of its footer, which is checked when the file is opened; and the footer holds a CRC-32 of every row group and
of all keys, which are checked when those are read.

part_writer.py writes parts, part_rows.py reads their keys and rows; here they are named, opened and described.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from inlay.errors import InlayError
from inlay.store.folder import Folder

FORMAT_VERSION = "part/1"
KEY_BYTES = 32
KEY = pa.field("key", pa.binary(KEY_BYTES), nullable=False)
SUFFIX = ".parquet"

_CHECKSUMS = b"inlay.sums"
_READ_BYTES = 4_000_000

# What reading a damaged or vanished file raises, whichever layer finds it first.
READ_ERRORS = (OSError, pa.ArrowException, ValueError, KeyError)


class DamagedPart(InlayError):
    """A file of the store whose content is not what its name, its checksums or its metadata say."""


class ForeignPart(DamagedPart):
    """A part that is whole, but whose rows cannot be answers to its result set's question."""


@contextlib.contextmanager
def reading(where: str) -> Iterator[None]:
    """Raises DamagedPart for whatever reading a damaged file raises, and FileNotFoundError as it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except READ_ERRORS as error:
        raise DamagedPart(f"{where}: {error}") from error


@dataclass(frozen=True)
class Part:
    """What a part's metadata says. replaces: the parts that it replaces after a compaction; it has all of their rows.
    rows_at: when the newest of its rows was written, in ISO form; '' where that is the time of the file."""

    name: str
    rows: int
    signature: str
    replaces: tuple[str, ...]
    rows_at: str = ""


def part_metadata(signature: str, replaces: Sequence[str], rows_at: str) -> dict[str, str]:
    metadata = {
        "inlay.form": FORMAT_VERSION,
        "inlay.signature": signature,
        "inlay.replaces": json.dumps(list(replaces)),
    }
    return {**metadata, "inlay.rows_at": rows_at} if rows_at else metadata


def checksum_metadata(groups: Sequence[tuple[int, int]], keys: int) -> dict[bytes, str]:
    """groups: where the bytes of each row group end, and their CRC-32. keys: the CRC-32 of all keys."""
    return {_CHECKSUMS: json.dumps({"groups": groups, "keys": keys})}


def checksums(file: pq.ParquetFile) -> dict[str, Any]:
    """The arguments of checksum_metadata(), as the file has them."""
    stored: dict[str, Any] = json.loads(file.metadata.metadata[_CHECKSUMS])
    return stored


def part_name(content: bytes | bytearray | pa.Buffer) -> str:
    return name_of(hashlib.sha256(content).hexdigest(), memoryview(content))


def stored_name(folder: Folder, name: str) -> str:
    """The name that the bytes of a stored part give it now, read in pieces. Raises OSError."""
    digest = hashlib.sha256()
    with folder.open(name) as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
        return name_of(digest.hexdigest(), _stored_footer(file))


def name_of(digest: str, end: bytes | bytearray | memoryview) -> str:
    """digest: the SHA-256 of the whole file. end: its last bytes, the footer at least."""
    # A Parquet file ends with its footer, the footer's length in four bytes, and "PAR1".
    footer = end[-8 - int.from_bytes(end[-8:-4], "little") :]
    return f"{digest[:24]}{zlib.crc32(footer):08x}{SUFFIX}"


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
    with reading(where):
        source = folder.open(name)
        footer = _stored_footer(source)
    if not name.endswith(name_of("", footer)):
        raise DamagedPart(f"{where}: its footer does not match its name.")
    return part_from(source, where)


def part_from(source: pa.NativeFile, where: str) -> pq.ParquetFile:
    """A part's bytes, opened. Raises FileNotFoundError, for object stores that look only now, or DamagedPart."""
    with reading(where):
        file = pq.ParquetFile(source)  # its pages are covered by our own checksums, which are ten times as fast
    metadata = file.schema_arrow.metadata or {}
    if (
        metadata.get(b"inlay.form") != FORMAT_VERSION.encode()
        or _CHECKSUMS not in file.metadata.metadata
        or file.schema_arrow.names[:2] != ["key", "value"]
    ):
        raise DamagedPart(f"{where} is not a part in format version {FORMAT_VERSION}.")
    if not 0 <= file.metadata.num_rows * KEY_BYTES <= source.size():  # digests cannot be packed
        raise DamagedPart(
            f"{where} says that it has {file.metadata.num_rows:,} rows, whose keys are longer than the file."
        )
    return file


def check_types(has: pa.Schema, wanted: pa.Schema) -> None:
    """Raises ForeignPart where a column is missing or has another type."""
    for column in wanted:
        kind = has.field(column.name).type if column.name in has.names else None
        if kind is None or shape(str(kind)) != shape(str(column.type)):
            found = f"is {kind}" if kind else "is missing"
            raise ForeignPart(f"its column {column.name} {found}, and its answers are {column.type}.")


def shape(kind: str) -> str:
    """A type without the names of its inner fields: what is list<item: float> in memory is list<element: float> when
    it is read from Parquet."""
    return re.sub(r"\w+: | \('\w+'\)| not null", "", kind)


def describe_part(name: str, file: pq.ParquetFile) -> Part:
    """Raises DamagedPart where the metadata of a part is missing."""
    metadata: Mapping[bytes, bytes] = file.schema_arrow.metadata
    try:
        return Part(
            name=name,
            rows=file.metadata.num_rows,
            signature=metadata[b"inlay.signature"].decode(),
            replaces=tuple(map(str, json.loads(metadata[b"inlay.replaces"]))),
            rows_at=metadata.get(b"inlay.rows_at", b"").decode(),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedPart(f"{name} does not say which signature its rows have, or which parts it replaces.") from error


def rows_of_groups(file: pq.ParquetFile) -> npt.NDArray[np.int64]:
    """First row of each row group, and the number of rows at the end."""
    counts: list[Any] = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
