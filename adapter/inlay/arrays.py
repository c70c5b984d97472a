"""Arrays of numbers: their types in numpy, and as Arrow and back; columns of Python values; the rows of a relation.

pa.array() and pa.scalar() would do for most of this, but import pandas, where it is installed, to look whether they
were given something of its own: a third of a second at the first call of a process.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Ids = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]


def numbers_array(numbers: Ints) -> pa.Array:
    """int64 as Arrow without a copy."""
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))])


def array_numbers(array: pa.Array) -> Ints:
    """Whole numbers without NULL out of Arrow, without a copy where they have 64 bits. Array.to_numpy() imports pandas
    too."""
    whole = array.cast(pa.int64())
    return np.frombuffer(whole.buffers()[1], dtype=np.int64, count=len(whole), offset=8 * whole.offset)


def true_places(flags: pa.Array) -> Ints:
    """Where a column of booleans is true, in order."""
    return array_numbers(pc.indices_nonzero(flags))


def flags_array(flags: Bools) -> pa.Array:
    return pa.Array.from_buffers(pa.bool_(), len(flags), [None, _bits(flags)])


def array_flags(flags: pa.Array | pa.ChunkedArray) -> Bools:
    """Booleans out of Arrow, False for NULL."""
    whole = joined(flags)
    if not len(whole):
        return np.zeros(0, dtype=np.bool_)
    bits = np.frombuffer(whole.buffers()[1], dtype=np.uint8)
    unpacked = np.unpackbits(bits, bitorder="little")[whole.offset : whole.offset + len(whole)].astype(np.bool_)
    return unpacked & array_flags(whole.is_valid()) if whole.null_count else unpacked


def array_floats(numbers: pa.Array | pa.ChunkedArray) -> Numbers:
    """Numbers out of Arrow, any for NULL."""
    whole = joined(numbers).cast(pa.float64())
    return np.frombuffer(whole.buffers()[1] or b"", dtype=np.float64, count=len(whole), offset=8 * whole.offset)


def joined(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.nulls(0, column.type)])


def _bits(flags: Bools) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def rows_taken(rows: pa.Table, places: Ints) -> pa.Table:
    """The row at each place, a row of NULL at places below 0."""
    where = numbers_array(places)
    return rows.take(pc.if_else(flags_array(places >= 0), where, pa.nulls(len(where), where.type)))


def empty_table(schema: pa.Schema) -> pa.Table:
    """One chunk without rows. Schema.empty_table() imports pandas too."""
    return pa.Table.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)


def column_of(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Python values as Arrow, None for NULL. Values are those that pa.array() takes, which is asked where they are of
    another Python type than the column's, and for types that are rare. Raises what it raises."""
    types = set(map(type, values))
    valid = None
    if NoneType in types:
        types.remove(NoneType)
        valid = _bits(np.fromiter((value is not None for value in values), dtype=np.bool_, count=len(values)))
    for is_kind, python_type, make in _MAKERS:
        if is_kind(kind) and types <= {python_type}:
            column = make(values, kind, valid)
            if column is not None:
                return column
    return pa.array(values, type=kind)


def _texts(values: Sequence[str | None], kind: pa.DataType, valid: pa.Buffer | None) -> pa.Array | None:
    """None where they are more than a column holds."""
    texts = [value or "" for value in values]
    content = "".join(texts).encode()
    if len(content) >= 2**31:
        return None
    lengths = list(map(len, texts))
    if len(content) > sum(lengths):  # letters of several bytes
        lengths = [len(text.encode()) for text in texts]
    ends = offsets_of(lengths).astype(np.int32)
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(ends), pa.py_buffer(content)])


def _floats(values: Sequence[float | None], kind: pa.DataType, valid: pa.Buffer | None) -> pa.Array:
    floats = np.array([0.0 if value is None else value for value in values], dtype=np.float64)
    return pa.Array.from_buffers(pa.float64(), len(values), [valid, pa.py_buffer(floats)]).cast(kind)


