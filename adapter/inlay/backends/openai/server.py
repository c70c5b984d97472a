"""An endpoint in this process: its connections, its limits, and one request with all its attempts.

However many threads ask, at most endpoint.concurrency requests run at once. One gate (http/gate.py) delays them and one
budget (http/retry.py) limits repeats. Everything but where(), server_for() and run_paid() runs on the loop of
http/loop.py.

ask() returns the answer, or a Verdict whose reason is the row's error. It raises EndpointError where no row is at
fault:

    the key, the account, the model or the address is refused; the server redirects
    the server asks for a pause longer than retry_s, or has refused everything for that long
    too many failures in a row (RetryBudget)

A request refused for its rate (429) is repeated until retry_s after its first attempt, and counts no attempt. Others
that may succeed later are sent ATTEMPTS times at most, within retry_s and the budget.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from inlay.backends.http.body import Answer, parsed, status_inside
from inlay.backends.http.body import holds as contains
from inlay.backends.http.gate import Gate
from inlay.backends.http.key import masked, read_key
from inlay.backends.http.loop import at_close, run
from inlay.backends.http.names import NoLinkLocal
from inlay.backends.http.retry import ATTEMPTS, RetryBudget, wait_before_s
from inlay.backends.http.verdict import BodyTooLarge, Verdict, judged, judged_error
from inlay.backends.openai.habits import Habits
from inlay.errors import ConfigError, EndpointError
from inlay.locks import new_lock
from inlay.models.ref import Endpoint

_log = logging.getLogger("inlay.backends")

CONNECT_S = 5.0
MOST_BODY_BYTES = 10_000_000
# An answer with many vectors is longer: 256 of them with 4,096 numbers of 20 characters.
MOST_VECTOR_BYTES = 64_000_000

# Servers close idle connections after 5 s (uvicorn) and more. A request that goes out on one of them at that moment is
# lost, so ours are closed earlier.
_KEEP_ALIVE_S = 4.0

# The longest sleep at the gate: tokens that other requests return may open it earlier.
_GATE_LOOK_S = 0.1

# More tokens than any request has.
_NO_COUNT = 2**40

Body = bytes | Callable[[], aiohttp.FormData]


class Server:
    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.where = where(endpoint)
        self.gate = Gate(endpoint.requests_per_minute, endpoint.tokens_per_minute, time.monotonic())
        self.budget = RetryBudget(endpoint.concurrency)
        self.has_answered = False
        self.speaks_http = False
        self.habits = Habits()
        self._slots = asyncio.Semaphore(endpoint.concurrency)
        self._at_gate = asyncio.Lock()
        self._calls = 0
        self._session: aiohttp.ClientSession | None = None

    def key(self) -> str | None:
        return read_key(self.endpoint, self.where)

    def url(self, path: str) -> URL:
        """The URL of a path below the base URL; its query (an api-version) is kept."""
        base = URL(self.endpoint.base_url)
        return base.with_path(f"{base.path.rstrip('/')}/{path}").with_query(base.query)

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Around the work of one caller."""
        self._calls += 1
        if self._calls == 1:
            self.budget.begin()
            self.gate.begin()
        try:
            yield
        finally:
            self._calls -= 1

    async def ask(
        self,
        url: URL,
        body: Body | None,
        *,
        holds: str,
        tokens: int = 0,
        name: str | None = None,
        attempts: int = ATTEMPTS,
        most_bytes: int = MOST_BODY_BYTES,
        timeout_s: float | None = None,
    ) -> Answer | Verdict:
        """Sends POST with the body, or GET without one. holds: a field that every answer has. tokens: the most tokens
        that the request may use. name: the idempotency key. most_bytes: size limit of the answer. timeout_s: default:
        the endpoint's."""
        self.budget.requested()
        tried = 0
        first_sent: float | None = None
        last = ""
        while True:
            async with self._slots:
                await self._pass_gate(tokens)
                sent = time.monotonic()
                if first_sent is None:
                    first_sent = sent
                elif sent - first_sent > self.endpoint.retry_s:
                    self.gate.settle(tokens, 0)
                    return self._overdue(last, sent - first_sent)
                answer = await self._attempt(url, body, holds, name, most_bytes, timeout_s or self.endpoint.timeout_s)
            if not isinstance(answer, Verdict):
                self.has_answered = True
                self.gate.answered()
                self.gate.settle(tokens, _used(answer, tokens))
                self.budget.answered()
                return answer
            self.gate.settle(tokens, 0)
            self._give_up_if_hopeless(answer)
            now = time.monotonic()
            last = answer.reason
            left_s = first_sent + self.endpoint.retry_s - now
            if answer.kind == "refused":
                if self._refused(now, sent, answer) > left_s:
                    return self._overdue(last, now - first_sent)
            elif answer.kind == "again":
                # Where nobody answers, the statement fails and not one row after the other: see _give_up_if_dead.
                is_dead = attempts > 1 and (answer.unreachable or (answer.unanswered and not self.speaks_http))
                tried += not is_dead
                wait_s = max(wait_before_s(max(tried, 1) + 1), answer.wait_s or 0.0)
                if is_dead and (self.budget.unreachable(sent, now) or (wait_s > left_s and not self.budget.successes)):
                    await self._give_up_if_dead(answer)
                may_repeat = is_dead or self.budget.take()
                if tried >= attempts or wait_s > left_s or not may_repeat:
                    shown = f"{last} ({tried} attempt{'s' if tried > 1 else ''})"
                    return Verdict("again", shown, complaint=answer.complaint)
                _log.info("inlay: %s: %s; sent again in %.1f s", self.where, last, wait_s)
                await asyncio.sleep(wait_s)
            else:
                return answer

    async def lines(self, url: URL) -> AsyncIterator[bytes]:
        """The lines of a file of any size. Raises aiohttp.ClientError or TimeoutError where it breaks off, and
        EndpointError where it is refused."""
        timeout_s = self.endpoint.timeout_s
        async with self._slots:
            async with asyncio.timeout(timeout_s):
                response = await self._opened().get(url, headers=self._headers(None), allow_redirects=False)
            async with response:
                if response.status != 200:
                    content = await _read(response, MOST_BODY_BYTES)
                    verdict = judged(response.status, response.headers, content, time.time(), self.hide)
                    if verdict.kind in ("again", "refused"):
                        raise aiohttp.ClientPayloadError(verdict.reason)
                    raise self.refusal(verdict)
                rest = b""
                while True:
                    async with asyncio.timeout(timeout_s):
                        piece = await response.content.readany()
                    if not piece:
                        break
                    *whole, rest = (rest + piece).split(b"\n")
                    for line in whole:
                        yield line
                if rest:
                    yield rest

    def refusal(self, verdict: Verdict) -> EndpointError:
        hint = ""
        if verdict.hint:
            hint = f" {verdict.hint}"
        elif verdict.kind == "absent":
            hint = " Check base_url: it often ends in /v1."
        elif self.endpoint.api_key_env is not None:
            hint = f" The key is read from the environment variable {self.endpoint.api_key_env}."
        return EndpointError(f"{self.where}: {verdict.reason.rstrip('.')}.{hint}")

    async def _pass_gate(self, tokens: int) -> None:
        """In the order of arrival: the one in front sleeps, the others queue for the lock."""
        now = time.monotonic()
        if not self._at_gate.locked() and not self.gate.wait_s(now, tokens):
            self.gate.take(now, tokens)
            return
        async with self._at_gate:
            while wait_s := self.gate.wait_s(now := time.monotonic(), tokens):
                await asyncio.sleep(min(wait_s, _GATE_LOOK_S))
            self.gate.take(now, tokens)

    async def _attempt(
        self, url: URL, body: Body | None, holds: str, name: str | None, most_bytes: int, timeout_s: float
    ) -> Answer | Verdict:
        try:
            # aiohttp's own limit for all of a request is not used: this one holds for a body that drips, too.
            async with (
                asyncio.timeout(timeout_s),
                self._opened().request(
                    "GET" if body is None else "POST",
                    url,
                    data=body() if callable(body) else body,
                    headers=self._headers(name, json_body=isinstance(body, bytes)),
                    allow_redirects=False,
                ) as response,
            ):
                self.speaks_http = True
                status, headers = response.status, response.headers
                content = await _read(response, most_bytes)
        except (aiohttp.ClientError, TimeoutError, OSError, BodyTooLarge) as error:
            return judged_error(error, timeout_s, self.hide)
        if 200 <= status < 300:
            answer = parsed(content)
            if contains(answer, holds):
                return cast("Answer", answer)
            status = status_inside(answer)
        return judged(status, headers, content, time.time(), self.hide)

    def _overdue(self, reason: str, waited_s: float) -> Verdict:
        return Verdict("refused", f"{reason} (asked again for {waited_s:.0f} s, retry_s is {self.endpoint.retry_s:g})")

    def _refused(self, now: float, sent: float, verdict: Verdict) -> float:
        """Counts the refusal; returns the seconds until the next request may be sent."""
        retry_s = self.endpoint.retry_s
        wait_s = self.gate.refuse(now, sent, verdict.wait_s)
        refused_s = self.gate.refused_for_s(now)
        if (verdict.wait_s or 0.0) > retry_s or refused_s > retry_s:
            pause = f" and asks for a pause of {verdict.wait_s:,.0f} s" if verdict.wait_s else ""
            raise EndpointError(
                f"{self.where}: {verdict.reason}{pause}. The server has answered no request for {refused_s:.0f} s, and "
                f"retry_s is {retry_s:g}. Run the statement again later: finished rows are kept. If this happens "
                "often, lower concurrency or set requests_per_minute in inlay.toml."
            )
        return wait_s

    def _give_up_if_hopeless(self, verdict: Verdict) -> None:
        if verdict.kind == "endpoint" or (verdict.kind == "absent" and not self.has_answered):
            raise self.refusal(verdict)
        if verdict.kind == "again" and self.budget.failed():
            raise EndpointError(
                f"{self.where}: {verdict.reason}. The last {self.budget.give_up_after} requests failed, so inlay sends "
                "no more. Check that the server is running, and run the statement again: finished rows are kept."
            )

    async def _give_up_if_dead(self, verdict: Verdict) -> None:
        """No row is at fault where there is no server. One that hangs, or closes every connection, may do so for these
        rows alone, so it is asked for something else."""
        found = "Nothing answers there. Start the server, or correct base_url"
        if verdict.unanswered:
            await self._attempt(self.url("models"), None, "data", None, MOST_BODY_BYTES, CONNECT_S)
            if self.speaks_http:
                return
            found = "It has answered nothing that was sent, so it may hang, or be no HTTP server"
            if urlsplit(self.endpoint.base_url).scheme == "http":
                found += ", or one with TLS: try https:// in base_url"
            found += ". Correct base_url"
        raise EndpointError(
            f"{self.where}: {verdict.reason}. {found}, and run the statement again: finished rows are kept."
        )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self.endpoint.concurrency,
                    keepalive_timeout=_KEEP_ALIVE_S,
                    resolver=None if self.endpoint.link_local else NoLinkLocal(self.where),
                ),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "inlay", "Accept": "application/json"},
                trust_env=False,
            )
            at_close(self._session.close)
        return self._session

    def _headers(self, name: str | None, *, json_body: bool = False) -> dict[str, str]:
        headers = dict(self.endpoint.headers)
        if json_body:
            headers["Content-Type"] = "application/json"
        key, key_header = self.key(), self.endpoint.api_key_header
        if key is not None and key_header is not None:
            headers[key_header] = key
        elif key is not None:
            headers["Authorization"] = f"Bearer {key}"
        if name is not None:
            headers["Idempotency-Key"] = name
        return headers

    def hide(self, text: str) -> str:
        """Without the key, which some servers repeat in what they say."""
        return masked(text, self.key())


