"""The identity of a result: what was asked of which model (the signature), and of which input (the key).

Contract: two results with equal signature and equal key are the same result. A signature is SHA-256 over a canonical,
versioned form of everything but the input that can change the answer: function and its version, the model's
fingerprint, the precision asked for, labels and options. Batch size and device are no part of it. A change of the
form is a new FORM; signatures of different forms never meet.

The key of one input is the SHA-256 of its UTF-8 bytes; the key of several is the SHA-256 of their hexadecimal digests
in order, so ('ab', 'c') and ('a', 'bc') differ. Because the key does not depend on the signature, a text is hashed once
for all functions over it, by any engine that has SHA-256; in DuckDB unhex(sha256(a)), or unhex(sha256(sha256(a) ||
sha256(b))).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

FORM = "result/2"

Keys = npt.NDArray[np.uint8]
"""[n, 32]: one key per row."""

# A loop in Python costs as much again as the digests do; map() over functions of C does not.
_encode, _sha256 = str.encode, hashlib.sha256
_digest, _hexdigest = type(_sha256()).digest, type(_sha256()).hexdigest

# Rows of a column that are Python objects at a time, so that these stay in the processor's cache.
_SLICE = 2_048


def canonical(parts: Mapping[str, Any]) -> str:
    return json.dumps({"form": FORM, **parts}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def signature(parts: Mapping[str, Any]) -> str:
    """64 hexadecimal digits for one kind of question to one model; equal parts in any order give equal digits."""
    return hashlib.sha256(canonical(parts).encode("utf-8", "surrogatepass")).hexdigest()


def input_keys(columns: Iterable[Sequence[str]]) -> list[bytes]:
    """One 32-byte key per row of `columns`, which hold one text per argument."""
    return _keys([_encoded(column) for column in columns])


def array_keys(columns: Sequence[pa.Array]) -> Keys:
    """The same of arrays of strings without NULL."""
    columns = [column.cast(pa.binary()) for column in columns]
    made = np.empty((len(columns[0]), 32), dtype=np.uint8)
    for start in range(0, len(made), _SLICE):
        part = _keys([column.slice(start, _SLICE).to_pylist() for column in columns])
        made[start : start + _SLICE] = key_matrix(part)
    return made


def _keys(columns: Sequence[Sequence[bytes]]) -> list[bytes]:
    if len(columns) == 1:
        return list(map(_digest, map(_sha256, columns[0])))
    rows = zip(*(map(_hexdigest, map(_sha256, column)) for column in columns), strict=True)
    return list(map(_digest, map(_sha256, map(_encode, map("".join, rows)))))


def key_matrix(keys: Sequence[bytes] | Keys) -> Keys:
    if isinstance(keys, np.ndarray):
        return keys
    return np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 32)


def _encoded(texts: Sequence[str]) -> list[bytes]:
    """As UTF-8. What Python calls a surrogate is no character, but has a key of its own."""
    try:
        return list(map(_encode, texts))
    except UnicodeEncodeError:
        return [text.encode("utf-8", "surrogatepass") for text in texts]
