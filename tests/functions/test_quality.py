"""SET VARIABLE inlay_quality: one target for a statement, split over the calls that a proxy can make cheaper."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import inlay
from inlay.client.connection import Connection
from inlay.errors import ConfigError
from support.tiny_models import TinyModels, words

pytest_plugins = ["support.tiny_models"]

TEXTS = [words(3 + i % 9, seed=i) for i in range(600)]
SAID = "the customer is unhappy"
FILTER = f"ai_filter(body, '{SAID}', model := 'judge')"
CLASSIFY = "ai_classify(body, ['late', 'broken', 'fine'], model := 'topics')"
CERTIFIED = """
    select function, recall, "precision", agreement, round(probability, 6), inputs, asked from inlay_certificates()
    order by function, recall
"""


@pytest.fixture
def con(tiny_models: TinyModels) -> Iterator[Connection]:
    models = {
        "proxy": str(tiny_models.sentence()),
        "judge": str(tiny_models.classifier(["contradiction", "neutral", "entailment"], pairs=True)),
        "topics": str(tiny_models.classifier(["late", "broken", "fine"])),
    }
    with inlay.connect(model="proxy", models=models, progress="off") as connection:
        connection.execute("create table t as select unnest(?) as body", [TEXTS])
        yield connection


def test_the_errors_are_split_over_the_calls_that_can_be_cheaper(con: Connection) -> None:
    # An embedding model costs no more than a proxy, and the filter that stands there twice is asked once.
    sql = f"select {FILTER} as held, {CLASSIFY} as topic, {FILTER} as again, ai_classify(body, ['a', 'b']) as c from t"
    exact = con.execute(sql).fetchall()
    con.execute("set variable inlay_quality = 0.6")
    rows = con.execute(sql).fetchall()
    (classify, held) = con.sql(CERTIFIED).fetchall()
    assert classify[:6] == ("ai_classify", None, None, 0.8, 0.975, 600)
    assert held[:6] == ("ai_filter", 0.8, 0.8, None, 0.975, 600)
    assert min(classify[6], held[6]) < 600, "nothing was spared, so nothing was tested"
    hits = sum(row[0] and was[0] for row, was in zip(rows, exact, strict=True))
    assert hits >= 0.8 * max(sum(row[0] for row in rows), sum(was[0] for was in exact))
    assert sum(row[1] == was[1] for row, was in zip(rows, exact, strict=True)) >= 0.8 * 600
    assert all(row[0] == row[2] and row[3] == was[3] for row, was in zip(rows, exact, strict=True))
    con.execute("reset variable inlay_quality")
    assert con.execute(sql).fetchall() == exact


def test_a_call_with_targets_of_its_own_keeps_them(con: Connection) -> None:
    con.execute("set variable inlay_quality = 0.8")
    own = f"ai_filter(body, '{SAID}', model := 'judge', recall := 0.7)"
    con.execute(f"select {own}, {CLASSIFY} from t").fetchall()
    told = [row[:5] for row in con.sql(CERTIFIED).fetchall()]
    assert told == [("ai_classify", None, None, 0.8, 0.95), ("ai_filter", 0.7, None, None, 0.95)]


def test_explain_says_the_split(con: Connection) -> None:
    con.execute("set variable inlay_quality = 0.9")
    said = " ".join(str(con.explain(f"select {FILTER}, {CLASSIFY} from t")).split())
    assert "within recall and precision 0.95 with probability 0.975 (inlay_quality 0.9, split over 2 calls)" in said
    assert "within agreement 0.95 with probability 0.975 (inlay_quality 0.9, split over 2 calls)" in said
    alone = " ".join(str(con.explain(f"select {CLASSIFY} from t")).split())
    assert "within agreement 0.9 with probability 0.95 (inlay_quality 0.9, all of it for one call)" in alone
    con.execute("reset variable inlay_quality")
    assert "inlay_quality" not in str(con.explain(f"select {CLASSIFY} from t"))


def test_a_call_that_stays_a_call_has_the_answers_within_the_target(con: Connection) -> None:
    con.execute("set variable inlay_quality = 0.6")
    # DuckDB binds no lookup inside of an aggregate's list beside another aggregate: the call is made, and finds them.
    con.execute(f"select max([{FILTER}]), count({CLASSIFY}) from t").fetchall()
    asked = sum(row[6] for row in con.sql(CERTIFIED).fetchall())
    assert asked < 1_200
    sql = "select sum(inferred) from inlay_ledger() where model in ('judge', 'topics')"
    assert con.sql(sql).fetchall() == [(asked,)]


@pytest.mark.parametrize("given", ["0.5", "1", "1.5", "-0.9", "'much'", "true", "[0.9]"])
def test_a_value_that_is_no_quality_says_so(con: Connection, given: str) -> None:
    con.execute(f"set variable inlay_quality = {given}")
    with pytest.raises(ConfigError, match=r"inlay_quality is .* above 0.5 and below 1: SET VARIABLE .* RESET VARIABLE"):
        con.execute(f"select {FILTER} from t")
    assert con.execute("select count(*) from t").fetchall() == [(600,)], "statements without a call do not ask for it"
