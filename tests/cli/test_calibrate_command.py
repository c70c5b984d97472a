"""`inlay calibrate`: what it keeps and says."""

from __future__ import annotations

from pathlib import Path

import pytest

import inlay
from inlay.cli.main import main

CALL = "ai_classify(body, ['bug', 'praise'])"


def test_a_file_of_labelled_rows_calibrates_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inlay.toml").write_text('model = "fake"\nprogress = "off"\n')
    with inlay.connect() as con:
        con.sql(f"select 'text ' || i as body, {CALL} as topic from range(80) r(i)").write_csv("rows.csv")
    assert main(["calibrate", "topics", CALL, "--rows", "rows.csv", "--label", "topic"]) == 0
    said = capsys.readouterr().out
    assert "80 labelled rows, 100.0% of the answers right, calibration error" in said and "before)" in said
    assert "accuracy := 0.95 answers 100.0% of such rows." in said
    assert main(["sql", f"select {CALL[:-1]}, accuracy := 0.95) as topic from 'rows.csv'", "--format", "csv"]) == 0
    assert {"bug", "praise"} < set(capsys.readouterr().out.split())
    half = "select body, case when hash(body) % 2 = 0 then topic else 'bug' end as topic from 'rows.csv'"
    assert main(["calibrate", "topics", CALL, "--rows", half, "--label", "topic"]) == 0
    assert "is more than these rows show. How much they do: FROM inlay_risk()" in capsys.readouterr().out
