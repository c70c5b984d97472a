"""A deterministic model without weights, for tests, documentation and users' own continuous integration.

It counts its work (`CALLS`), and fails on request: a text containing FAIL makes its batch raise, OOM runs out of memory
in any batch of more than one text, NEVER_FITS always does, and the numbers for a text with NAN are NaN. Answers depend
on the text alone, so a test can compute them: see `fake_row` and `fake_reply`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from inlay.arrays import Floats, offsets_of
from inlay.backends.base import (
    Asked,
    BatchFailed,
    Choices,
    Done,
    Encoded,
    Instruction,
    OutOfMemory,
    Prompt,
    Reply,
    Tokens,
)
from inlay.backends.runs import NO_RUN, Spans, words_of
from inlay.locks import new_lock
from inlay.models.ref import ModelRef

FAIL, OOM, NEVER_FITS, SLOW, NAN = "<<fail>>", "<<oom>>", "<<never fits>>", "<<slow>>", "<<nan>>"

_START = b"\x02"
_SHORT = 24

CALLS: Counter[str] = Counter()
"""Since the process began: 'batches', 'rows' and 'tokens' that any fake model ran."""

_LOCK = new_lock()


def fake_row(text: str, width: int) -> Floats:
    """The numbers that the fake model returns for a text: the bytes of its SHA-256, scaled to -1..1."""
    data = text.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(data).digest()
    digest += b"".join(hashlib.sha256(b"%d/%b" % (i, data)).digest() for i in range(1, -(-width // 32)))
    row = (np.frombuffer(digest[:width], dtype=np.uint8).astype(np.float32) / np.float32(127.5)) - np.float32(1)
    return row * np.float32("nan") if NAN in text else row


def fake_reply(content: str, schema: str | None = None, max_tokens: int = 512) -> str:
    """The reply of the fake language model to a user's message: a short message itself, the beginning and a digest of a
    longer one, or a value of the JSON Schema."""
    if schema is not None:
        return json.dumps(_fake_value(json.loads(schema), content), ensure_ascii=False)
    text = " ".join(content.split())
    if len(text) > _SHORT:
        text = f"{text[:_SHORT]}… {hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
    return f"fake: {text}"[:max_tokens]


def _fake_value(schema: dict[str, Any], content: str) -> Any:
    digest = hashlib.sha256(f"{json.dumps(schema, sort_keys=True)}{content}".encode("utf-8", "surrogatepass")).digest()
    if "enum" in schema:
        return schema["enum"][digest[0] % len(schema["enum"])]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return _fake_value(schema["anyOf"][digest[0] % len(schema["anyOf"])], content)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        return {name: _fake_value(each, content) for name, each in schema.get("properties", {}).items()}
    if kind == "array":
        return [_fake_value(schema.get("items", {}), f"{i}{content}") for i in range(int(schema.get("minItems", 1)))]
    if kind in ("integer", "number"):
        return max(int(schema.get("minimum", 0)), min(digest[0], int(schema.get("maximum", 255))))
    if kind == "boolean":
        return bool(digest[0] % 2)
    if kind == "null":
        return None
    if schema.get("format") == "date":
        return f"2026-01-{digest[0] % 28 + 1:02d}"
    if schema.get("format") == "date-time":
        return f"2026-01-{digest[0] % 28 + 1:02d}T00:00:00Z"
    return digest.hex()[:8]


def _work(texts: Sequence[str], n_tokens: int) -> None:
    """Counts a batch, then fails or waits where its texts ask for it."""
    with _LOCK:
        CALLS["batches"] += 1
        CALLS["rows"] += len(texts)
        CALLS["tokens"] += n_tokens
    for text in texts:
        if FAIL in text:
            raise ValueError("the fake model was asked to fail")
        if NEVER_FITS in text or (OOM in text and len(texts) > 1):
            raise OutOfMemory("the fake device has no room")
        if SLOW in text:
            time.sleep(0.2)


def _fake_spans(text: str, spans: Spans) -> list[float]:
    """For each question the first word, which answers about half of them."""
    numbers: list[float] = []
    for question in spans.questions:
        first, end = (words_of(text) or [(0, 0)])[0]
        numbers += [first, end, 9 * float(fake_row(f"{text}\0{question}", 1)[0]) if end else NO_RUN]
    return numbers


class FakeBackend:
    """A token is a UTF-8 byte, after one that starts the text; a pair is joined by byte 0."""

    def __init__(self, ref: ModelRef) -> None:
        self.ref = ref
        self.device = "fake"
        self.max_batch_tokens = 16_384
        self.workers = 1

    def start_worker(self) -> None:
        pass

    def tokenize(
        self, texts: list[str], pairs: list[str] | None, prompt: Asked, tags: Sequence[str] | None = None
    ) -> Tokens:
        choices = None if isinstance(prompt, str) else prompt
        if isinstance(choices, Choices):
            joined = [each.content for each in choices.prompts(texts, pairs, tags)]
        else:
            joined = [f"{prompt}{text}" for text in texts] if choices is None else texts
        if pairs is not None and choices is None:
            joined = [f"{text}\0{pair}" for text, pair in zip(joined, pairs, strict=True)]
        encoded = [_START + text.encode("utf-8") for text in joined]
        before = np.array([len(text) for text in encoded], dtype=np.int64)
        cut = [text[: self.ref.max_tokens] for text in encoded]
        offsets = offsets_of([len(text) for text in cut])
        ids = np.frombuffer(b"".join(cut), dtype=np.uint8).astype(np.int32)
        return Tokens(ids, offsets, None, before, choices=choices, texts=None if choices is None else tuple(texts))

    def run(self, tokens: Tokens) -> Floats:
        raw = tokens.ids.astype(np.uint8).tobytes()
        texts = [
            raw[start + 1 : end].decode("utf-8", "replace")
            for start, end in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)
        ]
        _work(texts, len(raw))
        if isinstance(tokens.choices, Spans):
            return np.array([_fake_spans(text, tokens.choices) for text in tokens.texts or ()], dtype=np.float32)
        if tokens.choices is not None:
            # Likelihoods of answers differ by more than numbers of a vector do.
            return np.float32(3) * np.stack([fake_row(text, len(tokens.choices.options)) for text in texts])
        rows = np.stack([fake_row(text, self.ref.width) for text in texts])
        if "normalize" in self.ref.head:
            rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return rows

    def encode(self, instruction: Instruction, prompts: Sequence[Prompt]) -> list[Encoded | str]:
        rows: list[Encoded | str] = []
        for prompt in prompts:
            ids = np.frombuffer(_START + prompt.content.encode("utf-8"), dtype=np.uint8).astype(np.int32)
            over = len(ids) + instruction.max_tokens - self.ref.max_tokens
            if over > 0 and self.ref.too_long == "error":
                rows.append(f"the prompt has {len(ids):,} tokens; model {self.ref.name!r} has no room for a reply")
            else:
                text = prompt.text if instruction.verbatim else ""
                rows.append(Encoded(ids[: max(1, len(ids) - max(0, over))], over > 0, text))
        return rows

    def generate(
        self,
        instruction: Instruction,
        rows: Sequence[Encoded],
        *,
        max_batch_tokens: int,
        stopped: Callable[[], bool],
        done: Done,
    ) -> None:
        contents = [row.ids[1:].astype(np.uint8).tobytes().decode("utf-8", "replace") for row in rows]
        size = max(1, max_batch_tokens // max(len(row.ids) + instruction.max_tokens for row in rows))
        for start in range(0, len(rows), size):
            places = range(start, min(start + size, len(rows)))
            if stopped():
                return
            try:
                _work([contents[place] for place in places], sum(len(rows[place].ids) for place in places))
            except (ValueError, OutOfMemory) as error:
                raise BatchFailed(places, error) from error
            for place in places:
                whole = fake_reply(contents[place], instruction.schema, self.ref.max_tokens)
                if instruction.verbatim:
                    whole = (rows[place].text.split() or [""])[0]
                reply = whole if instruction.schema else whole[: instruction.max_tokens]
                written = len(reply.encode())
                read = len(rows[place].ids) + len(instruction.system.encode())
                done(place, Reply(reply, read, written, rows[place].truncated, reply == whole))
