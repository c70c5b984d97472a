"""examples := …: what they change of each kind of model's answers, and where their rows come from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inlay
from inlay.backends.base import filled, text_tag
from inlay.backends.fake import fake_row
from inlay.client.connection import Connection
from inlay.errors import ConfigError
from inlay.functions.classify import EMBED_TEMPLATES, NLI_TEMPLATE, bind
from inlay.functions.contract import Call
from inlay.functions.example_fit import NEAREST, OWN_WEIGHT, StatementFit, label_offsets, logistic_line
from inlay.functions.examples import Examples, shown
from inlay.functions.prompt_files import prompt_file
from support.fake_vectors import fake_vectors, unit

TEXTS = [f"text number {i}" for i in range(40)]
LABELS = ["bug", "praise", "question"]
SHOWN = [("it broke", "bug"), ("it burns", "bug"), ("lovely", "praise"), ("how so", "question")]
GIVEN = "[" + ", ".join(f"{{'text': '{text}', 'label': '{label}'}}" for text, label in SHOWN) + "]"


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Connection]:
    with inlay.connect(model="fake", language_model="fake-generate", store=str(tmp_path / "store")) as connection:
        connection.execute("create table t as select unnest($1) as body", [TEXTS])
        connection.execute("create table shown(text text, label text)")
        connection.executemany("insert into shown values (?, ?)", SHOWN)
        yield connection


def values(con: Any, call: str) -> list[Any]:
    return [row[0] for row in con.execute(f"select {call} from t order by body").fetchall()]


def test_a_label_is_the_mean_direction_of_itself_and_its_examples(con: Connection) -> None:
    names = unit(sum(fake_vectors([each.replace("{label}", name) for name in LABELS]) for each in EMBED_TEMPLATES))
    moved = OWN_WEIGHT * names
    for text, label in SHOWN:
        moved[LABELS.index(label)] += fake_vectors([text])[0]
    expected = fake_vectors(sorted(TEXTS)) @ unit(moved).T
    found = values(con, f"try_ai_classify(body, {LABELS}, examples := {GIVEN})")
    assert np.array([[row["scores"][name] for name in LABELS] for row in found]) == pytest.approx(expected, abs=1e-5)
    plain = values(con, f"ai_classify(body, {LABELS})")
    assert [row["value"] for row in found] == [LABELS[k] for k in expected.argmax(axis=1)] != plain


def test_of_many_examples_the_nearest_to_each_text_count(con: Connection) -> None:
    con.execute(
        "create table many as select 'seen ' || i as text, ['bug', 'praise', 'question'][i % 3 + 1] as label from range(100) r(i)"
    )
    names = unit(sum(fake_vectors([each.replace("{label}", name) for name in LABELS]) for each in EMBED_TEMPLATES))
    seen, rows = fake_vectors([f"seen {i}" for i in range(100)]), fake_vectors(sorted(TEXTS))
    expected = []
    for row in rows:
        moved = OWN_WEIGHT * names
        for i in np.argsort(-(seen @ row))[:NEAREST]:
            moved[i % 3] += seen[i]
        expected.append(unit(moved) @ row)
    found = values(con, f"try_ai_classify(body, {LABELS}, examples := 'many')")
    assert [[row["scores"][name] for name in LABELS] for row in found] == pytest.approx(np.array(expected), abs=1e-4)
    few = values(con, f"try_ai_classify(body, {LABELS}, examples := 'from many order by text limit {NEAREST}')")
    shown = sorted(f"seen {i}" for i in range(100))[:NEAREST]
    moved = OWN_WEIGHT * names
    for text in shown:
        moved[int(text.split()[1]) % 3] += fake_vectors([text])[0]
    plain = rows @ unit(moved).T
    assert [[row["scores"][name] for name in LABELS] for row in few] == pytest.approx(plain, abs=1e-4)


def test_a_list_a_table_and_a_query_are_the_same_call(con: Connection, calls: dict[str, int]) -> None:
    first = values(con, f"ai_classify(body, {LABELS}, examples := {GIVEN})")
    asked = calls["rows"]
    query = "select text, label from shown order by label desc".replace("'", "''")
    for given in ("'shown'", f"'{query}'", "'(from shown)'"):
        found = values(con, f"try_ai_classify(body, {LABELS}, examples := {given})")
        assert [row["value"] for row in found] == first
        assert all(row["cached"] for row in found)
    assert calls["rows"] == asked
    assert values(con, "ai_classify(body, examples := 'shown')") == first  # the labels are those of the examples


def test_other_rows_of_the_relation_are_other_answers(con: Connection) -> None:
    call = f"try_ai_classify(body, {LABELS}, examples := 'shown')"
    before = values(con, call)
    con.execute("insert into shown values ('text number 7', 'question'), (' ', 'bug'), ('x', NULL)")
    again = values(con, call)
    assert all(one["scores"] != other["scores"] for one, other in zip(before, again, strict=True))
    best = dict(zip(sorted(TEXTS), again, strict=True))["text number 7"]["scores"]
    assert best["question"] == max(best.values())


def test_calls_that_are_made_as_rows_come_read_the_relation_too(con: Connection) -> None:
    whole = values(con, f"ai_classify(body, {LABELS}, examples := 'shown')")
    made = f"list_transform([body], lambda x: ai_classify(x, {LABELS}, examples := 'shown'))[1]"
    assert values(con, made) == whole
    con.execute(f"create view v as select body, ai_classify(body, {LABELS}, examples := 'shown') as kind from t")
    assert [row[0] for row in con.execute("select kind from v order by body").fetchall()] == whole


def test_a_plain_connection_says_what_to_type() -> None:
    import duckdb

    with duckdb.connect() as plain:
        inlay.attach(plain, model="fake")
        plain.execute("create table shown as select 'a' as text, 'bug' as label")
        with pytest.raises(
            Exception, match="examples is the name of a relation, 'shown', which planned statements read"
        ):
            plain.execute("select ai_classify('x', ['bug', 'praise'], examples := 'shown')").fetchall()
        rows = "(select list({'text': text, 'label': label}) from shown)"
        (found,) = plain.execute(f"select ai_classify('x', ['bug', 'praise'], examples := {rows})").fetchall()[0]
        assert found in ("bug", "praise")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("ai_classify(body, ['bug'], examples := [])", "examples is .*; it must be a list that is not empty"),
        ("ai_classify(body, ['bug'], examples := 'nowhere')", "nowhere"),
        ("ai_classify(body, ['bug'], examples := 't')", "must be a relation with the columns text and label"),
        (f"ai_classify(body, ['bug'], examples := {GIVEN})", "an example has the label '.*'; it must be one of bug"),
        ("ai_classify(body, ['bug'], examples := [{'text': ' ', 'label': 'bug'}])", "lacks its text or its label"),
        ("ai_classify(body, ['bug'], examples := [{'body': 'a', 'label': 'bug'}])", "each must be as in"),
        ("ai_classify(body, model := 'fake-classify', examples := 'shown')", "has learned its own. Train a head"),
        (f"ai_filter(body, 'late', examples := {GIVEN})", "must be true, false or a number from 0 to 1"),
        ("ai_filter(body, 'late', examples := [{'text': 'a', 'label': true}])", "has 1 of 1 that hold; it takes two"),
    ],
)
def test_what_is_no_list_of_examples_is_refused(con: Connection, call: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        values(con, call)


STATED = "[" + ", ".join(f"{{'text': 'seen {i}', 'label': {str(i % 3 == 0).lower()}}}" for i in range(9)) + "]"


def test_a_statement_needs_no_threshold_with_examples(con: Connection) -> None:
    seen = fake_vectors([f"seen {i}" for i in range(9)]).astype(np.float32)
    shares = np.array([i % 3 == 0 for i in range(9)], dtype=np.float32)
    fit = StatementFit(fake_vectors(["it is late"])[0].astype(np.float32), seen, shares)
    expected = fit(fake_vectors(sorted(TEXTS)).astype(np.float32))
    assert values(con, f"ai_score(body, 'it is late', examples := {STATED})") == pytest.approx(expected, abs=1e-4)
    assert values(con, f"ai_filter(body, 'it is late', examples := {STATED})") == (expected >= 0.5).tolist()
    some = f"ai_filter(body, 'it is late', examples := {STATED}, threshold := {float(np.median(expected))})"
    assert sum(values(con, some)) == pytest.approx(20, abs=1)


def test_scores_are_probabilities_of_what_was_not_seen() -> None:
    # Two clouds whose share of TRUE is a quarter: held out, as many are TRUE as the scores say.
    rng = np.random.default_rng(5)
    y = rng.random(4_000) < 0.25
    rows = unit(rng.normal(size=(4_000, 16)) + np.where(y, 1.0, -1.0)[:, None] * np.r_[0.6, np.zeros(15)]).astype(
        np.float32
    )
    fit = StatementFit(np.zeros(16, dtype=np.float32), rows[:400], y[:400].astype(np.float32))
    scores = fit(rows[400:])
    assert scores.mean() == pytest.approx(y[400:].mean(), abs=0.03)
    high = scores > 0.5
    assert y[400:][high].mean() == pytest.approx(scores[high].mean(), abs=0.08)


def test_the_line_is_that_of_a_logistic_regression() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=20_000)
    y = (rng.random(20_000) < 1 / (1 + np.exp(-(3 * x - 1)))).astype(np.float32)
    assert logistic_line(x, y) == pytest.approx((3, -1), abs=0.12)
    apart = logistic_line(np.array([-1.0, -0.5, 0.5, 1.0]), np.array([0, 0, 1, 1], dtype=np.float32))
    assert 0 < 1 / (1 + np.exp(-(apart[0] + apart[1]))) < 0.9  # four examples that are told apart make nothing sure
    assert logistic_line(-x, y)[0] == 0  # what falls with the score is taken for chance


def test_offsets_give_labels_the_shares_that_they_have_among_examples() -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(900, 3)).astype(np.float32) + np.float32([2, 0, 0])
    places = rng.integers(0, 3, size=900)
    shares = np.exp(scores + label_offsets(scores, places))
    shares /= shares.sum(axis=1, keepdims=True)
    assert shares.mean(axis=0) == pytest.approx(np.bincount(places) / 900, abs=0.01)


def test_an_nli_models_scores_move_by_what_fits_the_examples(con: Connection) -> None:
    def entailments(texts: list[str]) -> Any:
        sentences = [NLI_TEMPLATE.replace("{label}", name) for name in LABELS]
        labels = ("entailment", "neutral", "contradiction")
        yes = labels.index("entailment")
        return np.array([[fake_row(f"{text}\0{each}", len(labels))[yes] for each in sentences] for text in texts])

    own = entailments([text for text, _ in SHOWN])
    moved = entailments(sorted(TEXTS)) + label_offsets(own, np.array([LABELS.index(label) for _, label in SHOWN]))
    expected = np.exp(moved) / np.exp(moved).sum(axis=1, keepdims=True)
    found = values(con, f"try_ai_classify(body, {LABELS}, model := 'fake-nli', examples := 'shown')")
    assert np.array([[row["scores"][name] for name in LABELS] for row in found]) == pytest.approx(expected, abs=1e-4)


def test_a_language_model_reads_them_before_each_text_as_it_reads_the_text() -> None:
    tag = text_tag("a {b}")
    asked = f"<text-{tag}>\na {{{{b}}}}\n</text-{tag}>\n\n"
    assert prompt_file("ai_classify").about("a {b}") == f"{asked}Label of the text, in a word or two:"
    listed = prompt_file("ai_classify", "remote").with_values(labels="- bug\n- praise")
    assert listed.about("a {b}").startswith(asked)  # and not with the labels, which are said once
    assert prompt_file("ai_filter").about("late again") == "late again\n\n{pair}\n\nYes or no?"
    prompt = shown(prompt_file("ai_filter"), Examples(("late again",), (1.0,)), lambda share: "Yes")
    assert filled(prompt.user, "on time", "it is late").content == (
        "late again\n\nit is late\n\nYes or no? Yes\n\non time\n\nit is late\n\nYes or no?"
    )


def test_a_model_that_replies_reads_them_in_its_prompt_and_no_more_than_it_holds(con: Connection) -> None:
    model = con._session.model("fake-generate")
    model = replace(model, capabilities=model.capabilities - {"likelihoods"})
    rows = [{"text": f"text {i}", "label": LABELS[i % 3]} for i in range(33)]
    few, many = (Call("ai_classify", model, {"examples": rows[:n]}, LABELS) for n in (3, 33))
    asked = bind(few).basis["prompt"]["user"]  # type: ignore[index]
    assert asked.count('exactly as it is written above. {{"answer": ') == 3
    assert asked.index("text 1") < asked.index("Labels:") < asked.index("{text}")
    with pytest.raises(ConfigError, match="examples has 33 that differ; 'fake-generate' reads all of them"):
        bind(many)


def test_likelihoods_move_by_what_fits_the_examples(con: Connection) -> None:
    before = values(con, f"try_ai_classify(body, {LABELS}, model := 'fake-generate')")
    own = con.execute(
        f"select text, try_ai_classify(text, {LABELS}, model := 'fake-generate').scores as s, label from shown"
    ).fetchall()
    known = np.log([[scores[name] for name in LABELS] for _, scores, _ in own])
    offsets = label_offsets(known.astype(np.float32), np.array([LABELS.index(label) for *_, label in own]))
    moved = np.exp(np.log([[row["scores"][name] for name in LABELS] for row in before]) + offsets)
    after = values(con, f"try_ai_classify(body, {LABELS}, model := 'fake-generate', examples := 'shown')")
    expected = moved / moved.sum(axis=1, keepdims=True)
    assert np.array([[row["scores"][name] for name in LABELS] for row in after]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("model", ["fake-generate"])
@pytest.mark.parametrize(
    "call",
    [
        "ai_classify(body, ['bug', 'praise', 'question'], model := '{}', examples := 'shown')",
        "ai_sentiment(body, model := '{}', examples := [{{'text': 'a', 'label': 'positive'}}])",
        "ai_filter(body, 'late', model := '{}', examples := " + STATED.replace("{", "{{").replace("}", "}}") + ")",
        "ai_score(body, 'late', model := '{}', examples := " + STATED.replace("{", "{{").replace("}", "}}") + ")",
    ],
)
def test_language_models_answer_with_them_otherwise_than_without(con: Connection, call: str, model: str) -> None:
    asked = call.format(model)
    without = asked.partition(", examples := ")[0] + ")"
    assert values(con, asked.replace("ai_", "try_ai_", 1)) != values(con, without.replace("ai_", "try_ai_", 1))
    assert json.dumps(values(con, asked)) == json.dumps(values(con, asked))
