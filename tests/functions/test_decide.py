"""ai_decide: several questions about a text, one reading; ai_score with levels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inlay
from inlay.client.connection import Connection
from inlay.functions.classify import COSINE_SHARPNESS, EMBED_TEMPLATES
from support.fake_vectors import fake_vectors, unit

TEXTS = [f"text number {i}" for i in range(30)]
TEAM = "'team': {'choice': ['billing', 'delivery', 'other']}"
URGENCY = "'urgency': {'levels': ['low', 'mid', 'high']}"
REFUND = "'refund': 'asks for money back'"
ALL = f"{{{TEAM}, {URGENCY}, {REFUND}}}"
BY_COSINE = f"{{{TEAM}, {URGENCY}, 'refund': {{'statement': 'asks for money back', 'threshold': 0.1}}}}"
MODELS = {"fake": BY_COSINE, "fake-nli": ALL, "fake-generate": ALL}


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Connection]:
    heads = str(tmp_path / "heads")
    with inlay.connect(model="fake", language_model="fake-generate", heads=heads) as connection:
        connection.execute("create table t as select unnest($1) as body", [TEXTS])
        yield connection


def values(con: Any, call: str) -> list[Any]:
    return [row[0] for row in con.execute(f"select {call} from t order by body").fetchall()]


def shares_of(scores: Any) -> Any:
    e = np.exp(COSINE_SHARPNESS * scores)
    return e / e.sum(axis=1, keepdims=True)


def test_its_type_is_that_of_its_questions(con: Connection) -> None:
    described = con.execute(f"describe select ai_decide(body, {BY_COSINE}) as d from t").fetchall()
    field = 'STRUCT("value" {}, probability DOUBLE, distribution MAP(VARCHAR, DOUBLE))'
    kinds = {"team": "VARCHAR", "urgency": "VARCHAR", "refund": "BOOLEAN"}
    assert (
        described[0][1] == "STRUCT(" + ", ".join(f"{name} {field.format(kind)}" for name, kind in kinds.items()) + ")"
    )
    assert con.execute(f"select ai_decide(NULL, {BY_COSINE}), ai_decide(' ', {BY_COSINE})").fetchall() == [(None, None)]


@pytest.mark.parametrize("model", MODELS)
def test_values_are_the_likeliest_and_shares_sum_to_one(con: Connection, model: str) -> None:
    for row in values(con, f"ai_decide(body, {MODELS[model]}, model := '{model}')"):
        for name, asked in row.items():
            shares = asked["distribution"]
            assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
            assert asked["probability"] == pytest.approx(shares[str(asked["value"]).lower()])
            if name != "urgency":
                assert asked["probability"] == max(shares.values())
        below = list(row["urgency"]["distribution"]).index(row["urgency"]["value"])
        shares = list(row["urgency"]["distribution"].values())
        assert sum(shares[:below]) <= 0.5 <= sum(shares[: below + 1]) + 1e-6


def test_an_embedding_model_is_asked_for_each_vector_once(con: Connection, calls: dict[str, int]) -> None:
    found = values(con, f"ai_decide(body, {BY_COSINE})")
    own = 3 * len(EMBED_TEMPLATES) + 3 + 1  # of the labels, the levels and the statement
    assert calls["rows"] == len(TEXTS) + own
    rows = fake_vectors(sorted(TEXTS))
    names = ["billing", "delivery", "other"]
    anchors = unit(sum(fake_vectors([each.replace("{label}", name) for name in names]) for each in EMBED_TEMPLATES))
    expected = shares_of(rows @ anchors.T)
    assert [[row["team"]["distribution"][name] for name in names] for row in found] == pytest.approx(expected, abs=1e-4)
    levels = shares_of(rows @ fake_vectors([f"urgency: {name}" for name in ("low", "mid", "high")]).T)
    assert [list(row["urgency"]["distribution"].values()) for row in found] == pytest.approx(levels, abs=1e-4)
    held = rows @ fake_vectors(["asks for money back"])[0] >= 0.1
    assert [row["refund"]["value"] for row in found] == held.tolist()
    classified = values(con, f"ai_classify(body, {names})")
    assert [row["team"]["value"] for row in found] == classified


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_labels_decides_nothing(con: Connection, model: str) -> None:
    asked = MODELS[model]
    turned = asked.replace("['billing', 'delivery', 'other']", "['other', 'delivery', 'billing']")
    assert turned != asked
    one, other = (values(con, f"ai_decide(body, {each}, model := '{model}')") for each in (asked, turned))
    assert one == other


def test_a_language_model_reads_all_questions_in_one_question(con: Connection, calls: dict[str, int]) -> None:
    values(con, f"ai_decide(body, {ALL}, model := 'fake-generate')")
    neutral = 2 * 3  # each question about two texts that say nothing
    assert calls["rows"] == 3 * len(TEXTS) + neutral


def test_an_nli_model_reads_a_pair_for_each_answer_and_explain_says_so(con: Connection, calls: dict[str, int]) -> None:
    plan = con.explain(f"select ai_decide(body, {ALL}, model := 'fake-nli') from t")
    assert f"fake-nli: {7 * len(TEXTS)} inputs" in str(plan)
    values(con, f"ai_decide(body, {ALL}, model := 'fake-nli')")
    assert calls["rows"] == 7 * len(TEXTS)


def test_a_head_answers_from_the_same_vector_and_in_its_own_type(con: Connection, calls: dict[str, int]) -> None:
    rows = "select 'word ' || i as body, i % 2 = 0 as even, ['a', 'b'][:1 + i % 2] as tags from range(40) as r(i)"
    for name, label in (("evens", "even"), ("tagged", "tags")):
        method = "centroid" if name == "evens" else "knn"
        inlay.train_head(con, name, rows, text="body", label=label, method=method)
    asked = f"{{{TEAM}, 'even': {{'head': 'evens'}}, 'tags': {{'head': 'head:tagged'}}}}"
    plain = values(con, "{'e': ai_predict(body, 'evens'), 't': ai_predict(body, 'tagged')}")
    before = calls["rows"]
    found = values(con, f"ai_decide(body, {asked})")
    assert calls["rows"] == before + 3 * len(EMBED_TEMPLATES)
    assert [{"e": row["even"]["value"], "t": row["tags"]["value"]} for row in found] == plain
    assert set(found[0]["even"]["distribution"]) == {"false", "true"}
    inlay.train_head(con, "evens", rows.replace("= 0", "= 1"), text="body", label="even", method="centroid")
    assert [row["even"]["value"] for row in values(con, f"ai_decide(body, {asked})")] == values(
        con, "ai_predict(body, 'evens')"
    )
    with pytest.raises(Exception, match="takes an embedding model, whose vectors it reads"):
        values(con, f"ai_decide(body, {asked}, model := 'fake-nli')")


def test_try_gives_json_and_the_least_sure_probability(con: Connection) -> None:
    for row in values(con, f"try_ai_decide(body, {ALL}, model := 'fake-nli')"):
        asked = json.loads(row["value"])
        assert row["confidence"] == pytest.approx(min(each["probability"] for each in asked.values()), abs=1e-5)
    con.execute("insert into t values ('<<fail>>')")
    failed = values(con, f"try_ai_decide(body, {ALL}, model := 'fake-nli')")[0]
    assert failed["value"] is None
    assert "asked to fail" in failed["error"]


def test_json_and_a_plain_connection_answer_the_same(con: Connection) -> None:
    import duckdb

    planned = values(con, f"ai_decide(body, {BY_COSINE})")
    asked = json.dumps(con.execute(f"select {BY_COSINE}").fetchall()[0][0], default=float).replace("'", "''")
    assert values(con, f"ai_decide(body, '{asked}')") == planned
    with duckdb.connect() as plain:
        inlay.attach(plain, model="fake")
        plain.execute("create table t as select unnest($1) as body", [TEXTS])
        assert values(plain, f"ai_decide(body, {BY_COSINE})") == planned


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ("{'a': 3}", "question 'a' is 3; it must be a statement, or a struct with choice"),
        ("{'a': {'choice': ['x']}}", "question 'a': choice has 1 label"),
        ("{'a': {'choice': ['x', 'x']}}", "question 'a': labels holds 'x' twice"),
        ("{'a': {'choice': ['x', 'y'], 'levels': ['x', 'y']}}", "question 'a' is"),
        ("{'a': 'it holds'}", "is an embedding model, which needs a threshold"),
        ("{'a': {'statement': 'it', 'threshold': 2}}", "threshold is 2; it must be a number from -1 to 1"),
        ("{'a': {'head': 'nobody'}}", "nobody"),
        ("'no json'", "questions is no JSON"),
    ],
)
def test_what_is_no_question_is_refused(con: Connection, questions: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        values(con, f"ai_decide(body, {questions})")


def test_levels_of_ai_score_give_the_expected_one(con: Connection) -> None:
    levels = ["low", "mid", "high"]
    shares = shares_of(fake_vectors(sorted(TEXTS)) @ fake_vectors([f"how urgent: {name}" for name in levels]).T)
    found = values(con, f"ai_score(body, 'how urgent', levels := {levels})")
    assert found == pytest.approx(shares @ [0, 0.5, 1], abs=1e-4)
    both = "case when body > 'text number 2' then 'how urgent' else 'how late' end"
    mixed = values(con, f"ai_score(body, {both}, levels := {levels})")
    assert [x for x, text in zip(mixed, sorted(TEXTS), strict=True) if text > "text number 2"] == pytest.approx(
        [x for x, text in zip(found, sorted(TEXTS), strict=True) if text > "text number 2"], abs=1e-6
    )
    for model in ("fake-nli", "fake-generate"):
        assert all(0 <= x <= 1 for x in values(con, f"ai_score(body, 'late', levels := {levels}, model := '{model}')"))
    with pytest.raises(Exception, match="levels has 1 label; it takes two"):
        values(con, "ai_score(body, 'late', levels := ['low'])")
