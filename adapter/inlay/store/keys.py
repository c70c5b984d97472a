"""The identity of a result: what was asked of which model (the signature), and of which input (the key).

Contract: two results with equal signature and equal key are the same result. A signature is SHA-256 over a canonical,
versioned form of everything but the input that can change the answer: function and its version, the model's
fingerprint, the precision asked for, labels and options. Batch size and device are no part of it. A change of the
form is a new FORM; signatures of different forms never meet.

The key of one input is the SHA-256 of its UTF-8 bytes; the key of several is the SHA-256 of their hexadecimal digests
in order, so ('ab', 'c') and ('a', 'bc') differ. SQL computes the same: see `key_sql`. Because the key does not depend
on the signature, a text is hashed once for all functions over it, by any engine that has SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FORM = "result/2"


def canonical(parts: Mapping[str, Any]) -> str:
    return json.dumps({"form": FORM, **parts}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def signature(parts: Mapping[str, Any]) -> str:
    """64 hexadecimal digits for one kind of question to one model; equal parts in any order give equal digits."""
    return hashlib.sha256(canonical(parts).encode("utf-8", "surrogatepass")).hexdigest()


def input_keys(columns: Iterable[Sequence[str]]) -> list[bytes]:
    """One 32-byte key per row of `columns`, which hold one text per argument."""
    first, *more = columns
    sha256 = hashlib.sha256
    if not more:
        return [sha256(text.encode("utf-8", "surrogatepass")).digest() for text in first]
    return [
        sha256("".join([sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in row]).encode()).digest()
        for row in zip(first, *more, strict=True)
    ]


def key_sql(arguments: Sequence[str]) -> str:
    """DuckDB's expression for the key of SQL expressions of type VARCHAR; NULL where any of them is NULL."""
    digests = [f"sha256({argument})" for argument in arguments]
    return f"unhex({digests[0]})" if len(digests) == 1 else f"unhex(sha256({' || '.join(digests)}))"
