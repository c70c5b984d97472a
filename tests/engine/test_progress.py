"""What a person sees while work goes on."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

import inlay
from inlay.backends import fake
from inlay.backends.fake import SLOW
from inlay.client.connection import Connection
from inlay.engine import cancel
from inlay.engine.executors.local import TOKENIZE_ROWS
from inlay.execution.progress import Progress
from inlay.explanation.cardinality import expected_rows

FUNCTIONS = ("ai_embed", "ai_filter")


@pytest.fixture
def shop() -> Iterator[Connection]:
    with inlay.connect(model="fake") as con:
        con.execute("create table t as select i, 'text ' || i as s from range(5000) r(i)")
        yield con


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("create table u as select ai_embed(s) e from t", 5000),
        ("select ai_embed(s) from t order by i limit 10", 5000),
        ("select count(*) from t where ai_filter(s, 'x', threshold := 0.1)", 5000),
        ("select ai_embed(s), ai_embed(s || 'y') from t", 10000),
        ("select count(*) from t", None),
        ("select ai_embed(s) from nowhere", None),
        ("select ai_embed(?)", None),
    ],
)
def test_the_rows_to_come_are_read_from_the_plan_and_no_model_is_called(
    shop: Connection, calls: dict[str, int], statement: str, rows: int | None
) -> None:
    assert expected_rows(shop.duckdb, statement, FUNCTIONS) == rows
    assert calls["rows"] == 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that progress sees: its one element."""
    now = [0.0]
    monkeypatch.setattr("inlay.execution.progress.time.monotonic", lambda: now[0])
    return now


def test_lines_tell_rows_speed_share_and_time_left(clock: list[float]) -> None:
    lines: list[str] = []
    progress = Progress("lines", lines.append)
    progress.expect(300)
    for _ in range(2):
        with progress.working("ai_embed fake", 100) as told:
            for _ in range(2):
                clock[0] += 5.0
                told(0.5, 500)
    assert lines == [
        "inlay: ai_embed fake: 50 of 300 rows (17 %), 10 rows/s, 100 tokens/s, 25 s left",
        "inlay: ai_embed fake: 100 of 300 rows (33 %), 10 rows/s, 100 tokens/s, 20 s left",
        "inlay: ai_embed fake: 150 of 300 rows (50 %), 10 rows/s, 100 tokens/s, 15 s left",
        "inlay: ai_embed fake: 200 of 300 rows (67 %), 10 rows/s, 100 tokens/s, 10 s left",
    ]


def test_known_rows_are_done_at_once_and_do_not_shorten_the_time_left(clock: list[float]) -> None:
    lines: list[str] = []
    progress = Progress("lines", lines.append)
    progress.expect(1_000)
    with progress.working("ai_embed fake", 1_000) as told:
        told(0.9, 0)
        clock[0] += 5.0
        told(0.05, 500)
    assert lines == ["inlay: ai_embed fake: 950 of 1,000 rows (95 %), 10 rows/s, 100 tokens/s, 5 s left"]


def test_calls_that_are_answered_side_by_side_count_together(clock: list[float]) -> None:
    lines: list[str] = []
    progress = Progress("lines", lines.append)
    for _ in range(3):
        for what in ("ai_embed fake", "ai_filter fake"):
            clock[0] += 0.3
            with progress.working(what, 10):
                clock[0] += 1.0
    assert lines == ["inlay: ai_embed fake, ai_filter fake: 50 rows, 0 rows/s, 0 tokens/s"]


def test_what_comes_after_a_pause_is_other_work(clock: list[float]) -> None:
    lines: list[str] = []
    progress = Progress("lines", lines.append)
    for _ in range(2):
        with progress.working("ai_embed fake", 10) as told:
            clock[0] += 6.0
            told(1.0, 60)
        clock[0] += 1.0
    assert lines == ["inlay: ai_embed fake: 10 rows, 2 rows/s, 10 tokens/s"] * 2


