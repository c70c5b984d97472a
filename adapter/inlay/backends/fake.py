"""A deterministic model without weights, for tests, documentation and users' own continuous integration.

It counts its work (`CALLS`), and does on request what real models do at times: a text containing FAIL makes the
batch that holds it raise, OOM runs out of memory in any batch of more than one text, and NEVER_FITS always does.
Answers depend on the text alone, so a test can compute them: see `fake_row`.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter

import numpy as np

from inlay.backends.base import Floats, OutOfMemory, Tokens
from inlay.types import ModelRef

FAIL, OOM, NEVER_FITS, SLOW = "<<fail>>", "<<oom>>", "<<never fits>>", "<<slow>>"

_START = b"\x02"

CALLS: Counter[str] = Counter()
"""Since the process began: 'batches', 'rows' and 'tokens' that any fake model ran."""

_LOCK = threading.Lock()


def fake_row(text: str, width: int) -> Floats:
    """The numbers that the fake model gives for a text: its SHA-256 read as bytes, scaled to -1..1."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return (np.frombuffer(digest[:width], dtype=np.uint8).astype(np.float32) / np.float32(127.5)) - np.float32(1)


class FakeBackend:
    """A token is a UTF-8 byte, after one that starts the text; a pair is joined by byte 0."""

    def __init__(self, ref: ModelRef) -> None:
        self.ref = ref
        self.device = "fake"
        self.max_batch_tokens = 16_384
        self.workers = 1

    def start_worker(self) -> None:
        pass

    def tokenize(self, texts: list[str], pairs: list[str] | None, prompt: str) -> Tokens:
        joined = [f"{prompt}{text}" for text in texts]
        if pairs is not None:
            joined = [f"{text}\0{pair}" for text, pair in zip(joined, pairs, strict=True)]
        encoded = [_START + text.encode("utf-8") for text in joined]
        before = np.array([len(text) for text in encoded], dtype=np.int64)
        cut = [text[: self.ref.max_tokens] for text in encoded]
        offsets = np.zeros(len(cut) + 1, dtype=np.int64)
        np.cumsum([len(text) for text in cut], out=offsets[1:])
        return Tokens(np.frombuffer(b"".join(cut), dtype=np.uint8).astype(np.int32), offsets, None, before)

    def run(self, tokens: Tokens) -> Floats:
        raw = tokens.ids.astype(np.uint8).tobytes()
        texts = [
            raw[start + 1 : end].decode("utf-8", "replace")
            for start, end in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)
        ]
        with _LOCK:
            CALLS["batches"] += 1
            CALLS["rows"] += len(texts)
            CALLS["tokens"] += len(raw)
        for text in texts:
            if FAIL in text:
                raise ValueError("the fake model was asked to fail")
            if NEVER_FITS in text or (OOM in text and len(texts) > 1):
                raise OutOfMemory("the fake device has no room")
            if SLOW in text:
                time.sleep(0.2)
        rows = np.stack([fake_row(text, self.ref.width) for text in texts])
        if "normalize" in self.ref.head:
            rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return rows
