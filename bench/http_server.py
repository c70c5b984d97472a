"""A server that costs as little as Python allows: it parses just enough of a request and has its answers ready.

    with running(per_s=500, failing=0.05) as base_url: …

per_s and burst: faster requests get a 429 with retry-after-ms. failing: this share of requests gets a 500, a 503 or a
closed connection, drawn anew at each attempt. decimals: vectors as numbers and not in base64. Texts that hold '<<bad>>'
get a 400. GET /counts says what came and what was refused.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np

WIDTH = 384
PACK = 256

_CHAT = {
    "choices": [{"message": {"role": "assistant", "content": '{"kind": "bug"}'}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 40, "completion_tokens": 4, "total_tokens": 44},
}


@contextlib.contextmanager
def running(**settings: Any) -> Iterator[str]:
    """The base URL of a server in another process."""
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.http_server", json.dumps(settings)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    finally:
        server.kill()
        server.wait()


def counts(base_url: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{base_url}/counts") as answer:
        found: dict[str, int] = json.loads(answer.read())
    return found


class Server:
    def __init__(
        self,
        per_s: float | None = None,
        burst: float = 20,
        failing: float = 0.0,
        decimals: bool = False,
        latency_s: float = 0.0,
    ) -> None:
        self.per_s, self.burst, self.failing, self.latency_s = per_s, burst, failing, latency_s
        self.requests = self.refused = 0
        self._held, self._filled = burst, time.monotonic()
        self._dice = random.Random(0)
        rows = np.random.default_rng(0).standard_normal((PACK, WIDTH)).astype(np.float32)
        self._data = [
            {"index": i, "embedding": row.tolist() if decimals else base64.b64encode(row.tobytes()).decode()}
            for i, row in enumerate(rows)
        ]
        self._vectors: dict[int, bytes] = {}
        self._chat = _response(200, _CHAT)

    def answer(self, path: bytes, body: bytes) -> bytes | None:
        """None closes the connection."""
        if path.endswith(b"/counts"):
            return _response(200, {"requests": self.requests, "refused": self.refused})
        self.requests += 1
        if self.per_s is not None:
            now = time.monotonic()
            self._held, self._filled = min(self.burst, self._held + (now - self._filled) * self.per_s), now
            if self._held < 1:
                self.refused += 1
                wait_ms = (1 - self._held) / self.per_s * 1_000
                return _response(429, {"error": {"message": "too fast"}}, f"retry-after-ms: {wait_ms:.0f}\r\n")
            self._held -= 1
        if self.failing and self._dice.random() < self.failing:
            fault = self._dice.choice((500, 503, None))
            return None if fault is None else _response(fault, {"error": {"message": "not now"}})
        if b"<<bad>>" in body:
            return _response(400, {"error": {"message": "maximum context length is 10 tokens"}})
        if path.endswith(b"/embeddings"):
            n_rows = len(json.loads(body)["input"])
            if n_rows not in self._vectors:
                found = {"data": self._data[:n_rows], "usage": {"prompt_tokens": 10 * n_rows}}
                self._vectors[n_rows] = _response(200, found)
            return self._vectors[n_rows]
        return self._chat


class _Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._read = bytearray()
        self._needed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while len(self._read) >= max(self._needed, 1):
            head_end = self._read.find(b"\r\n\r\n")
            if head_end < 0:
                return
            head = bytes(self._read[:head_end]).lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self._needed = head_end + 4 + length
            if len(self._read) < self._needed:
                return
            body = bytes(self._read[head_end + 4 : self._needed])
            del self._read[: self._needed]
            self._needed = 0
            answer = self._server.answer(head.split(b" ", 2)[1], body)
            if self._server.latency_s:
                asyncio.get_running_loop().call_later(self._server.latency_s, self._send, answer)
            else:
                self._send(answer)

    def _send(self, answer: bytes | None) -> None:
        if answer is None:
            self._transport.abort()
        else:
            self._transport.write(answer)


def _response(status: int, body: Any, headers: str = "") -> bytes:
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
    return head.encode() + content


async def _serve(settings: dict[str, Any]) -> None:
    server = Server(**settings)
    listening = await asyncio.get_running_loop().create_server(lambda: _Connection(server), "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(json.loads(sys.argv[1])))
