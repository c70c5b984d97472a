"""A server that speaks OpenAI's interface on 127.0.0.1 and fails as real ones do, on request and always alike.

    with FaultServer() as server:
        server.base_url

A text with a marker is failed: `<<500>>` always, `<<500 2>>` at the first two attempts with that text. The markers are
the names in _FAULTS (chat and embeddings), in _REPLIES (chat) and in FaultServer.embeddings(). Settings of the server
fail whoever comes: `per_s` with `burst` refuses what is too fast, `chance` fails that share of attempts (drawn from
seed, text and attempt, so the order of requests does not matter), `rejects` names what it does not take in a request.

It counts: `requests`, `refused` (429), `most_at_once`, `attempts` of each text, `bodies` of the last requests, and
`billed`, the tokens read and written of all replies that it has given, good or not.
A reply to a prompt says `echo: ` and the prompt; where JSON is asked for, it is {"echo": the prompt}. Vectors come from
the text alone: see `vector`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from aiohttp import web

from support import embedding_behaviours
from support.embedding_behaviours import Embedding
from support.raw_responses import Raw
from support.server_behaviours import Asked, Behaviour

MODEL = "tiny"
WIDTH = 8

_MARKER = re.compile(r"<<([a-z_0-9]+)(?: (\d+))?>>")


def vector(text: str, width: int = WIDTH) -> npt.NDArray[np.float32]:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return np.frombuffer(digest[:width], dtype=np.uint8).astype(np.float32) - 128


class Failed(Exception):
    """The answer to this attempt."""

    def __init__(self, response: web.StreamResponse) -> None:
        super().__init__(response.status)
        self.response = response


def error(status: int, message: str, *, code: str | None = None, param: str | None = None, **headers: str) -> Failed:
    said = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}
    return Failed(web.json_response(said, status=status, headers={n.replace("_", "-"): v for n, v in headers.items()}))


class FaultServer:
    def __init__(
        self,
        *,
        key: str | None = None,
        per_s: float | None = None,
        burst: float = 10,
        retry_after: str | None = "ms",
        chance: float = 0.0,
        seed: int = 0,
        rejects: tuple[str, ...] = (),
        ignores_response_format: bool = False,
        most_inputs: int | None = None,
        redirect_to: str = "",
        delay_s: float = 0.0,
        width: int = WIDTH,
        behaviour: Behaviour | None = None,
        embedding: Embedding | None = None,
        raw: Raw | None = None,
    ) -> None:
        self.behaviour, self.embedding, self.raw = behaviour, embedding, raw
        self.key, self.per_s, self.burst, self.retry_after = key, per_s, burst, retry_after
        self.chance, self.seed, self.rejects, self.width = chance, seed, rejects, width
        self.ignores_response_format, self.most_inputs = ignores_response_format, most_inputs
        self.redirect_to, self.delay_s = redirect_to, delay_s
        self.requests = self.refused = self.at_once = self.most_at_once = 0
        self.billed = np.zeros(2, dtype=np.int64)
        self.attempts: Counter[str] = Counter()
        self.bodies: deque[dict[str, Any]] = deque(maxlen=1_000)
        self.headers: deque[dict[str, str]] = deque(maxlen=1_000)
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.polls_until_done = 2
        self.drops_new_batches = self.drops_downloads = 0
        self.batch_refusal = ""
        self._held, self._filled = burst, time.monotonic()
        self._loop = asyncio.new_event_loop()
        self._closing: asyncio.Event
        self._thread = threading.Thread(target=self._serve, name="fault server", daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> FaultServer:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._until_closed())
        self._loop.close()

    async def _until_closed(self) -> None:
        self._closing = asyncio.Event()
        app = web.Application(client_max_size=2**30)
        app.router.add_post("/v1/chat/completions", self._answering(self.chat))
        app.router.add_post("/v1/embeddings", self._answering(self.embeddings))
        app.router.add_post("/v1/files", self.upload)
        app.router.add_get("/v1/files/{id}/content", self.content)
        app.router.add_post("/v1/batches", self.make_batch)
        app.router.add_get("/v1/batches", self.list_batches)
        app.router.add_get("/v1/batches/{id}", self.batch)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1_024)
        await site.start()
        self.port: int = runner.addresses[0][1]
        self._ready.set()
        await self._closing.wait()
        await runner.cleanup()

    def _answering(
        self, answer: Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.requests += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            try:
                body = await request.json()
                self.bodies.append(body)
                self.headers.append(dict(request.headers))
                self._let_in(request)
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if body.get("model") != MODEL:
                    raise error(404, f"The model `{body.get('model')}` does not exist", code="model_not_found")
                return await answer(request, body)
            except Failed as failed:
                return failed.response
            finally:
                self.at_once -= 1

        return handle

    def _let_in(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.key is not None and given != self.key:
            raise error(401, f"Incorrect API key provided: {given}.", code="invalid_api_key")
        if self.redirect_to:
            raise Failed(web.Response(status=307, headers={"Location": self.redirect_to}))
        if self.per_s is not None:
            now = time.monotonic()
            self._held = min(self.burst, self._held + (now - self._filled) * self.per_s)
            self._filled = now
            if self._held < 1:
                raise self._too_fast((1 - self._held) / self.per_s)
            self._held -= 1

    def _too_fast(self, wait_s: float) -> Failed:
        self.refused += 1
        headers = {
            "ms": {"retry_after_ms": f"{wait_s * 1000:.0f}"},
            "s": {"Retry_After": f"{wait_s:.3f}"},
            "hour": {"Retry_After": "3600"},
            None: {},
        }[self.retry_after]
        return error(429, "Rate limit reached", code="rate_limit_exceeded", **headers)

    async def _fail(self, request: web.Request, text: str, marked: str) -> str:
        """The marker that applies to this attempt, having failed the attempt where it is a fault's. text: under which
        attempts are counted."""
        self.attempts[text] += 1
        attempt = self.attempts[text]
        for name, times in _MARKER.findall(marked):
            if not times or attempt <= int(times):
                if name in _FAULTS:
                    await _FAULTS[name](self, request)
                return str(name)
        dice = random.Random(f"{self.seed}/{text!r}/{attempt}")
        if dice.random() < self.chance:
            await _FAULTS[dice.choice(("500", "502", "503", "html", "truncated", "reset"))](self, request)
        return ""

    async def chat(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        if self.behaviour is not None:
            asked = Asked(body, 0)
            self.attempts[asked.content] += 1
            asked.attempt = self.attempts[asked.content]
            made = self.behaviour(asked)
            return made if self.raw is None else await _sent_raw(request, self.raw(_body_of(made)))
        self._check_form(body)
        said = [message["content"] for message in body["messages"] if message["role"] == "user"]
        name = await self._fail(request, said[0], said[0])
        wants_json = "response_format" in body or any("JSON Schema" in m["content"] for m in body["messages"])
        if self.ignores_response_format and not any("JSON Schema" in m["content"] for m in body["messages"]):
            wants_json = False
        text = json.dumps({"echo": said[0]}) if wants_json else f"echo: {said[0]}"
        text, reason = _REPLIES[name](text, len(said), request) if name in _REPLIES else (text, "stop")
        message = {"role": "assistant", "content": text}
        read = sum(len(message["content"]) for message in body["messages"])
        usage = {
            "prompt_tokens": read,
            "completion_tokens": len(text or ""),
            "total_tokens": 0,
        }
        self.billed += np.array([usage["prompt_tokens"], usage["completion_tokens"]])
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
        answer: dict[str, Any] = {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}
        answer["choices"][0]["finish_reason"] = reason
        return web.json_response(answer | ({} if name == "no_usage" else {"usage": usage}))

    def _check_form(self, body: dict[str, Any]) -> None:
        if "max_tokens" in self.rejects and "max_tokens" in body:
            told = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            raise error(400, f"Unsupported parameter: {told}", code="unsupported_parameter", param="max_tokens")
        for name in ("temperature", "seed", "stop"):
            if name in self.rejects and name in body:
                raise error(400, f"Unsupported value: '{name}' does not support {body[name]}.", param=name)
        kind = body.get("response_format", {}).get("type")
        if kind in self.rejects:
            told = f"Invalid parameter: 'response_format' of type '{kind}' is not supported with this model."
            raise error(400, told, param="response_format")
        if "strict" in self.rejects and kind == "json_schema" and body["response_format"]["json_schema"]["strict"]:
            raise error(400, "Invalid schema for response_format 'reply'.", param="response_format")
        if "system" in self.rejects and body["messages"][0]["role"] == "system":
            raise error(400, "System role not supported")

    async def embeddings(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        texts = body["input"]
        if self.embedding is not None or self.raw is not None:
            made = (self.embedding or embedding_behaviours.RIGHT["plain"])(body, np.stack([vector(t) for t in texts]))
            return made if self.raw is None else await _sent_raw(request, self.raw(_body_of(made)))
        encoding = body.get("encoding_format")
        if encoding in self.rejects:
            told = "base64 encoding is not currently supported"  # with no name of the parameter, as some do
            raise error(400, told if encoding == "base64" else "unknown parameter: encoding_format")
        if self.most_inputs is not None and len(texts) > self.most_inputs:
            raise error(413, f"batch size {len(texts)} > maximum allowed batch size {self.most_inputs}")
        if any("<<bad>>" in text for text in texts):
            raise error(400, "one of the inputs cannot be read")
        name = await self._fail(request, "\n".join(texts), "\n".join(texts))
        width = self.width
        if "dimensions" in body:
            if "dimensions" in self.rejects:
                raise error(400, "This model does not support dimensions")
            width = body["dimensions"]
        data: list[dict[str, Any]] = []
        for index, text in enumerate(texts):
            row = vector(text, width - 1 if "<<narrow>>" in text else width)
            given: Any = [float(number) for number in row]
            if "<<nan>>" in text:
                given[0] = float("nan")
            if "<<words>>" in text:
                given = ["a", "b"]
            elif encoding == "base64" and name != "floats":
                given = base64.b64encode(np.array(given, dtype="<f4").tobytes()).decode()
            data.append({"object": "embedding", "index": index, "embedding": given})
        if name == "shuffled":
            random.Random(self.seed).shuffle(data)
        elif name == "one_less":
            data.pop()
        elif name == "same_index":
            data[-1]["index"] = 0
        elif name == "no_index":
            for item in data:
                del item["index"]
        total = sum(len(text) for text in texts)
        return web.json_response({"data": data, "usage": {"prompt_tokens": total, "total_tokens": total}})

    async def upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        file = form["file"]
        assert form["purpose"] == "batch"
        assert isinstance(file, web.FileField)
        name = f"file-{len(self.files)}"
        self.files[name] = file.file.read()
        return web.json_response({"id": name, "object": "file", "purpose": "batch"})

    async def content(self, request: web.Request) -> web.StreamResponse:
        if self.drops_downloads:
            self.drops_downloads -= 1
            half = self.files[request.match_info["id"]]
            response = web.StreamResponse(headers={"Content-Length": str(len(half))})
            await response.prepare(request)
            await response.write(half[: len(half) // 2])
            await _FAULTS["reset"](self, request)
        return web.Response(body=self.files[request.match_info["id"]])

    async def make_batch(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        name = f"batch-{len(self.batches)}"
        self.batches[name] = {
            "id": name, "status": "validating", "input_file_id": body["input_file_id"], "polls": 0,
            "output_file_id": None, "error_file_id": None, "errors": None,
        }  # fmt: skip
        if self.drops_new_batches:
            self.drops_new_batches -= 1
            await _FAULTS["reset"](self, request)
        return web.json_response(self.batches[name])

    async def list_batches(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"data": list(reversed(self.batches.values())), "has_more": False})

    async def batch(self, request: web.Request) -> web.StreamResponse:
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            return error(404, "No such batch").response
        batch["polls"] += 1
        if batch["polls"] >= self.polls_until_done and batch["status"] == "validating":
            self._run_batch(batch)
        return web.json_response(batch)

    def _run_batch(self, batch: dict[str, Any]) -> None:
        if self.batch_refusal:
            batch["status"], batch["errors"] = "failed", {"data": [{"message": self.batch_refusal}]}
            return
        batch["status"] = "completed"
        good, bad = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            request = json.loads(line)
            said = request["body"]["messages"][-1]["content"]
            self.attempts[said] += 1
            answer: dict[str, Any] = {"custom_id": request["custom_id"], "error": None}
            if self.behaviour is not None:
                response = self.behaviour(Asked(request["body"], 1))
                answer["response"] = {"status_code": response.status, "body": _json_in(response)}
                good.append(answer)
                continue
            if "<<lost>>" in said:
                continue
            if "<<expired>>" in said:
                batch["status"] = "expired"
                answer["error"] = {"code": "batch_expired", "message": "This request could not be executed in time."}
                bad.append(answer)
            elif "<<400>>" in said:
                told = {"error": {"message": "too long for this model", "code": "context_length_exceeded"}}
                bad.append(answer | {"response": {"status_code": 400, "body": told}})
            else:
                text = json.dumps({"echo": said}) if "response_format" in request["body"] else f"echo: {said}"
                choice = {"message": {"content": text}, "finish_reason": "stop"}
                usage = {"prompt_tokens": len(said), "completion_tokens": len(text)}
                body = {"choices": [choice], "usage": usage}
                good.append(answer | {"response": {"status_code": 200, "body": body}})
        random.Random(self.seed).shuffle(good)
        for name, lines in (("output_file_id", good), ("error_file_id", bad)):
            if lines:
                batch[name] = f"file-{len(self.files)}"
                self.files[batch[name]] = "\n".join(json.dumps(line) for line in lines).encode()


async def _sent_raw(request: web.Request, content: bytes) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(content)
    request.transport.close()
    raise error(500, "nobody hears this")


def _json_in(response: web.Response) -> Any:
    """The body as a provider writes it into the file of a batch: what is no JSON is a text there."""
    body = _body_of(response) if response.body is not None else b""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def _body_of(response: web.Response) -> bytes:
    assert isinstance(response.body, bytes)
    return response.body


Fault = Callable[[FaultServer, web.Request], Awaitable[None]]


def _answers(make: Callable[[FaultServer, web.Request], Failed]) -> Fault:
    async def fault(server: FaultServer, request: web.Request) -> None:
        raise make(server, request)

    return fault


async def _hang(server: FaultServer, request: web.Request) -> None:
    await server._closing.wait()
    raise error(500, "closing")


async def _reset(server: FaultServer, request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()
    raise error(500, "nobody hears this")


async def _drip(server: FaultServer, request: web.Request) -> None:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while not server._closing.is_set():
        await response.write(b" ")
        await asyncio.sleep(0.05)
    raise Failed(response)


async def _endless(server: FaultServer, request: web.Request) -> None:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(400):
        await response.write(b" " * 65_536)
    raise Failed(response)


def _given_key(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


_FAULTS: dict[str, Fault] = {
    **{
        status: _answers(lambda _s, _r, status=status: error(int(status), f"failing with {status}"))  # type: ignore[misc]
        for status in ("500", "502", "503", "408", "409", "413", "422")
    },
    "400": _answers(lambda _s, _r: error(400, "maximum context length is 10 tokens", code="context_length_exceeded")),
    "429": _answers(lambda server, _r: server._too_fast(0.05)),
    "quota": _answers(lambda _s, _r: error(429, "You exceeded your current quota", code="insufficient_quota")),
    "401": _answers(lambda _s, r: error(401, f"Incorrect API key provided: {_given_key(r)}.")),
    "403": _answers(lambda _s, _r: error(403, "this key may not use this model")),
    "html": _answers(lambda _s, _r: Failed(web.Response(text="<html><h1>down</h1></html>", content_type="text/html"))),
    "truncated": _answers(
        lambda _s, _r: Failed(web.Response(text='{"choices": [{"mess', content_type="application/json"))
    ),
    "no_choices": _answers(lambda _s, _r: Failed(web.json_response({"object": "nothing"}))),
    "inside": _answers(
        lambda _s, _r: Failed(web.json_response({"error": {"code": 502, "message": "upstream is down"}}))
    ),
    "echo_key": _answers(lambda _s, r: error(500, f"internal error, headers: Authorization Bearer {_given_key(r)}")),
    "hang": _hang,
    "reset": _reset,
    "drip": _drip,
    "endless": _endless,
}

Replied = Callable[[str, int, web.Request], tuple[Any, str]]

_REPLIES: dict[str, Replied] = {
    "length": lambda text, _n, _r: (text, "length"),
    "filter": lambda _t, _n, _r: (None, "content_filter"),
    "nothing": lambda _t, _n, _r: (None, "stop"),
    "parts": lambda text, _n, _r: ([{"type": "reasoning", "summary": []}, {"type": "text", "text": text}], "stop"),
    "fenced": lambda text, _n, _r: (f"Here you are:\n```json\n{text}\n```", "stop"),
    "thinks": lambda text, _n, _r: (f"<think>It wants {{}}.</think>\n{text}", "stop"),
    "invalid": lambda _t, _n, _r: ('{"echo": 3}', "stop"),
    "invalid_once": lambda text, n, _r: (text if n > 1 else '{"echo": 3}', "stop"),
    "prose_once": lambda text, n, _r: (text if n > 1 else "It is fine.", "stop"),
    "says_key": lambda _t, _n, r: (f"the key is {_given_key(r)}", "stop"),
}
