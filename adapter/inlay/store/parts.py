"""One Parquet file of results: immutable, named by the SHA-256 of its bytes.

Columns: `key` (32 bytes), `value`, and for functions that give them `confidence` and `scores`; `inputs` where the
store keeps them. Keys and vectors are incompressible and stay as they are. Every page carries a checksum, so a
damaged page is an error and never an answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from inlay.errors import InlayError
from inlay.store.folder import Folder

FORM = "part/1"
KEY = pa.field("key", pa.binary(32), nullable=False)
SUFFIX = ".parquet"

# A row group is what a lookup reads at least. Some thousand rows keep a scattered lookup cheap and a scan fast.
_GROUP_ROWS = 16_384
_GROUP_BYTES = 4_000_000

# What reading a damaged or vanished file raises, whichever layer finds it first.
READ_ERRORS = (OSError, pa.ArrowException, ValueError, KeyError)


class DamagedPart(InlayError):
    """A file of the store that does not read as what it says it is."""


@dataclass(frozen=True)
class Part:
    """What a part says of itself. replaces: the parts whose rows it holds in their stead, after a compaction."""

    name: str
    rows: int
    signature: str
    replaces: tuple[str, ...]


def write_part(folder: Folder, table: pa.Table, signature: str, *, replaces: Sequence[str] = ()) -> str:
    """Publishes a table whose first column is `key`; returns the file's name. Raises OSError when it cannot."""
    said = {"inlay.form": FORM, "inlay.signature": signature, "inlay.replaces": json.dumps(list(replaces))}
    vectors = pa.types.is_list(table.schema.field("value").type) and pa.types.is_floating(
        table.schema.field("value").type.value_type
    )
    row_bytes = max(1, table.nbytes // max(1, table.num_rows))
    plain = {"key", "value"} if vectors else {"key"}
    leaves = _leaf_names(table.schema)
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(said),
        sink,
        row_group_size=int(min(_GROUP_ROWS, max(512, _GROUP_BYTES // row_bytes))),
        compression={leaf: "NONE" if name in plain else "ZSTD" for leaf, name in leaves.items()},
        use_dictionary=[leaf for leaf, name in leaves.items() if name not in plain],
        write_statistics=False,
        write_page_checksum=True,
    )
    content = sink.getvalue()
    name = part_name(content)
    folder.publish(name, content)
    return name


def part_name(content: bytes | pa.Buffer) -> str:
    return hashlib.sha256(content).hexdigest()[:32] + SUFFIX


def part_names(folder: Folder) -> list[str]:
    return [name for name in folder.names() if name.endswith(SUFFIX) and not name.startswith(".")]


def open_part(folder: Folder, name: str) -> pq.ParquetFile:
    """Raises FileNotFoundError when it is gone, DamagedPart when it is not a part."""
    try:
        file = pq.ParquetFile(folder.open(name), page_checksum_verification=True)
    except FileNotFoundError:
        raise
    except READ_ERRORS as error:
        raise DamagedPart(f"{folder.address}/{name}: {error}") from error
    said = file.schema_arrow.metadata or {}
    if said.get(b"inlay.form") != FORM.encode() or file.schema_arrow.names[:2] != ["key", "value"]:
        raise DamagedPart(f"{folder.address}/{name} is not a part of form {FORM}.")
    return file


def describe_part(name: str, file: pq.ParquetFile) -> Part:
    said: Mapping[bytes, bytes] = file.schema_arrow.metadata
    return Part(
        name=name,
        rows=file.metadata.num_rows,
        signature=said[b"inlay.signature"].decode(),
        replaces=tuple(json.loads(said[b"inlay.replaces"])),
    )


def read_columns(file: pq.ParquetFile, where: str, columns: list[str], groups: list[int] | None = None) -> pa.Table:
    """Raises DamagedPart."""
    try:
        if groups is None:
            return file.read(columns=columns)
        return file.read_row_groups(groups, columns=columns)
    except READ_ERRORS as error:
        raise DamagedPart(f"{where}: {error}") from error


def key_bytes(column: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """[n, 32] of a key column."""
    joined = column.combine_chunks()
    if isinstance(joined, pa.ChunkedArray):  # no rows: nothing to combine
        return np.zeros((0, 32), dtype=np.uint8)
    data = np.frombuffer(joined.buffers()[1], dtype=np.uint8)
    return data[joined.offset * 32 : (joined.offset + len(joined)) * 32].reshape(-1, 32)


def key_column(keys: Sequence[bytes]) -> pa.Array:
    return pa.Array.from_buffers(pa.binary(32), len(keys), [None, pa.py_buffer(b"".join(keys))])


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
