"""ai_sentiment by an embedding model: prototypes of one length, neutral where a text states facts, levels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import inlay
from inlay.client.connection import Connection
from inlay.errors import ConfigError
from inlay.functions.feelings import LEADS, SENTENCES

TEXTS = ("the lamp broke", "thank you, it is lovely", "where is my parcel", "two chairs")


@pytest.fixture
def con() -> Iterator[Connection]:
    with inlay.connect(model="fake", language_model="fake-generate") as connection:
        connection.execute("create table t as select unnest($1) as body", [list(TEXTS)])
        yield connection


def values(con: Any, call: str) -> list[Any]:
    return [row[0] for row in con.execute(f"select {call} from t").fetchall()]


def unit_vectors(con: Any, texts: tuple[str, ...]) -> np.ndarray:
    rows = con.execute("select ai_embed(x) from (select unnest($1) as x)", [list(texts)]).fetchall()
    return np.array([row[0] for row in rows], dtype=np.float64)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("levels", [3, 4])
def test_scores_are_cosines_to_prototypes_of_length_one_less_a_lead(con: Connection, levels: int) -> None:
    names = ("positive", "negative", "neutral", "mixed")[:levels]
    prototypes = {name: unit(unit_vectors(con, SENTENCES[name]).mean(axis=0)) for name in names}
    sides = (prototypes["positive"] + prototypes["negative"]) / 2
    bodies = unit_vectors(con, TEXTS)
    details = values(con, f"try_ai_sentiment(body, levels := {levels})")
    for vector, detail in zip(bodies, details, strict=True):
        expected = {
            name: vector @ prototypes[name] - LEADS.get(name, 0.0) * (1 - prototypes[name] @ sides) for name in names
        }
        assert detail["scores"] == pytest.approx(expected, abs=1e-5)
        assert detail["value"] == max(expected, key=lambda name: expected[name])


def test_a_positive_sentence_has_a_negative_one_opposite() -> None:
    assert len(SENTENCES["positive"]) == len(SENTENCES["negative"])
    every = [sentence for name in SENTENCES for sentence in SENTENCES[name]]
    assert len(every) == len(set(every))


def test_three_levels_unless_a_call_says_four(con: Connection) -> None:
    assert values(con, "ai_sentiment(body)") == values(con, "ai_sentiment(body, levels := 3)")
    assert set(values(con, "try_ai_sentiment(body)")[0]["scores"]) == {"positive", "negative", "neutral"}
    assert "mixed" in values(con, "try_ai_sentiment(body, levels := 4)")[0]["scores"]


@pytest.mark.parametrize(("model", "by_default"), [("fake-generate", 3), ("fake-nli", 4)])
def test_other_models_have_levels_of_their_own_unless_a_call_says_three(
    con: Connection, model: str, by_default: int
) -> None:
    assert len(values(con, f"try_ai_sentiment(body, model := '{model}')")[0]["scores"]) == by_default
    assert "mixed" in values(con, f"try_ai_sentiment(body, levels := 4, model := '{model}')")[0]["scores"]
    three = values(con, f"try_ai_sentiment(body, levels := 3, model := '{model}')")[0]["scores"]
    assert set(three) == {"positive", "negative", "neutral"}
    assert sum(three.values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("levels", ["2", "5", "3.5", "'many'"])
def test_other_levels_are_refused(con: Connection, levels: str) -> None:
    with pytest.raises(ConfigError, match="levels is .*; it must be 3 "):
        values(con, f"ai_sentiment(body, levels := {levels})")


@pytest.mark.weights
def test_facts_are_neutral_and_feelings_are_not() -> None:
    with inlay.connect(progress="off") as con:
        expected = {
            "order 4711 shipped": "neutral",
            "Your invoice is attached.": "neutral",
            "I adore this kettle, best purchase of the year!": "positive",
            "The waiter was rude and the soup was cold.": "negative",
        }
        con.execute("create table t as select unnest($1) as body", [list(expected)])
        assert values(con, "ai_sentiment(body)") == list(expected.values())
