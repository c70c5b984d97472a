"""Pace, pauses, repeats and verdicts of requests, on a clock and dice of the test's own."""

from __future__ import annotations

import random
import ssl
from collections import deque
from datetime import UTC, datetime
from email.utils import format_datetime

import aiohttp
import pytest

from inlay.backends.http.gate import FIRST_PAUSE_S, LONGEST_PAUSE_S, Bucket, Gate
from inlay.backends.http.retry import RetryBudget, wait_before_s
from inlay.backends.http.verdict import BodyTooLarge, judged, judged_error, retry_after_s


def drive(gate: Gate, tokens: int, until: float, used: int | None = None, latency_s: float = 0.0) -> list[float]:
    """When requests go through the gate, if each is sent as soon as it may be and takes latency_s to be answered."""
    now, sent = 0.0, []
    under_way: list[float] = []
    while True:
        for began in [began for began in under_way if began + latency_s <= now]:
            under_way.remove(began)
            gate.settle(tokens, tokens if used is None else used)
        wait = gate.wait_s(now, tokens)
        if wait:
            now = min([now + wait, *(began + latency_s for began in under_way)])
            if now >= until:
                return sent
            continue
        gate.take(now, tokens)
        sent.append(now)
        under_way.append(now)


def refusals(gate: Gate, server: Bucket, n_requests: int, most_at_once: int, latency_s: float) -> int:
    """How many of the requests a server of this pace refuses until all are answered, on a clock without delays."""
    now, refused = 0.0, 0
    waiting, under_way = n_requests, deque[tuple[float, float]]()  # when it is answered, when it was sent
    while waiting or under_way:
        opens = now + gate.wait_s(now, 1) if waiting and len(under_way) < most_at_once else float("inf")
        if under_way and under_way[0][0] <= opens:
            now, sent = under_way.popleft()
            missing_s = server.wait_s(now, 1)
            if missing_s:
                refused, waiting = refused + 1, waiting + 1
                gate.refuse(now, sent, missing_s)
            else:
                server.take(1)
                gate.answered()
            continue
        now = opens
        if not gate.wait_s(now, 1):
            gate.take(now, 1)
            waiting -= 1
            under_way.append((now + latency_s, now))
    return refused


def test_a_pace_just_under_the_servers_saves_the_refusals() -> None:
    without, with_pace = (
        refusals(Gate(pace, None, 0.0, draw=lambda: 0.5), Bucket(60 * 150, 0.1, 0.0), 400, 24, latency_s=0.01)
        for pace in (None, 0.9 * 60 * 150)
    )
    assert 5 < without < 200  # it was 2,360 when all went whenever a pause ended
    assert with_pace <= 0.2 * without


def test_requests_keep_to_their_pace_from_the_first_second() -> None:
    sent = drive(Gate(600, None, 0.0), 1, until=60.0)
    assert 599 <= len(sent) <= 601
    assert all(sum(second <= at < second + 1 for at in sent) <= 11 for second in range(60))


def test_slow_paces_send_one_by_one() -> None:
    assert drive(Gate(6, None, 0.0), 1, until=41.0) == pytest.approx([0.0, 10.0, 20.0, 30.0, 40.0])


def test_tokens_that_were_not_used_are_given_back() -> None:
    # 60,000 a minute are 1,000 a second. Each request sets 560 aside and uses 50.
    all_used = drive(Gate(None, 60_000, 0.0), 560, until=60.0)
    given_back = drive(Gate(None, 60_000, 0.0), 560, until=60.0, used=50, latency_s=0.5)
    assert 60_000 <= 560 * len(all_used) <= 71_000
    assert len(given_back) > 8 * len(all_used)
    assert 50 * len(given_back) <= 71_000


def test_a_request_larger_than_the_bucket_goes_when_it_is_full() -> None:
    # 10 a second, the bucket holds 100. Each takes 500: the first at once, the next ones when the debt is paid.
    assert drive(Gate(None, 600, 0.0), 500, until=101.0) == pytest.approx([0.0, 50.0, 100.0])


