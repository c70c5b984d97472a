"""What got no answer, best to look at first, in this run and others; and how sure heads are, as relation and in a page."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import inlay
from inlay.backends.fake import FAIL
from inlay.cli.main import main
from inlay.client.connection import Connection
from inlay.execution.review import to_review
from inlay.functions.risk import risks
from inlay.store.account import read_unsure
from inlay.store.folder import open_folder

CALL = "ai_classify(body, ['bug', 'praise'])"
SURE = f"{CALL[:-1]}, accuracy := 0.9)"


def row(answer: str | None, confidence: float | None, text: str, error: str | None = None) -> dict[str, object]:
    about = {"function": "f", "model": "m", "call": "c", "node": "", "inputs": [text]}
    return {**about, "answer": answer, "confidence": confidence, "error": error}


def test_the_surest_of_each_kind_come_first_and_failures_last() -> None:
    unsure = [row("a", 0.7, "1"), row("a", 0.6, "2"), row("a", 0.5, "3"), row("b", 0.4, "4"), row("b", 0.3, "5")]
    failures = [row(None, None, "6", "too long"), row(None, None, "7", "too long")]
    assert [each["input"] for each in to_review(unsure, failures)] == ["1", "4", "2", "5", "3", "6", "7"]
    again = to_review([*unsure, row("b", 0.9, "1")], failures)
    assert [each["input"] for each in again] == ["1", "2", "3", "4", "5", "6", "7"]
    assert again[0]["answer"] == "b"  # what it was the last time


@pytest.fixture
def con(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    monkeypatch.chdir(tmp_path)
    Path("inlay.toml").write_text('model = "fake"\nstore = "kept"\nprogress = "off"\n')
    with inlay.connect() as connection:
        connection.execute("create table texts as select i, 'text ' || i as body from range(500) r(i)")
        connection.execute(
            "create table labelled as select body, case when a.confidence > 0.98 or hash(body) % 2 = 0 then a.value "
            f"when a.value = 'bug' then 'praise' else 'bug' end as kind from (select body, try_{CALL} as a from texts)"
        )
        inlay.calibrate(connection, "kinds", "labelled", call=CALL, label="kind")
        yield connection


def test_every_run_is_listed_and_each_input_once(con: Connection) -> None:
    expected = con.execute(f"select body from texts where {SURE} is null").fetchall()
    con.duckdb.execute(f"select {SURE} from texts").fetchall()
    con.execute(f"select ai_classify(body || '{FAIL}', ['bug', 'praise']) from texts where i < 2").fetchall()
    query = "select input, answer, confidence, error from inlay_review()"
    here = con.execute(query).fetchall()
    assert len(expected) > 10 and {text for text, *_ in here if text[:4] == "text" and FAIL not in text} == {
        text for (text,) in expected
    }
    assert (
        len(here) == len(expected) + 2 and [error is None for *_, error in here] == [True] * len(expected) + [False] * 2
    )
    with inlay.connect() as later:
        assert later.execute(query).fetchall() == here
        assert later.execute("from inlay_unsure()").fetchall() == []  # which is of this session alone
        run = later.execute("select count(distinct run) from inlay_review()").fetchall()
        assert run == [(1,)]


def test_without_a_store_it_is_of_the_session(con: Connection) -> None:
    with inlay.connect(store="") as other:
        other.execute("create table texts as select 'text ' || i as body from range(500) r(i)")
        other.execute(f"select {SURE} from texts").fetchall()
        rows = other.execute("select input, run from inlay_review()").fetchall()
        assert len(rows) > 10 and {run for _, run in rows} == {None}


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_what_was_left_is_for_its_owner_alone(con: Connection, tmp_path: Path) -> None:
    con.execute(f"select {SURE} from texts").fetchall()
    files = list((tmp_path / "kept" / "unsure").glob("*.parquet"))
    assert files and {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert read_unsure(open_folder("kept"))["answer"].null_count == 0


def test_risk_is_counted_from_the_surest_down(con: Connection, tmp_path: Path) -> None:
    (risk,) = risks(tmp_path / "heads")
    right = risk.held_out[:, 1]
    rows = con.execute("select answered, coverage, accuracy, confidence from inlay_risk() order by answered").fetchall()
    assert [row[0] for row in rows] == [5 * k for k in range(1, 101)]
    for answered, coverage, accuracy, confidence in rows:
        assert coverage == answered / 500 and accuracy == pytest.approx(right[:answered].mean())
        assert confidence == pytest.approx(risk.held_out[answered - 1, 0])
    answered = con.execute(f"select avg(({SURE} is not null)::int) from texts").fetchall()[0][0]
    assert risk.promised(0.9) == pytest.approx(answered, abs=0.1) and risk.promised(0.9999) == 0


def test_the_page_has_curves_and_what_was_left(con: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    con.execute(f"select {SURE} from texts").fetchall()
    n, text = con.execute("select count(*), first(input) from inlay_review()").fetchall()[0]
    con.close()
    assert main(["report"]) == 0
    page = Path("inlay_report.html").read_text("utf-8")
    assert f"<p>{n:,} inputs got no answer" in page and f">{text}</td>" in page
    assert "<h2>How sure heads and calibrations are</h2>" in page and "kinds of ai_classify" in page
    points = re.search(r'<polyline class="line" points="([^"]*)"', page)
    assert points is not None
    x, y = np.array([each.split(",") for each in points[1].split()], dtype=float).T
    assert len(x) == 100 and (np.diff(x) > 0).all() and y.min() >= 28 and y.max() <= 162
    assert main(["report", "--no-inputs"]) == 0
    without = Path("inlay_report.html").read_text("utf-8")
    assert f"<p>{n:,} inputs got no answer" in without and f">{text}</td>" not in without
    capsys.readouterr()
