"""An embedding model behind an endpoint that speaks OpenAI's HTTP interface: Embedder of base.py.

A request contains many texts, so its answer is checked before a vector becomes a row's: their number, each index once,
the width in the settings, finite numbers that are not all 0. A pack whose answer has a wrong count or order, or that
the server refuses (400, 413, 422), or keeps failing at, is halved until the failing row is isolated; no other row
fails.
Where both halves succeed, the pack was only too large for this server, and later packs are no larger.

spend() is called once for a pack, not again for its halves. spend() and done() run on the loop's thread, as in
model.py. Vectors get unit length where the settings say normalize.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from inlay.arrays import Floats
from inlay.backends.base import Spend
from inlay.backends.http.body import Answer
from inlay.backends.http.loop import share_out
from inlay.backends.http.retry import ATTEMPTS
from inlay.backends.http.verdict import Verdict
from inlay.backends.openai.model import endpoint_of
from inlay.backends.openai.reply import estimated_tokens
from inlay.backends.openai.server import MOST_VECTOR_BYTES, Server, host, run_paid, server_for, usage_of
from inlay.errors import EndpointError
from inlay.models.ref import ModelRef

PACK_TEXTS = 256
# OpenAI takes 300,000 tokens a request, and a guess of four bytes a token may be half of the truth.
PACK_TOKENS = 100_000

# Requested in this order while the server refuses; an answer is read as what it is. Numbers in base64 are
# a quarter of the bytes of numbers in decimals, and ten times quicker to read (bench/http.py).
ENCODINGS: tuple[str | None, ...] = ("base64", "float", None)

Done = Callable[[int, Floats | str, int], None]
Vectors = Floats | Sequence[Floats | None]


class OpenAIEmbedder:
    """The model behind ref.endpoint. ref.width: length of its vectors. pack_texts: most texts in one request."""

    def __init__(self, ref: ModelRef, pack_texts: int = PACK_TEXTS) -> None:
        self.ref = ref
        self.endpoint = endpoint_of(ref)
        self.device = host(self.endpoint)
        self.pack_texts = pack_texts
        self.encoding: str | None = ENCODINGS[0]
        self.asks_for_width = False
        self.width_was_right = False
        server_for(self.endpoint)

    def embed(self, texts: Sequence[str], *, stopped: Callable[[], bool], spend: Spend, done: Done) -> None:
        """As Embedder describes it. Raises EndpointError also where every vector has another width than ref.width."""
        if not texts:
            return
        server = server_for(self.endpoint)
        run_paid(server, Packs(self, server, texts, spend, done), stopped)

    def plainer_encoding(self) -> bool:
        """Whether there is one to try after the server has refused this one."""
        rest = ENCODINGS[ENCODINGS.index(self.encoding) + 1 :]
        self.encoding = rest[0] if rest else self.encoding
        return bool(rest)


class Packs:
    """One call of embed(), on the loop. A pack is a range of positions."""

    def __init__(
        self, embedder: OpenAIEmbedder, server: Server, texts: Sequence[str], spend: Spend, done: Done
    ) -> None:
        self.unaffordable: Exception | None = None
        self._embedder, self._server = embedder, server
        self._texts, self._spend, self._done = texts, spend, done
        self._url = server.url("embeddings")

    async def all(self) -> None:
        with self._server.call():
            await share_out(self._affordable(), min(self._server.endpoint.concurrency, len(self._texts)), self._embed)

    def _affordable(self) -> Iterator[range]:
        start = 0
        while start < len(self._texts):
            stop, tokens = start, 0
            while stop < len(self._texts) and stop - start < self._embedder.pack_texts:
                more = estimated_tokens(self._texts[stop])
                if stop > start and tokens + more > PACK_TOKENS:
                    break
                tokens += more
                stop += 1
            try:
                self._spend(tokens, 0)
            except Exception as error:
                self.unaffordable = error
                return
            yield range(start, stop)
            start = stop

    async def _embed(self, pack: range, attempts: int = ATTEMPTS) -> bool:
        """Whether every row of the pack has its vector."""
        tokens = [estimated_tokens(text) for text in self._texts[pack.start : pack.stop]]
        asked_for_width = self._embedder.asks_for_width
        answer = await self._ask(pack, sum(tokens), attempts)
        if isinstance(answer, Verdict):
            wrong, broken = answer.reason, answer.kind == "again"
        else:
            vectors = await self._vectors(pack, answer, sum(tokens), asked_for_width)
            if not isinstance(vectors, str):
                return self._deliver(pack, vectors, shared(usage_of(answer)[0], tokens))
            wrong, broken = vectors, False
        if len(pack) == 1 or (isinstance(answer, Verdict) and answer.kind == "refused"):
            for position in pack:
                self._done(position, wrong, 0)
            return False
        middle = pack.start + len(pack) // 2
        halves = range(pack.start, middle), range(middle, pack.stop)
        # What a server keeps failing at was tried often enough: its parts are tried once, until one row is left.
        well = [await self._embed(half, 1 if broken and len(half) > 1 else ATTEMPTS) for half in halves]
        if all(well) and not broken:
            self._embedder.pack_texts = max(1, min(self._embedder.pack_texts, len(halves[1])))
        return all(well)

    async def _ask(self, pack: range, tokens: int, attempts: int) -> Answer | Verdict:
        while True:
            encoding = self._embedder.encoding
            answer = await self._server.ask(
                self._url, self._body(pack, encoding), holds="data", tokens=tokens, attempts=attempts,
                most_bytes=MOST_VECTOR_BYTES,
            )  # fmt: skip
            if not isinstance(answer, Verdict) or not _about_encoding(answer.complaint):
                return answer
            if self._embedder.encoding == encoding and not self._embedder.plainer_encoding():
                return answer

    def _body(self, pack: range, encoding: str | None) -> bytes:
        texts = list(self._texts[pack.start : pack.stop])
        endpoint = self._server.endpoint
        fields: dict[str, Any] = {"model": endpoint.model, "input": texts, **json.loads(endpoint.extra_body)}
        if encoding is not None:
            fields["encoding_format"] = encoding
        if self._embedder.asks_for_width:
            fields["dimensions"] = self._embedder.ref.width
        return json.dumps(fields).encode("ascii")

    async def _vectors(self, pack: range, answer: Answer, tokens: int, asked_for_width: bool) -> Vectors | str:
        """Or why the answer is none to this pack."""
        try:
            vectors = vectors_by_index(answer, len(pack))
            if self._all_of_another_width(vectors):
                vectors = await self._of_right_width(pack, vectors, tokens, asked_for_width)
        except ValueError as error:
            return str(error)
        return vectors

    def _all_of_another_width(self, vectors: Vectors) -> bool:
        """Then the settings or the model are at fault, and not a row; unless the width was right before."""
        widths = {0 if vector is None else len(vector) for vector in vectors}
        if self._embedder.ref.width in widths:
            self._embedder.width_was_right = True
        return not self._embedder.width_was_right and len(widths) == 1 and 0 not in widths

    async def _of_right_width(self, pack: range, vectors: Vectors, tokens: int, asked_for_width: bool) -> Vectors:
        """Some models shorten their vectors when asked to. Raises EndpointError where this one does not."""
        width = self._embedder.ref.width
        refused = ""
        if not asked_for_width:
            self._embedder.asks_for_width = True
            answer = await self._ask(pack, tokens, ATTEMPTS)
            if isinstance(answer, Verdict):
                refused = f" When asked for {width:,}: {answer.reason}."
            elif not self._all_of_another_width(shorter := vectors_by_index(answer, len(pack))):
                return shorter
        actual = len(vectors[0]) if vectors[0] is not None else 0
        raise EndpointError(
            f"{self._server.where}: its vectors have {actual:,} numbers, and width is {width:,}.{refused} "
            f"Set width = {actual} under [models.{self._embedder.ref.name}]."
        )

    def _deliver(self, pack: range, vectors: Vectors, tokens: Sequence[int]) -> bool:
        width = self._embedder.ref.width
        whole = (
            isinstance(vectors, np.ndarray)
            and vectors.shape[1] == width
            and bool(np.isfinite(vectors).all() and vectors.any(axis=1).all())
        )
        well = True
        for position, vector, n_tokens in zip(pack, vectors, tokens, strict=True):
            wrong = None if whole else wrong_with(vector, width)
            if vector is None or wrong is not None:
                self._done(position, wrong or "", 0)
                well = False
            elif self._embedder.ref.normalized:
                self._done(position, vector / np.maximum(np.linalg.norm(vector), np.float32(1e-12)), n_tokens)
            else:
                self._done(position, vector, n_tokens)
        return well


def vectors_by_index(answer: Answer, n_rows: int) -> Vectors:
    """One vector for each text of the request, in its order, whatever the order of the answer; None where it holds
    something else. Raises ValueError where count or indices are not those of the request."""
    data = answer["data"]
    if not isinstance(data, list) or len(data) != n_rows or not all(isinstance(item, dict) for item in data):
        count = len(data) if isinstance(data, list) else 0
        raise ValueError(f"the server returned {count:,} vectors for {n_rows:,} text{'s' if n_rows != 1 else ''}")
    order = [item.get("index") for item in data]
    if order != list(range(n_rows)) and order != [None] * n_rows:  # a server that leaves them out keeps the order
        placed = {index: item for index, item in zip(order, data, strict=True) if type(index) is int}
        if set(placed) != set(range(n_rows)):
            raise ValueError(
                "the server's answer does not say which vector belongs to which text: its indices are wrong"
            )
        data = [placed[index] for index in range(n_rows)]
    return _vectors([item.get("embedding") for item in data])


def shared(total: int | None, guesses: Sequence[int]) -> list[int]:
    """A request's tokens over its rows, in the proportion of our guesses; the guesses where the server does not count.

    >>> shared(10, [1, 1, 2])
    [2, 3, 5]
    """
    if total is None:
        return list(guesses)
    ends = np.cumsum(guesses) * (total / max(sum(guesses), 1))
    return [int(n) for n in np.diff(np.floor(ends + 1e-9).astype(np.int64), prepend=0)]


def wrong_with(vector: Floats | None, width: int) -> str | None:
    if vector is None:
        return "the server's answer contains no vector of numbers for this text"
    if len(vector) != width:
        return f"the server's vector has {len(vector):,} numbers, not {width:,}"
    if not np.isfinite(vector).all():
        return "the server's vector contains numbers that are not finite"
    return None if vector.any() else "the server's vector contains nothing but zeros, which is near to nothing"


def _about_encoding(complaint: str) -> bool:
    return "encoding_format" in complaint or "base64" in complaint


def _vectors(given: list[Any]) -> Vectors:
    """All at once where all are alike, which is five times quicker than one by one."""
    if all(isinstance(each, list) for each in given):
        try:
            rows = _numbers(given)
        except (ValueError, TypeError, OverflowError):
            return [_vector(each) for each in given]
        if rows.ndim == 2:
            return rows
    return [_vector(each) for each in given]


def _numbers(given: Any) -> Floats:
    """Raises ValueError for lists of unequal length, and TypeError for anything but numbers."""
    rows = np.array(given)
    if rows.dtype.kind not in "fiu":  # numpy reads "1" and true as numbers too
        raise TypeError
    with np.errstate(over="ignore"):
        return rows.astype(np.float32)


def _vector(given: Any) -> Floats | None:
    """A list of numbers, or the bytes of little-endian float32 in base64."""
    try:
        if isinstance(given, str):
            return np.frombuffer(base64.b64decode(given, validate=True), dtype="<f4").astype(np.float32)
        row = _numbers(given)
    except (binascii.Error, ValueError, TypeError, OverflowError):
        return None
    return row if row.ndim == 1 else None
