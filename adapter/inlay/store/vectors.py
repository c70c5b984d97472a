"""A model's numbers as Arrow lists and back."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from inlay.backends.base import Bools, Floats


def vector_array(rows: Floats, mask: Bools | None = None) -> pa.Array:
    """A float32 matrix [n, width] as n lists, NULL where mask is True."""
    n, width = rows.shape
    flat = pa.array(np.ascontiguousarray(rows).reshape(-1), type=pa.float32())
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * np.int32(width))
    return pa.ListArray.from_arrays(offsets, flat, mask=pa.array(mask) if mask is not None and mask.any() else None)


def vector_rows(column: pa.ChunkedArray) -> Floats:
    """Lists of equal length, none of them NULL, as a matrix."""
    joined = column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)
    flat = joined.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat.reshape(len(joined), -1), dtype=np.float32)
