"""What stops a statement, and what reaches its caller: interrupts that come early, close(), exceptions of handlers."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

import inlay
from inlay.backends.fake import CALLS
from inlay.client.connection import Connection
from inlay.client.statements import execute as real_execute

STOPS_WITHIN_S = 15.0

SLOW = (
    "CREATE TABLE texts AS SELECT concat('text ', i, if(i % 1000 = 0, ' <<slow>>', '')) AS s FROM range(500_000) r(i)"
)
LONG = "SELECT sum(hash(i)) FROM range(1_000_000_000_000) r(i)"


@pytest.fixture
def slow() -> Iterator[Connection]:
    """A connection with a table whose texts would take the fake model more than a minute."""
    with inlay.connect(model="fake") as con:
        con.execute("SET threads = 4")
        con.execute(SLOW)
        yield con


def stopped(run: Callable[[], Any], stop: Callable[[], Any], when: Callable[[], bool]) -> tuple[object, float]:
    """What became of run() in another thread, and how long after stop()."""
    outcome: list[object] = []

    def running() -> None:
        try:
            outcome.append(run())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=running)
    thread.start()
    while not when():
        time.sleep(0.005)
    pressed = time.monotonic()
    stop()
    thread.join(60)
    assert outcome
    return outcome[0], time.monotonic() - pressed


def another_batch() -> Callable[[], bool]:
    before = CALLS["batches"]
    return lambda: CALLS["batches"] > before


def test_an_interrupt_that_comes_while_a_statement_is_planned_is_not_lost(
    con: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # DuckDB forgets an interrupt that comes before it has begun on a query, and a planned statement is many.
    planning, go_on = threading.Event(), threading.Event()

    def held_up(*args: Any) -> Any:
        planning.set()
        go_on.wait(30)
        return real_execute(*args)

    monkeypatch.setattr("inlay.client.statements.execute", held_up)
    cursor = con.cursor()

    def stop() -> None:
        cursor.interrupt()
        go_on.set()

    asked = f"SELECT ai_embed('x'), ({LONG})"
    error, seconds = stopped(lambda: cursor.execute(asked).fetchall(), stop, planning.is_set)
    assert isinstance(error, duckdb.InterruptException) and seconds < STOPS_WITHIN_S
    monkeypatch.undo()
    assert cursor.execute("SELECT len(ai_embed('x'))").fetchall() == [(8,)]


def test_closing_a_cursor_stops_what_runs_on_it(slow: Connection) -> None:
    cursor = slow.cursor()
    error, seconds = stopped(
        lambda: cursor.execute("SELECT ai_embed(s) FROM texts").fetchall(), cursor.close, another_batch()
    )
    assert isinstance(error, duckdb.Error) and seconds < STOPS_WITHIN_S
    with pytest.raises(duckdb.ConnectionException):
        cursor.execute("SELECT 1")
    assert slow.execute("SELECT len(ai_embed('x'))").fetchall() == [(8,)]


def test_inlay_interrupt_stops_a_plain_connection_and_the_rows_under_way() -> None:
    with duckdb.connect() as con:
        inlay.attach(con, model="fake")
        con.execute("SET threads = 4")
        con.execute(SLOW)
        error, seconds = stopped(
            lambda: con.execute("SELECT ai_embed(s) FROM texts").fetchall(),
            lambda: inlay.interrupt(con),
            another_batch(),
        )
        assert isinstance(error, duckdb.Error | RuntimeError) and seconds < STOPS_WITHIN_S
        assert con.execute("SELECT len(ai_embed('x'))").fetchall() == [(8,)]


@pytest.mark.parametrize(
    "statement", [LONG, "SELECT ai_embed(s) FROM texts", "CREATE TABLE vectors AS SELECT ai_embed(s) FROM texts"]
)
def test_what_the_handler_of_a_signal_raises_reaches_the_caller(slow: Connection, statement: str) -> None:
    class Late(TimeoutError):
        pass

    def handler(*_: object) -> None:
        raise Late("this statement takes too long")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        with pytest.raises(Late):
            slow.execute(statement).fetchall()
        assert signal.getsignal(signal.SIGALRM) is handler
    finally:
        signal.signal(signal.SIGALRM, before)
    assert slow.execute("SELECT len(ai_embed('x'))").fetchall() == [(8,)]


@pytest.mark.parametrize("planned", [True, False], ids=["planned", "plain"])
def test_a_bare_interrupt_of_duckdb_ends_with_the_chunk(slow: Connection, planned: bool) -> None:
    asks = slow if planned else slow.duckdb
    error, _ = stopped(
        lambda: asks.execute("SELECT inlay.ai_embed(s) FROM texts").fetchall(),
        slow.duckdb.interrupt,
        another_batch(),
    )
    assert isinstance(error, duckdb.InterruptException | RuntimeError)
    time.sleep(2)  # chunks that other threads had begun
    before = CALLS["rows"]
    time.sleep(1)
    assert CALLS["rows"] == before
