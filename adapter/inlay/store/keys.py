"""The identity of a result: what was asked of which model (the signature), and of which input (the key).

Contract: two results with equal signature and equal key are the same result. A signature is SHA-256 over a canonical,
versioned JSON of everything but the input that can change the answer: function and its version, the model's
fingerprint, the requested precision, labels and options. Batch size and device are no part of it. Whoever changes this
JSON raises FORMAT_VERSION; signatures of different versions never match.

The key of one input is the SHA-256 of its UTF-8 bytes; the key of several is the SHA-256 of their hexadecimal digests
in order, so ('ab', 'c') and ('a', 'bc') differ. Because the key does not depend on the signature, a text is hashed once
for all functions over it, by any engine that has SHA-256; in DuckDB unhex(sha256(a)), or unhex(sha256(sha256(a) ||
sha256(b))).
"""

from __future__ import annotations

import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from inlay.store.codecs import Codec

FORMAT_VERSION = "result/2"

Keys = npt.NDArray[np.uint8]
"""[n, 32]: one key per row."""

# A loop in Python costs as much again as the digests do; map() over functions of C does not.
_sha256 = hashlib.sha256
_digest = type(_sha256()).digest

# Rows of a column that are Python objects at a time, so that these stay in the processor's cache.
_SLICE = 2_048


def canonical(parts: Mapping[str, Any]) -> str:
    return json.dumps({"form": FORMAT_VERSION, **parts}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def signature(parts: Mapping[str, Any]) -> str:
    """64 hexadecimal digits for one kind of question to one model; equal parts in any order give equal digits."""
    return hashlib.sha256(canonical(parts).encode("utf-8", "surrogatepass")).hexdigest()


def input_keys(columns: Iterable[Sequence[str | bytes]]) -> list[bytes]:
    """One 32-byte key per row of `columns`, which hold one text per argument, or the bytes of other values."""
    digests = [_digests(_encoded(column)) for column in columns]
    return digests[0] if len(digests) == 1 else _combined(list(map(key_matrix, digests)))


def digests_of(column: pa.Array, codec: Codec) -> Keys:
    """The SHA-256 of each value of a column without NULL."""
    digests = np.empty((len(column), 32), dtype=np.uint8)
    for start in range(0, len(digests), _SLICE):
        encoded = codec.encode(column.slice(start, _SLICE))
        digests[start : start + _SLICE] = key_matrix(_digests(encoded))
    return digests


def combined_keys(digests: Sequence[Keys]) -> Keys:
    """The keys of rows of several columns, by the digests of their values."""
    if len(digests) == 1:
        return digests[0]
    keys = np.empty((len(digests[0]), 32), dtype=np.uint8)
    for start in range(0, len(keys), _SLICE):
        keys[start : start + _SLICE] = key_matrix(_combined([each[start : start + _SLICE] for each in digests]))
    return keys


def _combined(digests: Sequence[Keys]) -> list[bytes]:
    joined = np.concatenate(list(map(_hexadecimal, digests)), axis=1).tobytes()
    width = 64 * len(digests)
    return _digests([joined[start : start + width] for start in range(0, len(joined), width)])


def _digests(rows: Sequence[bytes]) -> list[bytes]:
    return list(map(_digest, map(_sha256, rows)))


def _encoded(values: Sequence[str | bytes]) -> list[bytes]:
    """As UTF-8. What Python calls a surrogate is no character, but has a key of its own."""
    return [value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass") for value in values]


def _hexadecimal(digests: Keys) -> npt.NDArray[np.uint8]:
    """[n, 64] letters."""
    return np.frombuffer(binascii.hexlify(digests.tobytes()), dtype=np.uint8).reshape(-1, 64)


def key_matrix(keys: Sequence[bytes] | Keys) -> Keys:
    if isinstance(keys, np.ndarray):
        return keys
    return np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 32)


def key_column(keys: Sequence[bytes] | Keys) -> pa.Array:
    content = np.ascontiguousarray(key_matrix(keys))
    return pa.Array.from_buffers(pa.binary(32), len(keys), [None, pa.py_buffer(content)])


def key_bytes(column: pa.ChunkedArray) -> Keys:
    """[n, 32] of a key column."""
    joined = column.combine_chunks()
    content = np.frombuffer(joined.buffers()[1] or b"", dtype=np.uint8)
    return content[joined.offset * 32 : (joined.offset + len(joined)) * 32].reshape(-1, 32)
