"""ai_classify(…, other := …): where no label is near enough; and that the order of labels decides nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inlay
from inlay.client.connection import Connection
from inlay.functions.classify import choose_best, cosines_in_order

TEXTS = [f"text number {i}" for i in range(60)]
LABELS = ["bug", "praise", "question"]


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Connection]:
    folders = {"store": str(tmp_path / "store"), "heads": str(tmp_path / "heads")}
    with inlay.connect(model="fake", language_model="fake-generate", **folders) as connection:
        connection.execute("create table t as select unnest($1) as body", [TEXTS])
        yield connection


def values(con: Any, call: str) -> list[Any]:
    return [row[0] for row in con.execute(f"select {call} from t order by body").fetchall()]


@pytest.mark.parametrize("model", ["fake", "fake-nli", "fake-generate", "fake-classify"])
def test_a_text_whose_best_score_is_below_the_threshold_is_other(con: Connection, model: str) -> None:
    labels = "" if model == "fake-classify" else f"{LABELS}, "
    rows = values(con, f"try_ai_classify(body, {labels}model := '{model}')")
    threshold = float(np.median([max(row["scores"].values()) for row in rows]))
    expected = [
        row["value"] if np.float32(max(row["scores"].values())) >= np.float32(threshold) else "else" for row in rows
    ]
    assert 20 <= expected.count("else") <= 40
    call = f"ai_classify(body, {labels}model := '{model}', other := 'else', threshold := {threshold!r})"
    assert values(con, call) == expected
    assert values(con, call) == expected  # as it is stored


def test_it_goes_with_adapt_and_examples(con: Connection) -> None:
    for more in ("adapt := true", "examples := [{'text': 'text number 3', 'label': 'bug'}]"):
        rows = values(con, f"try_ai_classify(body, {LABELS}, {more})")
        found = values(con, f"ai_classify(body, {LABELS}, {more}, other := 'else', threshold := 0.5)")
        assert found == [row["value"] if max(row["scores"].values()) >= 0.5 else "else" for row in rows]
        assert "else" in found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("other := 'else'", "other is given, but no threshold"),
        ("threshold := 0.5", "threshold says where other begins"),
        ("other := 'bug', threshold := 0.5", "it must be a text that is none of the labels"),
        ("other := ' ', threshold := 0.5", "it must be a text that is none of the labels"),
        ("other := 'else', threshold := 2", "threshold is"),
        ("other := 'else', threshold := 0.5, agreement := 0.9, model := 'fake-nli'", "does not go with agreement"),
    ],
)
def test_what_cannot_be_is_refused(con: Connection, options: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        values(con, f"ai_classify(body, {LABELS}, {options})")


@pytest.mark.parametrize("model", ["fake", "fake-nli"])
def test_the_order_of_labels_decides_nothing(con: Connection, model: str) -> None:
    first, *others = (
        values(con, f"try_ai_classify(body, {list(order)}, model := '{model}')")
        for order in itertools.permutations(LABELS)
    )
    for rows in others:
        assert [row["value"] for row in rows] == [row["value"] for row in first]
        assert [dict(row["scores"]) for row in rows] == [dict(row["scores"]) for row in first]


def test_equal_scores_give_the_first_label_by_its_text() -> None:
    scores, known = np.ones((2, 3), dtype=np.float32), np.ones(2, dtype=np.bool_)
    for names in itertools.permutations(LABELS):
        assert choose_best(names, scores, {}, known, sharpen=True).values == ["bug", "bug"]
    rng = np.random.default_rng(1)
    texts, labels = rng.normal(size=(50, 33)).astype(np.float32), rng.normal(size=(3, 33)).astype(np.float32)
    plain = cosines_in_order(texts, labels, LABELS)
    assert plain == pytest.approx(texts @ labels.T, abs=1e-4)
    turned = cosines_in_order(texts, labels[[2, 0, 1]], [LABELS[2], LABELS[0], LABELS[1]])
    np.testing.assert_array_equal(turned[:, [1, 2, 0]], plain)


def test_risk_is_of_the_surest_labelled_rows_that_a_head_had_not_seen(con: Connection) -> None:
    rows = "select 'word ' || i as body, i % 3 as kind from range(90) as r(i)"
    card = inlay.train_head(con, "kinds", rows, text="body", label="kind", method="centroid")
    con.execute(f"call inlay_labels('topics', 't', text := 'body', labels := {LABELS})")  # which nobody has labelled
    risk = con.execute("select head, answered, coverage, accuracy, confidence from inlay_risk()").fetchall()
    assert {row[0] for row in risk} == {"kinds"}
    answered = [row[1] for row in risk]
    assert answered == sorted(set(answered))
    assert answered[-1] == card.rows == 90
    assert risk[-1][2:4] == (1.0, pytest.approx(card.measures["accuracy"]))
    assert [row[4] for row in risk] == sorted((row[4] for row in risk), reverse=True)
