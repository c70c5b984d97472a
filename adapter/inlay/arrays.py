"""Arrays of numbers: their types in numpy, and as Arrow and back."""

from __future__ import annotations

from collections.abc import Sequence

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
    """int64 as Arrow without a copy. pa.array() would do, but imports pandas, where it is installed, to look whether it
    was given something of its own: half a second at the first call of a process."""
    return pa.Array.from_buffers(pa.int64(), len(numbers), [None, pa.py_buffer(np.ascontiguousarray(numbers))])


def array_numbers(array: pa.Array) -> Ints:
    """Whole numbers without NULL out of Arrow, without a copy where they have 64 bits. Array.to_numpy() would do, but
    imports pandas as pa.array() does."""
    whole = array.cast(pa.int64())
    return np.frombuffer(whole.buffers()[1], dtype=np.int64, count=len(whole), offset=8 * whole.offset)


def true_places(flags: pa.Array) -> Ints:
    """Where a column of booleans is true, in order; for the same reason."""
    return array_numbers(pc.indices_nonzero(flags))


def offsets_of(lengths: Sequence[int] | Ints) -> Ints:
    """n + 1 places: where each of n runs that stand end to end begins, and where the last one ends."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def vector_array(rows: Floats, mask: Bools | None = None) -> pa.Array:
    """A float32 matrix [n, width] as n lists, NULL where mask is True."""
    n, width = rows.shape
    numbers = np.ascontiguousarray(rows, dtype=np.float32).reshape(-1)
    flat = pa.Array.from_buffers(pa.float32(), len(numbers), [None, pa.py_buffer(numbers)])
    ends = np.arange(n + 1, dtype=np.int32) * np.int32(width)
    offsets = pa.Array.from_buffers(pa.int32(), n + 1, [None, pa.py_buffer(ends)])
    return pa.ListArray.from_arrays(offsets, flat, mask=pa.array(mask) if mask is not None and mask.any() else None)


def vector_rows(column: pa.ChunkedArray) -> Floats:
    """Lists of equal length, none of them NULL, as a matrix."""
    joined = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    flat = joined.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat.reshape(len(joined), -1), dtype=np.float32)
