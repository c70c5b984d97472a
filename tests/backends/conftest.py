"""Endpoints that fail, and clients that do not wait long for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from inlay.backends.http import gate, retry
from support.fault_server import FaultServer


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a second each, where nobody says how long."""
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(gate, "FIRST_PAUSE_S", 0.05)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as server:
        yield server
