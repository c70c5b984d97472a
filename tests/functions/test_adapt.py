"""ai_classify(…, adapt := true): labels move once towards the texts of a planned statement, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inlay
from inlay.client.connection import Connection
from inlay.functions.adapted import digest, moved
from inlay.functions.classify import EMBED_TEMPLATES

TEXTS = [f"text number {i}" for i in range(120)]
LABELS = ("bug", "praise", "question")
CALL = "ai_classify(body, ['bug', 'praise', 'question'], adapt := true)"


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Connection]:
    with inlay.connect(model="fake", language_model="fake-generate", store=str(tmp_path / "store")) as connection:
        connection.execute("create table t as select unnest($1) as body", [TEXTS])
        yield connection


def vectors(con: Any, texts: list[str]) -> np.ndarray:
    rows = con.execute("select ai_embed(x) from (select unnest($1) as x)", [texts]).fetchall()
    return np.array([row[0] for row in rows], dtype=np.float32)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def labels_alone(con: Any) -> np.ndarray:
    return unit(sum(vectors(con, [each.replace("{label}", label) for label in LABELS]) for each in EMBED_TEMPLATES))


def test_each_label_moves_towards_the_texts_nearest_to_it() -> None:
    rng = np.random.default_rng(3)
    labels, texts = unit(rng.normal(size=(4, 8)).astype(np.float32)), unit(rng.normal(size=(90, 8)).astype(np.float32))
    nearest = (texts @ labels.T).argmax(axis=1)
    expected = labels.copy()
    for place in range(4):
        near = texts[nearest == place]
        share = len(near) / (len(near) + 20)
        expected[place] = (1 - share) * labels[place] + share * unit(near.mean(axis=0))
    assert moved(labels, texts) == pytest.approx(unit(expected), abs=2e-3)


def test_without_texts_near_it_a_label_stays() -> None:
    labels = np.eye(3, dtype=np.float32)
    assert moved(labels, np.zeros((0, 3), dtype=np.float32)) == pytest.approx(labels)
    assert moved(labels, np.array([[1, 0, 0]] * 5, dtype=np.float32)) == pytest.approx(labels)


def test_answers_are_the_nearest_of_the_moved_labels(con: Connection) -> None:
    rows, labels = vectors(con, TEXTS), labels_alone(con)
    after = moved(labels, rows)
    expected = [LABELS[place] for place in (rows @ after.T).argmax(axis=1)]
    assert expected != [LABELS[place] for place in (rows @ labels.T).argmax(axis=1)]
    assert [row[0] for row in con.execute(f"select {CALL} from t").fetchall()] == expected


def test_the_rows_that_reach_the_call_decide_and_copies_do_not(con: Connection) -> None:
    once = dict(con.execute(f"select body, {CALL} from t").fetchall())
    twice = dict(con.execute(f"select body, {CALL} from (from t union all from t)").fetchall())
    assert twice == once
    few = con.execute(f"select body, try_{CALL} from t where body < 'text number 2'").fetchall()
    rows, labels = vectors(con, [body for body, _ in few]), labels_alone(con)
    scores = rows @ moved(labels, rows).T
    for (_, detail), expected in zip(few, scores, strict=True):
        assert [detail["scores"][label] for label in LABELS] == pytest.approx(expected.tolist(), abs=1e-5)


def test_the_same_rows_find_their_stored_answers(con: Connection) -> None:
    con.execute(f"select {CALL} from t").fetchall()
    details = con.execute(f"select try_{CALL} from t").fetchall()
    assert all(detail["cached"] for (detail,) in details)
    assert digest(np.eye(2, dtype=np.float32)) != digest(np.eye(2, dtype=np.float32)[::-1])


def test_it_is_refused_where_texts_come_in_parts(con: Connection) -> None:
    with pytest.raises(Exception, match="ai_classify: adapt needs all texts of the statement at once"):
        con.duckdb.execute(f"select {CALL} from t").fetchall()
    half = "select body, {} from t where body {} 'text number 5'"
    with pytest.raises(Exception, match="in one place"):
        con.execute(f"{half.format(CALL, '<')} union all {half.format(CALL, '>')}").fetchall()


@pytest.mark.parametrize("model", ["fake-generate", "fake-nli"])
def test_it_is_refused_for_other_models(con: Connection, model: str) -> None:
    with pytest.raises(Exception, match=f"adapt is for embedding models; '{model}' is none"):
        con.execute(f"select ai_classify(body, ['a', 'b'], adapt := true, model := '{model}') from t").fetchall()


def test_false_is_as_nothing(con: Connection) -> None:
    plain = "select ai_classify(body, ['bug', 'praise'] {}) from t"
    assert con.execute(plain.format(", adapt := false")).fetchall() == con.execute(plain.format("")).fetchall()
    with pytest.raises(Exception, match="adapt is 'yes'; it must be true or false"):
        con.execute(plain.format(", adapt := 'yes'")).fetchall()


def test_an_explanation_asks_no_model(con: Connection, calls: dict[str, int]) -> None:
    con.explain(f"select {CALL} from t")
    assert calls["rows"] == 0