class PaidWork(Protocol):
    """Requests for the rows of one call. unaffordable: what spend() raised; after it no request is begun."""

    unaffordable: Exception | None

    async def all(self) -> None: ...


def run_paid(server: Server, work: PaidWork, stopped: Callable[[], bool]) -> None:
    """Runs the work until its end or until stopped() returns True. Raises EndpointError, and what spend() raised."""
    server.key()
    if run(work.all(), stopped) and work.unaffordable is not None:
        raise work.unaffordable


_servers: dict[tuple[int, Endpoint], Server] = {}
_lock = new_lock()


def server_for(endpoint: Endpoint) -> Server:
    """The one of this process. Raises ConfigError where the address cannot be one."""
    parts = urlsplit(endpoint.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"model {endpoint.model!r}: base_url is {endpoint.base_url!r}, not an http address. Write it "
            "like 'http://localhost:8000/v1'."
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"model {endpoint.model!r}: base_url for {parts.hostname} contains a user name or a password. Put the "
            "key into an environment variable and set api_key_env to its name."
        )
    known_by = os.getpid(), endpoint  # a forked child has neither the parent's loop nor its connections
    with _lock:
        if known_by not in _servers:
            _servers[known_by] = Server(endpoint)
        return _servers[known_by]


def where(endpoint: Endpoint) -> str:
    """How an error names the model and its server: never with a path or a key."""
    return f"model {endpoint.model!r} at {host(endpoint)}"


def host(endpoint: Endpoint) -> str:
    parts = urlsplit(endpoint.base_url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > most_bytes:
            raise BodyTooLarge(f"the answer is larger than {most_bytes:,} bytes and was not read")
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def usage_of(answer: Answer) -> tuple[int | None, int | None]:
    """Tokens read and written, as far as the server says: some write 0 where they do not count."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None, None
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    # Where a gateway counts what it has read before by itself, as Anthropic does.
    counts[0] = _sum(counts[0], *(usage.get(f"cache_{each}_input_tokens") for each in ("read", "creation")))
    read, written = (count if isinstance(count, int) and 0 < count < _NO_COUNT else None for count in counts)
    return read, written


def _sum(count: Any, *more: Any) -> Any:
    return count + sum(each for each in more if isinstance(each, int)) if isinstance(count, int) else count


def _used(answer: Answer, expected: int) -> int:
    read, written = usage_of(answer)
    return expected if read is None else read + (written or 0)
