"""How values of one type are carried: from DuckDB into keys, memory and store, to a model, and to people.

Nothing between knows what a row is; whoever adds a type adds a codec:

    register(Codec("moment", "TIMESTAMP", pa.timestamp("us"), lambda column: …))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Codec:
    """name: for people. sql_type: the type of an argument that takes such values, as its header writes it. arrow: as
    columns hold them. encode: a column without NULL → the bytes of each value; their SHA-256 is its key, so a change
    here makes everything known unknown. excerpt: a value as the list of failed inputs shows it.
    """

    name: str
    sql_type: str
    arrow: pa.DataType
    encode: Callable[[pa.Array], Sequence[bytes]]
    excerpt: Callable[[Any], str] = str


TEXT = Codec("text", "VARCHAR", pa.string(), lambda column: column.cast(pa.binary()).to_pylist())
BYTES = Codec("bytes", "BLOB", pa.binary(), lambda column: column.to_pylist(), lambda value: f"{len(value):,} bytes")

_codecs: dict[str, Codec] = {}


def register(codec: Codec) -> None:
    """From here on arguments of this SQL type are carried by it."""
    _codecs[codec.sql_type] = codec


def codec_of(sql_type: str) -> Codec:
    """Raises KeyError for a type that nobody registered."""
    return _codecs[sql_type]


register(TEXT)
register(BYTES)
