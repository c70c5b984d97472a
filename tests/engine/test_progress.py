"""What a person sees while work goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import inlay
from inlay.backends.fake import SLOW
from inlay.client.connection import Connection
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


def test_lines_tell_rows_speed_share_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    clock = iter(range(0, 10_000, 3))
    monkeypatch.setattr("inlay.execution.progress.time.monotonic", lambda: float(next(clock)))
    progress = Progress("lines", lines.append)
    progress.expect(300)
    for _ in range(2):
        with progress.working("ai_embed fake", 100) as told:
            told(0.5, 500)
            told(0.5, 500)
    # The clock moves 3 s at each look; what is asserted is the arithmetic between the figures of one line.
    assert lines
    assert all(line.startswith("inlay: ai_embed fake: ") and " of 300 rows (" in line for line in lines)
    rows, share, speed = lines[-1].split(": ")[2].split(" of ")[0], lines[-1], lines[-1]
    assert f"({int(rows) * 100 // 300} %)" in share
    assert "rows/s" in speed
    assert "tokens/s" in speed
    assert "s left" in speed


def test_without_a_total_it_only_counts() -> None:
    progress = Progress("lines", lambda line: None)
    assert progress._line(progress._began + 2.0) == "inlay: : 0 rows, 0 rows/s, 0 tokens/s"


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
