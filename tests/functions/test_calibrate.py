"""inlay_calibrate: labelled rows say how sure a judging call is, where yes begins, and what it may promise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from aiohttp import web

import inlay
from inlay.client.connection import Connection
from inlay.errors import CannotServeError, ConfigError
from inlay.training.judgements import fit_judgement, isotonic_steps
from support.fault_server import MODEL, FaultServer
from support.markdown_blocks import blocks_of
from support.paths import REPOSITORY
from support.server_behaviours import answer

LABELS = "['bug', 'praise', 'question']"
CALL = f"ai_classify(body, {LABELS})"
CALIBRATE = f"call inlay_calibrate('topics', 'labelled', call := $${CALL}$$, label := 'kind')"


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Connection]:
    """Labels that the call hits the more often, the surer it is; and a statement that holds above a cosine."""
    with inlay.connect(model="fake", store=str(tmp_path / "store"), heads=str(tmp_path / "heads")) as connection:
        connection.execute("create table texts as select i, 'text ' || i as body from range(900) r(i)")
        connection.execute(
            "create table labelled as select body, i, case when a.confidence > 0.98 or hash(body) % 2 = 0 then "
            f"a.value when a.value = 'bug' then 'praise' else 'bug' end as kind from "
            f"(select i, body, try_{CALL} as a from texts) where i < 600"
        )
        connection.execute(
            "create table cosines as select i, body, ai_similarity(body, 'it is hot') as hot, "
            "ai_similarity(body, 'it is cold') as cold, hash(body) % 100 / 500 as noise from texts"
        )
        connection.execute("create table stated as select body, hot + noise > 0.2 as holds from cosines where i < 300")
        connection.execute("create table stated_too as select body, cold > 0 as holds from cosines where i < 300")
        yield connection


def column(con: Any, sql: str) -> list[Any]:
    return [row[0] for row in con.execute(sql).fetchall()]


def test_without_labelled_rows_it_says_how_many_and_what_to_type(con: Connection) -> None:
    with pytest.raises(ConfigError, match=r"at least 59 labelled rows.*CALL inlay_calibrate.*inlay_train"):
        con.execute(f"select {CALL[:-1]}, accuracy := 0.95) from texts").fetchall()
    con.execute(CALIBRATE)
    other = CALL.replace("'bug', ", "'bug', 'other', ")
    with pytest.raises(ConfigError, match="were made for other models, labels or options: topics"):
        con.execute(f"select {other[:-1]}, accuracy := 0.95) from texts").fetchall()


def test_what_is_not_sure_is_null_listed_and_no_error(con: Connection) -> None:
    row = con.execute(CALIBRATE).fetchall()[0]
    assert row[0] == "topics" and row[3] == "judgement" and row[-1] is True
    promised = f"{CALL[:-1]}, accuracy := 0.9, on_error := 'raise')"
    query = f"select {promised}, {CALL}, body, i from texts order by i"
    planned = con.execute(query).fetchall()
    assert con.duckdb.execute(query).fetchall() == planned
    silent = {row[2]: row[1] for row in planned if row[0] is None}
    assert 0 < len(silent) < 900
    assert all(row[0] == row[1] for row in planned if row[0] is not None)
    assert dict(con.execute("select input, answer from inlay_unsure()").fetchall()) == silent
    assert con.execute("from inlay_errors()").fetchall() == []
    assert column(con, "select max(unsure) from inlay_ledger()") == [len(silent)]
    gold = dict(con.execute("select body, kind from labelled").fetchall())
    sure = [row for row in planned if row[0] is not None and row[2] in gold]
    assert np.mean([gold[row[2]] == row[0] for row in sure]) > 0.87
    con.execute(query).fetchall()
    again = "select inferred from inlay_ledger() where unsure > 0 order by statement desc limit 1"
    assert column(con, again) == [0]  # silence is stored as an answer is


def test_confidence_is_as_often_right_as_it_says(con: Connection, tmp_path: Path) -> None:
    card = inlay.calibrate(con, "topics", "from labelled where i < 400", call=CALL, label="kind")
    assert card.measures["calibration_error_before"] > card.measures["calibration_error"]
    rows = con.execute(
        f"select a.confidence, a.value = kind from (select kind, try_{CALL[:-1]}, calibration := 'topics') as a "
        "from labelled where i >= 400)"
    ).fetchall()
    confidence, right = np.array(rows, dtype=np.float64).T
    assert abs(confidence.mean() - right.mean()) < 0.08
    arrays = np.load(tmp_path / "heads" / "topics" / card.version / "arrays.npz", allow_pickle=False)
    assert len(arrays["held_out"]) == 400


def test_a_statement_begins_to_hold_where_the_rows_say(con: Connection) -> None:
    """By an embedding model it would need a threshold."""
    con.execute("call inlay_calibrate('hot', 'stated', call := $$ai_filter(body, 'it is hot')$$, label := 'holds')")
    query = "select ai_filter(body, 'it is hot', calibration := 'hot'), hot > 0.1 from cosines order by i"
    planned = con.execute(query).fetchall()
    assert con.duckdb.execute(query).fetchall() == planned
    assert np.mean([yes == holds for yes, holds in planned]) > 0.9
    assert {yes for yes, _ in planned} == {True, False}
    sure = column(con, "select ai_filter(body, 'it is hot', accuracy := 0.9) from texts")
    assert None in sure and True in sure and False in sure
    unsure = con.execute(
        "select any_value(answer = ai_filter(body, 'it is hot', calibration := 'hot')::varchar), count(*) "
        "from texts join inlay_unsure() on input = body || ' | it is hot' group by all"
    ).fetchall()
    assert {same for same, _ in unsure} == {True} and sum(n for _, n in unsure) == sure.count(None)
    with pytest.raises(ConfigError, match="'it is cold' has no calibration, which is of one statement.*'it is hot'"):
        con.execute("select ai_filter(body, 'it is cold', accuracy := 0.9) from texts").fetchall()


def test_each_statement_has_its_own(con: Connection) -> None:
    con.execute("call inlay_calibrate('hot', 'stated', call := $$ai_filter(body, 'it is hot')$$, label := 'holds')")
    inlay.calibrate(con, "cold", "stated_too", call="ai_filter(body, 'it is cold')", label="holds")
    alone = [
        column(con, f"select ai_filter(body, 'it is {name}', calibration := '{name}') from texts order by i")
        for name in ("hot", "cold")
    ]
    both = con.execute(
        "select ai_filter(body, s, accuracy := 0.6), s = 'it is hot' from texts, "
        "(values ('it is hot'), ('it is cold')) v(s) order by s desc, i"
    ).fetchall()
    for (sure, _), yes in zip(both, [*alone[0], *alone[1]], strict=True):
        assert sure is None or sure == yes


def test_feelings_are_calibrated_too(con: Connection) -> None:
    con.execute("create table felt as select body, ai_sentiment(body) as feeling from texts")
    inlay.calibrate(con, "feelings", "felt", call="ai_sentiment(body)", label="feeling")
    assert column(con, "select count(ai_sentiment(body, accuracy := 0.95)) from texts")[0] > 225


def test_the_same_rows_are_the_same_and_others_another(con: Connection) -> None:
    first = con.execute(CALIBRATE).fetchall()[0]
    turned = CALIBRATE.replace("'labelled'", "'from labelled order by hash(body)'")
    assert con.execute(turned).fetchall()[0][1 :: len(first) - 2] == (first[1], False)
    query = f"select {CALL[:-1]}, accuracy := 0.9) from texts order by i"
    before = column(con, query)
    con.execute("update labelled set kind = 'question' where hash(body) % 3 = 0")
    assert con.execute(CALIBRATE).fetchall()[0][1] != first[1]
    with pytest.raises(ConfigError, match="do not show"):
        column(con, query)
    named = f"select {CALL[:-1]}, accuracy := 0.9, calibration := 'topics@{first[1]}') from texts order by i"
    assert column(con, named) == before


def test_it_is_listed_with_heads_and_is_none(con: Connection) -> None:
    con.execute(CALIBRATE)
    assert con.execute("select head, method, rows from inlay_heads()").fetchall() == [("topics", "judgement", 600)]
    assert column(con, "select max(answered) from inlay_risk()") == [600]
    with pytest.raises(CannotServeError, match="no head that answers by itself"):
        con.execute("select ai_predict(body, 'topics') from texts").fetchall()
    with pytest.raises(ConfigError, match="'topics' is a calibration of ai_classify already"):
        inlay.train_head(con, "topics", "labelled", text="body", label="kind", method="centroid")
    inlay.train_head(con, "kinds", "labelled", text="body", label="kind", method="centroid")
    with pytest.raises(ConfigError, match="'kinds' is a head already"):
        con.execute(CALIBRATE.replace("'topics'", "'kinds'"))
    with pytest.raises(ConfigError, match="which is a head and has a card of its own"):
        con.execute(f"select {CALL[:-1]}, calibration := 'kinds') from texts").fetchall()


def test_a_label_set_is_calibrated_as_any_model(con: Connection) -> None:
    con.execute(f"call inlay_labels('moved', 'texts', text := 'body', labels := {LABELS})")
    by_set = "ai_classify(body, model := 'head:moved')"
    con.execute(f"create table gold as select body, {by_set} as kind from texts")
    inlay.calibrate(con, "of_set", "gold", call=by_set, label="kind")
    assert column(con, f"select count({by_set[:-1]}, accuracy := 0.95)) from texts")[0] > 225


@pytest.mark.parametrize("model", ["fake-nli", "fake-generate"])
def test_by_other_kinds_of_models(con: Connection, model: str) -> None:
    call = f"ai_classify(body, {LABELS}, model := '{model}')"
    con.execute(f"create table gold as select body, {call} as kind from texts where i < 80")
    card = inlay.calibrate(con, "topics", "gold", call=call, label="kind")
    assert card.measures["accuracy"] == 1.0 and card.base == model
    assert column(con, f"select count({call[:-1]}, accuracy := 0.95)) from texts where i < 80")[0] >= 59


def test_a_model_that_only_replies_cannot_be_calibrated(con: Connection) -> None:
    with FaultServer(behaviour=lambda asked: web.json_response(answer(asked, '{"answer": "bug"}'))) as server:
        remote = {"source": f"openai:{MODEL}", "base_url": server.base_url}
        with inlay.connect(model="fake", models={"remote": remote}, heads=con._session.settings.heads) as other:
            rows = con.sql("from labelled limit 30").to_arrow_table()
            call = f"{CALL[:-1]}, model := 'remote')"
            with pytest.raises(CannotServeError, match="only says its answer and gives no scores.*logprobs = true"):
                inlay.calibrate(other, "topics", rows, call=call, label="kind")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("ai_classify(body)", "labels"),
        ("body", "must be one call of ai_classify, ai_filter, ai_sentiment"),
        (f"try_{CALL}", "must be one call"),
        (f"upper({CALL})", "must be one call"),
        (f"{CALL} || 'x'", "must be one call"),
        ("ai_score(body, 'x')", "must be one call"),
        (f"{CALL[:-1]}, adapt := true)", "adapt does not go with"),
        (f"{CALL[:-1]}, other := 'x', threshold := 0.2)", "threshold does not go with"),
        ("ai_filter(body, 'x', recall := 0.9, model := 'fake-nli')", "recall does not go with"),
        ("ai_classify(body, ['bug', 'praise', 'question'], modl := 'fake')", "modl"),
        ("ai_classify(body, ['spam', 'ham'])", "which ai_classify never answers here: it is one of spam, ham"),
        ("ai_filter(body, kind)", "a calibration is of one"),
    ],
)  # fmt: skip
def test_wrong_calls(con: Connection, call: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        inlay.calibrate(con, "topics", "labelled", call=call, label="kind")


def test_too_few_rows(con: Connection) -> None:
    with pytest.raises(ConfigError, match="19 labelled rows that differ; a calibration needs 20"):
        inlay.calibrate(con, "topics", "from labelled where i < 19", call=CALL, label="kind")
    with pytest.raises(ConfigError, match="5 of them at least that hold and 5 that do not"):
        inlay.calibrate(con, "hot", "from stated where holds", call="ai_filter(body, 'it is hot')", label="holds")


def test_examples_of_the_call_are_not_its_judges(con: Connection) -> None:
    con.execute("create table few as select body as text, kind as label from labelled where i < 6")
    call = f"{CALL[:-1]}, examples := 'few')"
    card = inlay.calibrate(con, "topics", "labelled", call=call, label="kind")
    assert (card.rows, card.left_out) == (594, 6)
    assert None in column(con, f"select {call[:-1]}, accuracy := 0.9) from texts")


def test_isotonic_steps_rise_and_are_the_shares(con: Connection) -> None:
    rng = np.random.default_rng(3)
    numbers = rng.uniform(size=2_000).astype(np.float32)
    steps = isotonic_steps(numbers, rng.uniform(size=2_000) < numbers**2)
    assert (np.diff(steps) >= 0).all()
    assert np.abs(np.interp([0.2, 0.5, 0.8], *steps) - np.array([0.04, 0.25, 0.64])).max() < 0.08
    assert isotonic_steps(np.array([1, 2, 3, 4], dtype=np.float32), np.array([False, True, False, True])).tolist() == [
        [1.0, 2.5, 4.0], pytest.approx([1 / 6, 0.5, 5 / 6])
    ]  # fmt: skip


def test_the_curve_that_fits_better_is_taken() -> None:
    """Held-out rows decide: stairs, which no line follows, and a line."""
    rng, folds = np.random.default_rng(4), np.arange(4_000) % 5
    cosine = rng.uniform(-1, 1, size=(4_000, 1)).astype(np.float32)
    stairs = np.array([0.05, 0.75, 0.97])[np.digitize(cosine[:, 0], [-0.9, 0.8])]
    kinds = []
    for chance in (stairs, 1 / (1 + np.exp(-6 * cosine[:, 0]))):
        holds = rng.uniform(size=4_000) < chance
        fitted = fit_judgement(cosine, (~holds).astype(np.int64), None, None, folds)
        assert fitted.measures["calibration_error"] < 0.03
        kinds.append(set(fitted.arrays) - {"held_out"})
    assert kinds == [{"steps"}, {"line"}]


def test_the_card_says_what_it_is_of(con: Connection, tmp_path: Path) -> None:
    version = con.execute(CALIBRATE).fetchall()[0][1]
    card = json.loads((tmp_path / "heads" / "topics" / version / "card.json").read_text())
    assert card["judges"]["function"] == "ai_classify" and card["judges"]["call"] == CALL
    assert card["base"] == "fake" and card["classes"] == ["bug", "praise", "question"]


def test_what_the_page_says_runs(con: Connection) -> None:
    """docs/calibration.md: its SQL, over labels that the calls give themselves."""
    con.execute("create table tickets as select i as id, body from texts")
    con.execute(
        "create table labelled_tickets as select body, ai_classify(body, ['delivery', 'refund', 'defect']) as topic, "
        "ai_similarity(body, 'the customer is angry') > 0 as is_angry from tickets where id < 300"
    )
    blocks = [block.text for block in blocks_of(REPOSITORY / "docs" / "calibration.md") if block.language == "sql"]
    plain = [text for text in blocks if "{{" not in text]
    for text in plain:
        for statement in duckdb.extract_statements(text):
            con.execute(statement.query).fetchall()
    assert len(plain) == 2