def _integers(values: Sequence[int | None], kind: pa.DataType, valid: pa.Buffer | None) -> pa.Array:
    whole = np.array([0 if value is None else value for value in values], dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(values), [valid, pa.py_buffer(whole)]).cast(kind)


def _booleans(values: Sequence[bool | None], kind: pa.DataType, valid: pa.Buffer | None) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [valid, _bits(np.array(values, dtype=np.bool_))])


def _lists(
    values: Sequence[list[Any] | None], kind: pa.DataType, valid: pa.Buffer | None, item: pa.DataType | None = None
) -> pa.Array:
    """item: the type of what is in them; the list's own where none is given."""
    ends = offsets_of([0 if value is None else len(value) for value in values]).astype(np.int32)
    items = column_of(list(itertools.chain.from_iterable(value or () for value in values)), item or kind.value_type)
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(ends)], children=[items])


def _maps(values: Sequence[list[tuple[Any, Any]] | None], kind: pa.DataType, valid: pa.Buffer | None) -> pa.Array:
    entries = [None if value is None else [{"key": key, "value": item} for key, item in value] for value in values]
    return _lists(entries, kind, valid, pa.struct([kind.key_field, kind.item_field]))


def _structs(values: Sequence[dict[str, Any] | None], kind: pa.DataType, valid: pa.Buffer | None) -> pa.Array:
    fields = [
        column_of([None if value is None else value.get(field.name) for value in values], field.type) for field in kind
    ]
    return pa.Array.from_buffers(kind, len(values), [valid], children=fields)


_MAKERS: tuple[tuple[Callable[[pa.DataType], bool], type, Callable[..., pa.Array | None]], ...] = (
    (pa.types.is_string, str, _texts),
    (pa.types.is_floating, float, _floats),
    (pa.types.is_signed_integer, int, _integers),
    (pa.types.is_boolean, bool, _booleans),
    (pa.types.is_list, list, _lists),
    (pa.types.is_map, list, _maps),
    (pa.types.is_struct, dict, _structs),
)


def offsets_of(lengths: Sequence[int] | Ints) -> Ints:
    """n + 1 places: where each of n runs that stand end to end begins, and where the last one ends."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def relation_table(relation: Any) -> pa.Table:
    """The rows of a relation of DuckDB, whose method had another name in earlier versions."""
    return (relation.to_arrow_table if hasattr(relation, "to_arrow_table") else relation.fetch_arrow_table)()


def relation_reader(relation: Any, n_rows: int) -> pa.RecordBatchReader:
    """The same in batches of n_rows; of the result of a statement too."""
    names = ("to_arrow_reader", "fetch_arrow_reader", "fetch_record_batch")
    return getattr(relation, next(name for name in names if hasattr(relation, name)))(n_rows)


def vector_array(rows: Floats, mask: Bools | None = None) -> pa.Array:
    """A float32 matrix [n, width] as n lists, NULL where mask is True."""
    n, width = rows.shape
    numbers = np.ascontiguousarray(rows, dtype=np.float32).reshape(-1)
    flat = pa.Array.from_buffers(pa.float32(), len(numbers), [None, pa.py_buffer(numbers)])
    ends = np.arange(n + 1, dtype=np.int32) * np.int32(width)
    offsets = pa.Array.from_buffers(pa.int32(), n + 1, [None, pa.py_buffer(ends)])
    return pa.ListArray.from_arrays(offsets, flat, mask=flags_array(mask) if mask is not None and mask.any() else None)


def vector_rows(column: pa.ChunkedArray) -> Floats:
    """Lists of equal length, none of them NULL, as a matrix; NaN for a NULL among their numbers."""
    whole = joined(column)
    flat = whole.flatten().cast(pa.float32())
    if flat.null_count:
        flat = pc.fill_null(flat, float("nan"))
    numbers = np.frombuffer(flat.buffers()[1] or b"", dtype=np.float32, count=len(flat), offset=4 * flat.offset)
    return numbers.reshape(len(whole), len(flat) // max(len(whole), 1))