def test_a_pause_holds_everyone_and_only_the_first_refusal_lengthens_it() -> None:
    gate = Gate(None, None, 0.0, draw=lambda: 1.0)
    assert gate.refuse(10.0, sent=9.9, asked_s=None) == FIRST_PAUSE_S
    half = FIRST_PAUSE_S / 2
    for _ in range(30):  # those that were under way meanwhile
        assert gate.refuse(10.0 + half, sent=9.95, asked_s=None) == half
    assert gate.wait_s(10.0 + half, 1) == half
    now = 10.0 + FIRST_PAUSE_S
    assert gate.wait_s(now, 1) == 0
    waits = []
    for _ in range(11):
        waits.append(gate.refuse(now, sent=now, asked_s=None))
        now += waits[-1]
    assert waits == pytest.approx([min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**n) for n in range(1, 12)])
    assert waits[-1] == pytest.approx(LONGEST_PAUSE_S)
    assert gate.refused_for_s(now) == pytest.approx(now - 10.0)
    gate.begin()
    assert gate.refused_for_s(now) == 0
    gate.refuse(now, sent=now, asked_s=None)
    gate.answered()
    assert gate.refused_for_s(now) == 0
    assert gate.refuse(now, sent=now, asked_s=None) == pytest.approx(FIRST_PAUSE_S)


def test_the_servers_own_pause_counts_whoever_is_told() -> None:
    gate = Gate(None, None, 0.0, draw=lambda: 0.0)
    assert gate.refuse(10.0, sent=9.0, asked_s=2.0) == pytest.approx(2.0)
    assert gate.refuse(10.5, sent=9.0, asked_s=5.0) == pytest.approx(5.0)
    assert gate.refuse(10.6, sent=9.0, asked_s=1.0) == pytest.approx(4.9)
    assert gate.refuse(20.0, sent=19.0, asked_s=0.0) == 0  # as good as unsaid; the dice say 0


@pytest.mark.parametrize("asks_for_pauses", [True, False])
def test_the_pace_of_a_server_that_does_not_say_it_is_found(asks_for_pauses: bool) -> None:
    # A server of 100 requests a second and 10 at once; 24 callers, each of whom asks again when it has its answer.
    dice = random.Random(4)
    gate = Gate(None, None, 0.0, draw=dice.random)
    held, filled, now = 10.0, 0.0, 0.0
    answered = refused = 0
    under_way: list[tuple[float, float]] = []
    while now < 60.0:
        if len(under_way) < 24 and not gate.wait_s(now, 1):
            gate.take(now, 1)
            under_way.append((now + 0.02, now))
            continue
        soon = min([ends for ends, _ in under_way], default=now + 1.0)
        now = soon if len(under_way) == 24 else min(soon, now + max(gate.wait_s(now, 1), 1e-6))
        for ends, sent in [each for each in under_way if each[0] <= now]:
            under_way.remove((ends, sent))
            held, filled = min(10.0, held + (now - filled) * 100), now
            if held < 1:
                refused += 1
                gate.refuse(now, sent, (1 - held) / 100 if asks_for_pauses else None)
            else:
                held -= 1
                answered += 1
                gate.answered()
    assert answered > 0.8 * 6_000
    assert refused < 0.05 * answered


def test_repeats_are_a_fifth_of_requests_and_a_floor() -> None:
    budget = RetryBudget(concurrency=8)
    assert sum(budget.take() for _ in range(100)) == 20
    repeats = 0
    for _ in range(1_000):
        budget.requested()
        repeats += budget.take()
    assert 199 <= repeats <= 200


def test_an_endpoint_is_given_up_after_failures_without_an_answer() -> None:
    budget = RetryBudget(concurrency=32)
    assert [budget.failed() for _ in range(127)] == [False] * 127
    budget.answered()
    assert [budget.failed() for _ in range(128)] == [False] * 127 + [True]
    budget.begin()
    assert not budget.failed()
    assert budget.take()


