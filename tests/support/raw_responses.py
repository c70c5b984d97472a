"""Responses as bytes on a connection that is then closed: what no library for servers would send.

Each is given the body of the right answer. WHOLE are those that a client can read, BROKEN those that it cannot, with the
reason that is listed.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

Raw = Callable[[bytes], bytes]

_JSON = "Content-Type: application/json"


def response(body: bytes, *headers: str, version: str = "1.1", status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/{version} {status}", *headers, "", ""]).encode() + body


def of_length(body: bytes, *headers: str, more: int = 0) -> bytes:
    return response(body, f"Content-Length: {len(body) + more}", *headers)


def chunks(body: bytes, *, end: bool) -> bytes:
    half = len(body) // 2
    pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:half], body[half:] if end else b"")]
    return response(
        b"".join(pieces[: 2 if end else 1]) + (b"0\r\n\r\n" if end else b""), "Transfer-Encoding: chunked", _JSON
    )


WHOLE: dict[str, Raw] = {
    "HTTP 1.0 without a length": lambda body: response(body, _JSON, version="1.0"),
    "chunks": lambda body: chunks(body, end=True),
    "gzip": lambda body: of_length(gzip.compress(body), "Content-Encoding: gzip", _JSON),
    "deflate": lambda body: of_length(zlib.compress(body), "Content-Encoding: deflate", _JSON),
    "JSON that calls itself HTML": lambda body: of_length(body, "Content-Type: text/html"),
    "a mark of UTF-8 before it": lambda body: of_length(b"\xef\xbb\xbf" + body, _JSON),
    "UTF-16": lambda body: of_length(body.decode().encode("utf-16"), "Content-Type: application/json; charset=utf-16"),
    "another status that means well": lambda body: response(
        body, _JSON, f"Content-Length: {len(body)}", status="201 Created"
    ),
}

NO_CONNECTION = "the connection was closed"
# A connection that is closed so early may be noticed before the answer is.
NO_ANSWER = f"not an answer|{NO_CONNECTION}"
BROKEN: dict[str, tuple[Raw, str]] = {
    "gzip that is cut": (
        lambda body: response(gzip.compress(body)[:-12], "Content-Encoding: gzip", "Connection: close", _JSON),
        NO_ANSWER,
    ),
    "gzip that is none": (lambda body: of_length(body, "Content-Encoding: gzip", _JSON), NO_CONNECTION),
    "chunks that are cut": (lambda body: chunks(body, end=False), NO_CONNECTION),
    "a chunk without its length": (
        lambda body: response(b"zz\r\n" + body, "Transfer-Encoding: chunked", _JSON), NO_CONNECTION,
    ),
    "shorter than it says": (lambda body: of_length(body[:-5], _JSON, more=5), NO_CONNECTION),
    "longer than it says": (lambda body: response(body, f"Content-Length: {len(body) // 2}", _JSON), NO_ANSWER),
    "headers and no more": (lambda body: response(b"", f"Content-Length: {len(body)}", _JSON), NO_CONNECTION),
    "no headers": (lambda body: b"HTTP/1.1 200 OK\r\n", NO_CONNECTION),
    "a header without an end": (lambda body: response(body, "X: " + "x" * 100_000), NO_CONNECTION),
    "no HTTP": (lambda body: b"SSH-2.0-OpenSSH_9.2\r\n", NO_CONNECTION),
    "nothing at all": (lambda body: b"", NO_CONNECTION),
    "no content": (lambda body: response(b"", "Content-Length: 0", status="204 No Content"), NO_ANSWER),
    "JSON nested without end": (lambda body: of_length(b'{"a":' * 100_000, _JSON), NO_ANSWER),
    "a number of thousands of digits": (lambda body: of_length(b'{"choices": %b}' % (b"1" * 5_000), _JSON), NO_ANSWER),
}  # fmt: skip
