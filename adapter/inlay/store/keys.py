"""The identity of a result.

Contract: a key is SHA-256 over a canonical, versioned form of everything that can change the result: the model's
fingerprint, the arithmetic (dtype), what was asked of the model, and the input's bytes. Batch size and device
index are no part of it. A change of the form is a new FORM; keys of different forms never meet.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

FORM = "result/1"


def signature(parts: Mapping[str, Any]) -> bytes:
    """32 bytes for one kind of question to one model; equal parts in any order give equal bytes."""
    form = json.dumps({"form": FORM, **parts}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(form.encode("utf-8", "surrogatepass")).digest()


def input_keys(signed: bytes, columns: Iterable[list[str]]) -> list[bytes]:
    """One 32-byte key per row of `columns`. Each part is preceded by its length in bytes, so ('ab', 'c') and
    ('a', 'bc') differ."""
    keys = []
    for row in zip(*columns, strict=True):
        digest = hashlib.sha256(signed)
        for text in row:
            raw = text.encode("utf-8", "surrogatepass")
            digest.update(len(raw).to_bytes(8, "little"))
            digest.update(raw)
        keys.append(digest.digest())
    return keys
