"""What a failed attempt at a request means: a pure function of status, headers and body, or of the exception.

    row        this request is wrong: 400, 413, 422 and other 4xx. Not sent again.
    again      the next attempt may succeed: 408, 409, 425, 5xx, no answer in time, a broken connection, HTML with 200
    refused    too many requests: 429, and 503 with Retry-After. All requests pause, then continue.
    absent     nothing answers at this address: 404, 405. The address is wrong, unless this server has answered before.
    endpoint   the server refuses every request of ours: 401, 403, 402, no quota, an unknown model, a redirect; or we
               refuse the server: its certificate is not accepted, or it has no TLS

Redirects are never followed: the key goes to the host that the settings name and to no other.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp

from inlay.backends.http.body import parsed
from inlay.backends.http.tls import PLAIN_HTTP, of_tls_error

Kind = Literal["row", "again", "refused", "absent", "endpoint"]
Hide = Callable[[str], str]

# How much of a server's error is shown.
_SHOWN = 300

_NO_MODEL = {
    "model_not_found", "model_not_available", "invalid_model", "unknown_model", "deploymentnotfound",
    "endpoint_not_found", "resource_does_not_exist",
}  # fmt: skip
_NO_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "access_terminated"}
_NAMES_NO_MODEL = re.compile(
    r"\bmodel\b.{0,120}\b(not found|does not exist)|\b(unknown|invalid|no such) model\b|\bserver is pinned to\b"
)


class BodyTooLarge(Exception):
    """The body of an answer is larger than `most_bytes`."""


@dataclass(frozen=True)
class Verdict:
    """reason: one line for the user. wait_s: the pause that the server asks for. complaint: the server's objection to
    the request, in lower case, the parameter's name first. unreachable: whether there was no connection at all.
    unanswered: whether it may have ended before the first byte of an answer. hint: what to type, where the address is
    wrong."""

    kind: Kind
    reason: str
    wait_s: float | None = None
    complaint: str = ""
    unreachable: bool = False
    unanswered: bool = False
    hint: str = ""


def judged(status: int, headers: Mapping[str, str], body: bytes, now: float, hide: Hide = str) -> Verdict:
    """now: seconds since 1970, against which an HTTP date counts. hide: removes the key from the server's text."""
    message, code, parameter = error_fields(body)
    shown = shortened(hide(message))
    reason = f"the server answers {status}: {shown}" if shown else f"the server answers {status}"
    wait_s = retry_after_s(headers, now)
    complaint = hide(f"{parameter}: {message}").lower()
    if 300 <= status < 400:
        target = urlsplit(headers.get("Location", ""))
        to = hide(f"{target.scheme}://{target.netloc.rpartition('@')[2]}") if target.hostname else "another address"
        return Verdict(
            "endpoint",
            f"the server answers {status} and redirects to {to}. inlay follows no redirects: the key is sent to the "
            "configured host alone",
        )
    if 200 <= status < 300:
        return Verdict("again", f"the server answers {status} with a body that is not an answer: {shown!r}")
    if status in (401, 402, 403, 407) or code in _NO_MODEL or code in _NO_QUOTA:
        return Verdict("endpoint", reason)
    if status == 429 or (status == 503 and wait_s is not None):
        return Verdict("refused", reason, wait_s)
    if PLAIN_HTTP.search(complaint):
        return Verdict("absent", reason, hint="Write https:// in base_url: this port speaks TLS.")
    if status in (404, 405, 410, 501) or (status == 400 and _NAMES_NO_MODEL.search(complaint)):
        return Verdict("absent", reason)
    if status >= 500 or status in (408, 409, 425):
        return Verdict("again", reason, wait_s, complaint)
    return Verdict("row", reason, complaint=complaint)


def judged_error(error: Exception, timeout_s: float, hide: Hide = str) -> Verdict:
    """For what aiohttp and asyncio raise. timeout_s: of the attempt."""
    if isinstance(error, BodyTooLarge):
        return Verdict("row", str(error))
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Verdict("again", "no connection in time", unreachable=True)
    if isinstance(error, asyncio.TimeoutError):
        return Verdict("again", f"no complete answer within {timeout_s:g} s (timeout_s)", unanswered=True)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        reason, hint = of_tls_error(error)
        reason = f"no secure connection (TLS): {shortened(hide(reason))}"
        return Verdict("endpoint" if hint else "again", reason, unreachable=not hint, hint=hint)
    if isinstance(error, aiohttp.ClientConnectorError):
        return Verdict("again", f"no connection: {shortened(hide(_said(error.os_error)))}", unreachable=True)
    unanswered = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | ConnectionError)
    reason = f"the connection was closed: {shortened(hide(_said(error)))}"
    return Verdict("again", reason, unanswered=unanswered)


def error_fields(body: bytes) -> tuple[str, str, str]:
    """(message, code, name of the parameter) of an error in any of the formats in use; '' for what is missing. A body
    in no known format is its own message. What a server repeats of the request in a field of its own is left out."""
    as_text = body.decode("utf-8", "replace")
    error: Any = parsed(body)
    if error is None:
        return as_text, "", ""
    if isinstance(error, list) and error and isinstance(error[0], dict) and "error" in error[0]:
        error = error[0]  # Gemini's
    choices = error.get("choices") if isinstance(error, dict) else None
    if isinstance(choices, list) and choices and isinstance(choices[0], dict) and "error" in choices[0]:
        error = choices[0]
    if isinstance(error, dict) and isinstance(error.get("error"), dict | str):
        error = error["error"]
    if isinstance(error, dict) and "detail" in error:
        error = error["detail"]
    if isinstance(error, list) and error and isinstance(error[0], dict):
        error = error[0]
    if isinstance(error, str):
        return error, "", ""
    if not isinstance(error, dict):
        return as_text, "", ""
    where = error.get("loc")
    parameter = where[-1] if isinstance(where, list) and where else error.get("param")
    code = next((error[name] for name in ("code", "error_code", "type") if isinstance(error.get(name), str)), "")
    message = next((error[name] for name in ("message", "msg", "error") if isinstance(error.get(name), str)), as_text)
    return message, code.lower(), parameter if isinstance(parameter, str) else ""


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that the server asks us to wait; None where it does not say, or not so that it can be read."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    given = headers.get("Retry-After", "").strip()
    if not given:
        return None
    seconds = _number(given)
    if seconds is not None:
        return seconds
    try:
        date = parsedate_to_datetime(given)
    except ValueError:
        return None
    return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - now)


def shortened(text: str) -> str:
    """One line, cut where it is long.

    >>> shortened("<html>\\n  <body>down</body>")
    '<html> <body>down</body>'
    """
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