def test_waits_double_and_are_drawn_from_zero() -> None:
    assert [wait_before_s(attempt, lambda: 1.0) for attempt in (2, 3, 4)] == [1.0, 2.0, 4.0]
    assert wait_before_s(4, lambda: 0.0) == 0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "2"}, 2.0),
        ({"Retry-After": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"Retry-After": format_datetime(datetime.fromtimestamp(1_030, UTC), usegmt=True)}, 30.0),
        ({"Retry-After": format_datetime(datetime.fromtimestamp(900, UTC), usegmt=True)}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
    ],
)
def test_how_long_a_server_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, now=1_000.0) == seconds


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "says"),
    [
        (400, {}, b'{"error": {"message": "too long", "code": "context_length_exceeded"}}', "row", "400: too long"),
        (413, {}, b'{"detail": [{"loc": ["body", "input"], "msg": "too many", "input": "secret"}]}', "row", "too many"),
        (422, {}, b'{"object": "error", "message": "no", "code": 422}', "row", "422: no"),
        (418, {}, b"", "row", "the server answers 418"),
        (401, {}, b'{"error": "bad key"}', "endpoint", "bad key"),
        (403, {}, b"", "endpoint", "403"),
        (402, {}, b"", "endpoint", "402"),
        (404, {}, b'{"error": {"message": "x", "code": "model_not_found"}}', "endpoint", "x"),
        (400, {}, b'{"error": {"message": "x", "code": "model_not_found"}}', "endpoint", "x"),
        (404, {}, b'{"detail": "Not Found"}', "absent", "Not Found"),
        (404, {}, b'{"error": "model \\"x\\" not found, try pulling it first"}', "absent", "try pulling"),
        (400, {}, b"{\"detail\": \"Server is pinned to 'a'; requested 'b'.\"}", "absent", "pinned"),
        (429, {}, b"", "refused", "429"),
        (429, {}, b'{"error": {"message": "pay", "code": "insufficient_quota"}}', "endpoint", "pay"),
        (503, {}, b"", "again", "503"),
        (503, {"Retry-After": "1"}, b"", "refused", "503"),
        (500, {}, b"<html>\n  oops </html>", "again", "500: <html> oops </html>"),
        (529, {}, b"", "again", "529"),
        (408, {}, b"", "again", "408"),
        (409, {}, b"", "again", "409"),
        (200, {}, b"<html>sign in</html>", "again", "<html>sign in</html>"),
        (200, {}, b'{"choices": [{"me', "again", "choices"),
        (302, {"Location": "https://u:p@other.example/x?key=1"}, b"", "endpoint", "https://other.example."),
        (308, {}, b"", "endpoint", "another address"),
    ],
)
def test_what_an_answer_means(status: int, headers: dict[str, str], body: bytes, kind: str, says: str) -> None:
    verdict = judged(status, headers, body, now=0.0)
    assert verdict.kind == kind
    assert says in verdict.reason
    assert "secret" not in verdict.reason + verdict.complaint


def test_what_a_server_repeats_is_hidden_before_it_is_cut() -> None:
    key = "sk-" + "k" * 40
    for start in range(250, 310):
        body = f'{{"error": {{"message": "{"x" * start}{key}", "param": "{key}"}}}}'.encode()
        verdict = judged(400, {}, body, 0.0, lambda text: text.replace(key, "***"))
        assert "kk" not in verdict.reason + verdict.complaint + repr(verdict)


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (TimeoutError(), "again", "no complete answer within 60 s"),
        (aiohttp.ConnectionTimeoutError(), "again", "no connection in time"),
        (aiohttp.ServerDisconnectedError(), "again", "Server disconnected"),
        (aiohttp.ClientPayloadError("half a body"), "again", "half a body"),
        (ConnectionResetError(104, "reset by peer"), "again", "reset by peer"),
        (BodyTooLarge("more than 10 bytes"), "row", "more than 10 bytes"),
    ],
)
def test_what_an_exception_means(error: Exception, kind: str, says: str) -> None:
    verdict = judged_error(error, timeout_s=60.0)
    assert verdict.kind == kind
    assert says in verdict.reason


@pytest.mark.parametrize(
    ("number", "said", "hint"),
    [
        (18, "self-signed certificate", "export SSL_CERT_FILE="),
        (20, "unable to get local issuer certificate", "export SSL_CERT_FILE="),
        (10, "certificate has expired", "correct this machine's clock"),
        (62, "Hostname mismatch, certificate is not valid for 'localhost'.", "the name into base_url"),
    ],
)
def test_a_certificate_that_is_not_accepted_says_why_and_what_to_type(number: int, said: str, hint: str) -> None:
    cause = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
    cause.verify_code, cause.verify_message = number, said
    verdict = judged_error(aiohttp.ClientConnectorCertificateError(None, cause), timeout_s=60.0)  # type: ignore[arg-type]
    assert verdict.kind == "endpoint"
    assert verdict.reason.endswith(f"the server's certificate is not accepted ({said.rstrip('.')})")
    assert hint in verdict.hint


def test_a_handshake_that_breaks_off_is_tried_again_as_no_server() -> None:
    cause = ssl.SSLEOFError(8, "EOF occurred in violation of protocol")
    verdict = judged_error(aiohttp.ClientConnectorSSLError(None, cause), timeout_s=60.0)  # type: ignore[arg-type]
    assert (verdict.kind, verdict.unreachable) == ("again", True)
    assert "EOF occurred in violation of protocol" in verdict.reason


@pytest.mark.parametrize(
    "body",
    [
        b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
        b"Client sent an HTTP request to an HTTPS server.\n",
    ],
)
def test_a_port_with_tls_that_was_asked_without_is_no_fault_of_the_row(body: bytes) -> None:
    verdict = judged(400, {}, body, now=0.0)
    assert verdict.kind == "absent" and "https://" in verdict.hint
