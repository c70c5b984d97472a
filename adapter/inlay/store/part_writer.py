"""Writing a part: row groups with their checksums, under a temporary name until the digest names the file."""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from inlay.store.folder import Folder
from inlay.store.keys import key_bytes
from inlay.store.parts import READ_ERRORS, checksum_metadata, name_of, part_metadata

# A row group is the least that a lookup reads. Some thousand rows keep a scattered lookup cheap and a scan fast.
_GROUP_ROWS = 4_096
_GROUP_BYTES = 4_000_000


def write_part(folder: Folder, table: pa.Table, signature: str, *, replaces: Sequence[str] = ()) -> str:
    """Publishes a table whose first column is `key`; returns the file's name. Raises OSError when it cannot."""
    with PartWriter(folder, table.schema, signature, replaces=replaces) as writer:
        writer.write_rows(table)
        return writer.publish()


class PartWriter:
    """Writes one part from any number of tables of one schema, a row group at a time, so that a part may be larger than
    memory. A context manager: a part that was not published is deleted at the end."""

    def __init__(
        self, folder: Folder, schema: pa.Schema, signature: str, *, replaces: Sequence[str] = (), rows_at: str = ""
    ) -> None:
        self._schema = schema.with_metadata(part_metadata(signature, replaces, rows_at))
        self._draft = folder.draft()
        if "inputs" in schema.names:
            self._draft.make_private()
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
        name = name_of(self._digest.hexdigest(), self._piece)
        self._draft.publish(name)
        return name

    def _close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.add_key_value_metadata(checksum_metadata(self._groups, self._keys_sum))
            writer.close()

    # A file for pyarrow to write to.

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
