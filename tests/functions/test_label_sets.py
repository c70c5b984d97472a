"""inlay_labels: labels that move once towards the texts of a relation, and stay there under a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import inlay
from inlay.client.connection import Connection

TEXTS = [f"text number {i}" for i in range(120)]
LABELS = ["bug", "praise", "question"]
CALL = f"call inlay_labels('topics', 't', text := 'body', labels := {LABELS})"
BY_SET = "ai_classify(body, model := 'head:topics')"


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Connection]:
    with inlay.connect(model="fake", heads=str(tmp_path / "heads"), store=str(tmp_path / "store")) as connection:
        connection.execute("create table t as select unnest($1) as body", [TEXTS])
        yield connection


def answers(con: Any, call: str, where: str = "true") -> dict[str, Any]:
    return dict(con.execute(f"select body, {call} from t where {where}").fetchall())


def test_it_answers_as_adapt_did_over_the_same_texts(con: Connection) -> None:
    adapted = answers(con, f"try_ai_classify(body, {LABELS}, adapt := true)")
    assert {row["value"] for row in adapted.values()} > {"bug"}
    row = con.execute(CALL).fetchall()
    assert row[0][0] == "topics"
    frozen = answers(con, f"try_{BY_SET}")
    assert {text: each["value"] for text, each in frozen.items()} == {t: each["value"] for t, each in adapted.items()}
    for text, each in frozen.items():
        assert each["confidence"] == pytest.approx(adapted[text]["confidence"], abs=1e-5)
    assert answers(con, "ai_predict(body, 'topics')") == {text: each["value"] for text, each in adapted.items()}


def test_some_of_the_rows_get_the_answers_that_all_of_them_had(con: Connection) -> None:
    con.execute(CALL)
    whole = answers(con, BY_SET)
    few = "body < 'text number 2'"
    assert answers(con, BY_SET, few) == {text: whole[text] for text in whole if text < "text number 2"}
    con.execute("insert into t select 'a new text ' || i from range(50) r(i)")
    later = answers(con, BY_SET)
    assert {text: later[text] for text in whole} == whole
    adapted = answers(con, f"ai_classify(body, {LABELS}, adapt := true)")
    assert {text: adapted[text] for text in whole} != whole  # which is why an incremental model may not adapt


def test_the_same_texts_are_the_same_set_and_others_another(con: Connection) -> None:
    def made(call: str) -> tuple[str, bool]:
        found = con.execute(call)
        row = dict(zip([column[0] for column in found.description], found.fetchall()[0], strict=True))
        return row["version"], row["is_new"]

    first, is_new = made(CALL)
    assert is_new
    turned = CALL.replace(str(LABELS), str(LABELS[::-1])).replace("'t'", "'from t union all from t'")
    assert made(turned) == (first, False)
    con.execute("insert into t values ('one more'), (' '), (NULL)")
    assert made(CALL)[0] != first
    listed = con.execute("select head, rows, classes from inlay_heads()").fetchall()
    assert listed[0][:2] == ("topics", 121)


def test_plain_connections_and_views_use_it(con: Connection) -> None:
    con.execute(CALL)
    expected = answers(con, BY_SET)
    con.execute(f"create view v as select body, {BY_SET} as topic from t")
    assert dict(con.execute("from v").fetchall()) == expected
    assert dict(con.duckdb.execute(f"select body, {BY_SET} from t").fetchall()) == expected


def test_in_python_and_on_a_plain_connection(tmp_path: Path) -> None:
    with duckdb.connect() as plain:
        inlay.attach(plain, model="fake", heads=str(tmp_path / "heads"))
        plain.execute("create table t as select unnest($1) as body", [TEXTS])
        with pytest.raises(Exception, match="inlay_labels: that is done by planned connections"):
            plain.execute(CALL).fetchall()
        described = [{"label": "bug", "description": "it does not work"}, {"label": "praise", "description": None}]
        card = inlay.freeze_labels(plain, "topics", "t", text="body", labels=described)
        assert (card.rows, card.classes, sum(card.rows_per_class)) == (120, ("bug", "praise"), 120)
        assert set(answers(plain, BY_SET).values()) == {"bug", "praise"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (CALL.replace("text := 'body', ", ""), "text is None; name the column"),
        (CALL.replace(str(LABELS), "[]"), "labels is empty"),
        (CALL.replace("'t'", "'select body from t where false'"), "the relation has no text in 'body'"),
        (CALL.replace(")", ", model := 'fake-nli')"), "gives no vectors"),
        (CALL.replace(")", ", label := 'x')"), "label"),
    ],
)
def test_what_is_no_label_set_is_refused(con: Connection, call: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        con.execute(call)


def test_it_says_nothing_of_how_often_it_is_right(con: Connection) -> None:
    con.execute(CALL)
    with pytest.raises(Exception, match="no labelled rows say how often 'head:topics' is right"):
        answers(con, "ai_predict(body, 'topics', accuracy := 0.9)")
