"""inlay_mislabelled: labelled rows whose label is probably wrong, by a head that has not seen them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inlay
from inlay.client.connection import Connection
from inlay.errors import ConfigError
from inlay.training.suspects import suspects

pytest.importorskip("sklearn")

CALL = "call inlay_mislabelled('labelled', text := 'body', label := 'kind')"


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Connection]:
    """Labels by the sign of a number of the vector; of every twentieth row the other one."""
    with inlay.connect(model="fake", store=str(tmp_path / "store"), heads=str(tmp_path / "heads")) as connection:
        connection.execute(
            "create table labelled as select i, body, abs(e) as far, i % 20 = 0 as is_wrong, "
            "case when (e > 0) != (i % 20 = 0) then 'high' else 'low' end as kind "
            "from (select i, body, ai_embed(body)[1] as e from (select i, 'text ' || i as body from range(600) r(i)))"
        )
        yield connection


def test_wrong_labels_are_found_and_right_ones_are_left_alone(con: Connection) -> None:
    wrong = dict(con.execute("select body, is_wrong from labelled where far > 0.15").fetchall())
    found = con.execute(CALL).fetchall()
    listed = {row[0] for row in found}
    clear = {text for text, is_wrong in wrong.items() if is_wrong}
    assert len(clear) > 10 and len(clear & listed) >= 0.9 * len(clear)
    assert sum(not wrong[text] for text in listed if text in wrong) <= 0.02 * len(wrong)
    labels = dict(con.execute("select body, kind from labelled").fetchall())
    for text, label, likely, confidence, label_confidence in found:
        assert labels[text] == label != likely and confidence > label_confidence >= 0
    leads = [row[3] - row[4] for row in found]
    assert leads == sorted(leads, reverse=True)


def test_in_python_and_of_any_relation(con: Connection, tmp_path: Path) -> None:
    expected = con.execute(CALL).fetchall()
    relation = inlay.mislabelled(con, "from labelled order by hash(i)", text="body", label="kind")
    assert relation.columns == ["input", "label", "likely", "confidence", "label_confidence"]
    assert relation.fetchall() == expected
    assert con.sql(CALL).filter("label = 'high'").fetchall() == [row for row in expected if row[1] == "high"]
    assert con.execute("from inlay_heads()").fetchall() == []  # none is kept
    frame: Any = con.sql("from labelled").to_arrow_table()
    assert inlay.mislabelled(con, frame, text="body", label="kind").fetchall() == expected
    with pytest.raises(Exception, match="inlay.mislabelled\\(con, 'labelled_rows'"):
        con.duckdb.execute(CALL).fetchall()


def test_rows_of_several_columns_are_json(con: Connection) -> None:
    call = CALL.replace("'body'", "['body']").replace("'kind')", "'kind', \"numeric\" := 'far')")
    rows = con.execute(call).fetchall()
    assert rows and set(json.loads(rows[0][0])) == {"body", "far"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("text := 'body'", "inlay_mislabelled: label is missing"),
        ("text := 'body', label := 'far'", "inlay_mislabelled: the labels are of kind 'regression'"),
        ("text := 'body', label := 'kind', method := 'ridge'", "inlay_mislabelled: method 'ridge' is not for"),
        ("text := 'body', label := 'i'", "inlay_mislabelled: a class needs 5 labelled rows"),
        ("text := 'body', label := 'kind', levels := ['low']", "no argument named 'levels'"),
    ],
)
def test_wrong_arguments(con: Connection, options: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        con.execute(f"call inlay_mislabelled('labelled', {options})")


def test_a_class_is_suspected_by_how_sure_it_usually_is() -> None:
    """Computed by hand: class 0 is usually 0.8, class 1 usually 0.6."""
    shares = np.array([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.3, 0.7], [0.75, 0.25], [0.85, 0.15], [0.35, 0.65]])
    given = np.array([0, 0, 1, 1, 1, 1, 0])
    usual = [shares[given == k, k].mean() for k in (0, 1)]
    assert usual == pytest.approx([0.65, 0.425])
    found = suspects(given, shares.astype(np.float32))
    assert found.tolist() == [5, 4, 6]
