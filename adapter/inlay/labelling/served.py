"""The page of a desk, served to this machine alone, and what a notebook shows of it.

Whoever opens the page must know its address, which holds a random token, and say for which host and from which page a
request is: a page of another site that a browser has open can do neither. It loads nothing from elsewhere.
"""

from __future__ import annotations

import hmac
import html
import json
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb

from inlay.errors import InlayError
from inlay.labelling.desk import Desk

_HOST = "127.0.0.1"
_MOST_BYTES = 1_000_000  # of a request
_PAGE = Path(__file__).with_name("page.html")
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "base-uri 'none'; form-action 'none'"
    ),
}


class LabelPage:
    """Rows that are being labelled in a browser. address: of the page. rows(): what is labelled by now. In a notebook
    it shows the page; a saved notebook keeps one line about it."""

    def __init__(self, desk: Desk, port: int, rows: Callable[[], Any]) -> None:
        """Raises InlayError for a port that is taken."""
        self.desk, self._rows = desk, rows
        token = secrets.token_urlsafe(24)
        try:
            self._server = _Server(desk, token, port)
        except (OSError, OverflowError) as error:
            raise InlayError(f"port {port} cannot be used: {error}. Leave --port out for one that is free.") from error
        self.address = f"http://{_HOST}:{self._server.server_port}/{token}/"
        threading.Thread(target=self._server.serve_forever, name="inlay-label", daemon=True).start()

    def rows(self) -> Any:
        return self._rows()

    def close(self) -> None:
        """Ends the page; what was labelled is kept."""
        self._server.shutdown()
        self._server.server_close()
        self.desk.kept.close()

    def __repr__(self) -> str:
        return f"{self.desk.summary}. {self.address}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._html()}

    def _html(self) -> str:
        """The frame has no height until the page in it has said that it is there, so nothing is left of it in a
        notebook that was saved."""
        origin, name = self.address.rsplit("/", 2)[0], f"inlay-{secrets.token_hex(4)}"
        return (
            f"<p>{html.escape(self.desk.summary)}. The page runs as long as this kernel, on its machine: "
            f'<a href="{self.address}" target="_blank">open it in a tab</a>.</p>'
            f'<iframe id="{name}" src="{self.address}" title="inlay: label" '
            'style="width:100%;height:0;border:0"></iframe>'
            f'<script>window.addEventListener("message",e=>{{if(e.origin==="{origin}"&&e.data==="inlay-label")'
            f'document.getElementById("{name}").style.height="34rem"}})</script>'
        )


class _Server(ThreadingHTTPServer):
    def __init__(self, desk: Desk, token: str, port: int) -> None:
        super().__init__((_HOST, port), _Handler)
        self.desk, self.token = desk, token


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30  # seconds that a request may take to arrive

    def do_GET(self) -> None:
        if (path := self._path()) == "":
            self._send(HTTPStatus.OK, "text/html; charset=utf-8", _PAGE.read_bytes())
        elif path == "state":
            self._json(HTTPStatus.OK, self.server.desk.state())
        elif path is not None:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        path = self._path()
        if path is None:
            return
        asked = self._body()
        if path not in ("answer", "undo") or asked is None:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        desk, place = self.server.desk, asked["place"]
        try:
            done = desk.undo(place) if path == "undo" else desk.answer(place, asked.get("label"))
        except (InlayError, duckdb.Error, OSError) as error:  # nothing was kept: the row is asked about again
            self._json(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": str(error)})
            return
        self._json(HTTPStatus.OK, done)

    def _path(self) -> str | None:
        """Behind the token; None where the request is refused."""
        hosts = [f"{name}:{self.server.server_port}" for name in (_HOST, "localhost")]
        origin = self.headers.get("Origin")
        given, _, path = self.path.removeprefix("/").partition("/")
        if self.headers.get("Host") not in hosts or origin not in (None, *(f"http://{host}" for host in hosts)):
            self._refuse(HTTPStatus.FORBIDDEN)
        elif not hmac.compare_digest(given.encode(), self.server.token.encode()):
            self._refuse(HTTPStatus.NOT_FOUND)
        else:
            return path
        return None

    def _body(self) -> dict[str, Any] | None:
        """None for what no page of ours sends."""
        length = self.headers.get("Content-Length", "")
        is_json = self.headers.get("Content-Type", "").partition(";")[0] == "application/json"
        if not is_json or not length.isdecimal() or int(length) > _MOST_BYTES:
            return None
        try:
            asked = json.loads(self.rfile.read(int(length)))
        except ValueError:
            return None
        is_asked = isinstance(asked, dict) and isinstance(asked.get("place"), int)
        return asked if is_asked and isinstance(asked.get("label"), str | None) else None

    def _json(self, status: HTTPStatus, value: Any) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _refuse(self, status: HTTPStatus) -> None:
        self._send(status, "text/plain; charset=utf-8", status.phrase.encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **_HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: standard error is for what people should read."""
