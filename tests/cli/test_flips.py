"""`inlay flips`: one query by two models."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pytest

from inlay.cli.main import main

# The classifier's labels are not the fake embedding model's.
QUERY = """
    select i as id, case when i <> 3 then 'text ' || i end as body, i / 2 as half,
        ai_classify(case when i <> 3 then 'text ' || i end, ['a', 'b'], model := 'fake') as fixed,
        ai_classify(case when i <> 3 then 'text ' || i end) as topic
    from range(9) numbers(i)
"""


def flips(*arguments: str) -> int:
    return main(["flips", *arguments])


def test_one_model_twice_flips_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as con:
        con.execute("create table t as select i as id, 'text ' || i as body from range(9) numbers(i)")
    query = tmp_path / "q.sql"
    query.write_text(
        "select id, body, ai_classify(body, ['good', 'bad']) as topic, ai_embed(body) as v, ai_score(body, 'x') as s from t;"
    )
    arguments = ["-f", str(query), "-d", str(tmp_path / "shop.duckdb"), "--key", "id"]
    assert flips(*arguments, "--before", "fake", "--after", "fake", "-o", str(tmp_path / "none.csv")) == 0
    same = capsys.readouterr()
    assert "topic      9     0  0.0 %" in same.out
    assert "not compared, because numbers differ between any two models: v, s" in same.err
    assert (tmp_path / "none.csv").read_text() == "column_name,key,before,after\n"


def test_calls_that_name_their_model_keep_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = flips(
        QUERY, "--key", "id", "--before", "fake-classify", "--after", "fake-nli", "-o", str(tmp_path / "x.csv")
    )
    assert code == 1  # an NLI model has no labels of its own
    assert "labels" in capsys.readouterr().err
    with_labels = QUERY.replace("end) as topic", "end, ['a', 'b']) as topic")
    assert (
        flips(with_labels, "--key", "id", "--before", "fake", "--after", "fake-nli", "-o", str(tmp_path / "x.csv")) == 0
    )
    out = capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "x.csv").read_text().splitlines()))
    assert rows
    assert {row["column_name"] for row in rows} == {"topic"}
    assert all(row["before"] != row["after"] for row in rows)
    assert "3" not in {row["key"] for row in rows}  # NULL by both
    flipped = next(line for line in out.splitlines() if line.startswith("topic"))
    assert flipped.split()[1:3] == ["9", str(len(rows))]
    fixed = next(line for line in out.splitlines() if line.startswith("fixed"))
    assert fixed.split()[1:3] == ["9", "0"]


@pytest.mark.parametrize(
    ("query", "key", "message"),
    [
        ("select 1 as id, 'x' as body", "idd", "the query has no column 'idd' for --key. Did you mean 'id'?"),
        ("select 1 as id, 'x' as body from range(3)", "id", "--key id: '1' is in 3 rows."),
        ("select null as id, 'x' as body", "id", "--key id: NULL is in 1 rows."),
        ("select 1 as id, 0.5::double as score", "id", "the query has no column to compare"),
        ("create table t as select 1 as id", "id", "only a query can be answered twice"),
        ("select 1 as id; select 2 as id", "id", "expected one query, got 2"),
        ("", "id", "expected one query, got 0"),
        ("select 1 as id, nosuch", "id", 'column "nosuch"'),
    ],
)
def test_what_cannot_be_compared_is_refused(
    query: str, key: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert flips(query, "--key", key, "--before", "fake", "--after", "fake") == 1
    assert message in capsys.readouterr().err