@pytest.mark.parametrize(
    "sql",
    [
        "select ai_embed(s) from u",
        "select ai_classify(s, ['a', 'b']) from u where i < 4000",
        "select ai_embed(s), ai_filter(s, 'x', threshold := 0.1) from u order by i limit 700",
        "create table v as select ai_score(s, 'x') from u",
        "select count(*) from u a join u b on ai_similarity(a.s, b.s) > 0.9 where a.i < 50 and b.i < 50",
        "select ai_similarity(s, 'text ' || i) from u",
    ],
)
def test_a_planned_statement_is_at_its_end_when_all_rows_are_done(
    shop: Connection, monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    monkeypatch.setattr("inlay.execution.progress.QUIET_S", 0.0)
    monkeypatch.setattr("inlay.execution.progress.LINE_EVERY_S", 0.0)
    lines: list[str] = []
    progress = shop._session.context.progress
    progress.mode, progress._write = "lines", lines.append
    shop.execute("create table u as select i, 'text ' || i % 500 as s from t; insert into u values (7, null)")
    shop.execute(sql).fetchall()
    shares = [(line.split(": ")[1], int(share[1])) for line in lines if (share := re.search(r"\((\d+) %\)", line))]
    for what in {what for what, _ in shares}:
        told = [share for each, share in shares if each == what]
        assert told == sorted(told) and told[-1] == 100
    assert len(shares) == len(lines) > 0  # each line knew how much there is


@pytest.mark.parametrize("sql", ["select ai_embed(s) from u", "select ai_classify(s, ['a', 'b']) from u"])
def test_an_interrupted_statement_says_what_is_done_and_it_is_kept(
    shop: Connection, calls: dict[str, int], monkeypatch: pytest.MonkeyPatch, sql: str
) -> None:
    shop.execute("create table u as select 'text ' || i || repeat('.', 900) as s from t")
    shop.execute(sql.replace("(s", "('it loads the model'").replace("from u", "")).fetchall()
    calls.clear()
    ran = fake.FakeBackend.run

    def run(self: Any, tokens: Any) -> Any:
        rows = ran(self, tokens)
        if calls["rows"] > 1_000:
            cancel.interrupt()
        return rows

    monkeypatch.setattr(fake.FakeBackend, "run", run)
    with pytest.raises(
        KeyboardInterrupt, match="interrupted: .* rows of ai_.* fake were answered, and are kept"
    ) as stop:
        shop.execute(sql).fetchall()
    done = int(re.findall(r"([\d,]+) rows", str(stop.value))[0].replace(",", ""))
    assert 900 < done <= calls["rows"]
    calls.clear()
    monkeypatch.setattr(fake.FakeBackend, "run", ran)
    shop.execute(sql).fetchall()
    assert calls["rows"] <= 5_000 - done


def test_what_was_answered_while_the_rest_is_tokenised_is_kept(
    shop: Connection, calls: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.execute("create table u as select 'text ' || i as s from t")
    shop.execute("select ai_embed('it loads the model')").fetchall()
    calls.clear()
    tokenized = fake.FakeBackend.tokenize
    n_slices = itertools.count()

    def tokenize(self: Any, *args: Any) -> Any:
        if next(n_slices) == 1:
            until = time.monotonic() + 60
            while calls["rows"] < TOKENIZE_ROWS and time.monotonic() < until:
                time.sleep(0.001)
            cancel.interrupt()
        return tokenized(self, *args)

    monkeypatch.setattr(fake.FakeBackend, "tokenize", tokenize)
    with pytest.raises(KeyboardInterrupt):
        shop.execute("select ai_embed(s) from u").fetchall()
    calls.clear()
    shop.execute("select ai_embed(s) from u").fetchall()
    assert calls["rows"] <= 5_000 - TOKENIZE_ROWS


def test_off_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with inlay.connect(model="fake", progress="off") as con:
        con.sql(f"select ai_embed('{SLOW}' || i) from range(8) r(i)").fetchall()
    assert capsys.readouterr().err == ""


def test_a_bar_appears_for_long_work_and_goes_when_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with inlay.connect(model="fake", progress="bar") as con:
        con.execute(f"create table t as select '{SLOW}' || i as s from range(10) r(i)")
        con.sql("select ai_embed(s) from t").fetchall()
        con.sql("select ai_embed(s || '!') from t").fetchall()
        con.execute("select 1").fetchall()
    shown = capsys.readouterr().err
    assert "ai_embed fake" in shown
    assert "tokens/s" in shown
