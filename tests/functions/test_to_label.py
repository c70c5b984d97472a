"""inlay_to_label: which rows are most worth labelling, with what their label probably is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

import inlay
from inlay.client.connection import Connection
from inlay.errors import CannotServeError, ConfigError
from inlay.training.worth_labelling import NEAR_DUPLICATE, most_worth
from support.fault_server import MODEL, FaultServer
from support.server_behaviours import answer

CALL = "call inlay_to_label('tickets', text := 'body', labels := ['low', 'high'], n := 12)"


def unit(rows: Any) -> Any:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def step_by_step(rows: Any, weights: Any, n: int, labelled: Any) -> list[int]:
    """As the docstring of the module says it, every gain of every step computed anew, pair by pair."""
    taken: list[int] = []

    def nearest(j: int, others: list[Any]) -> float:
        return max([float(rows[j] @ other) for other in others], default=-1.0)

    def total(places: list[int]) -> float:
        near = [*labelled, *rows[places]]
        return sum(float(weights[j]) * max(nearest(j, near), 0.0) ** 3 for j in range(len(rows)))

    while len(taken) < n:
        near = [*labelled, *rows[taken]]
        left = [j for j in range(len(rows)) if j not in taken and nearest(j, near) < NEAR_DUPLICATE]
        if not left:
            break
        taken.append(max(left, key=lambda j: (round(total([*taken, j]), 6), -j)))
    return taken


@pytest.mark.parametrize("draw", range(4))
def test_the_best_next_row_is_taken_at_each_step(draw: int) -> None:
    rng = np.random.default_rng(draw)
    rows, weights = unit(rng.normal(size=(40, 4))), rng.random(40)
    labelled = unit(rng.normal(size=(draw, 4)))
    expected = step_by_step(rows, weights, 10, labelled)
    found = most_worth(rows, weights, 10, labelled if draw else None)
    assert found.tolist() == expected
    assert most_worth(rows, weights, 6, labelled if draw else None).tolist() == expected[:6]


def test_near_duplicates_are_left_out_however_many_are_wanted() -> None:
    rng = np.random.default_rng(1)
    apart = unit(rng.normal(size=(5, 16)))
    rows = unit(np.repeat(apart, 40, axis=0) + rng.normal(size=(200, 16)) * 0.01)
    found = most_worth(rows, np.ones(200), 50, apart[4:])
    assert sorted(place // 40 for place in found.tolist()) == [0, 1, 2, 3]


def test_what_is_uncertain_comes_first_and_what_is_typical_before_what_is_odd() -> None:
    rng = np.random.default_rng(2)
    kinds = np.eye(3, dtype=np.float32)[[0] * 30 + [1] * 30 + [2]]
    rows = unit(kinds + rng.normal(size=kinds.shape) * 0.2)
    weights = np.array([1.0] * 30 + [0.4] * 30 + [1.0])
    first, second, *_ = most_worth(rows, weights, 3).tolist()
    assert first < 30 <= second < 60
    assert most_worth(rows[:0], weights[:0], 3).tolist() == []


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Connection]:
    with inlay.connect(model="fake", store=str(tmp_path / "store"), heads=str(tmp_path / "heads")) as connection:
        connection.execute("create table tickets as select i, 'text ' || i % 150 as body from range(400) r(i)")
        connection.execute("insert into tickets values (400, null), (401, '  ')")
        yield connection


def test_rows_with_their_likely_label_in_sql_and_python(con: Connection) -> None:
    rows = con.execute(CALL).fetchall()
    texts = [row[0] for row in rows]
    assert len(set(texts)) == 12 and {row[1] for row in rows} <= {"low", "high"}
    assert all(0.5 <= row[2] <= 1 for row in rows)
    adapted = "select body, ai_classify(body, ['low', 'high'], adapt := true) from (select distinct body from tickets)"
    labels = dict(con.execute(adapted).fetchall())
    assert [labels[row[0]] for row in rows] == [row[1] for row in rows]
    for relation in ("from tickets order by hash(i)", con.sql("from tickets").to_arrow_table()):
        found = inlay.to_label(con, relation, text="body", labels=["high", "low"], n=12)
        assert found.columns == ["input", "likely", "confidence"] and found.fetchall() == rows
    assert con.sql(CALL.replace("text := ", "")).filter("likely = 'low'").fetchall() == [
        row for row in rows if row[1] == "low"
    ]
    (known,) = con.execute("select bool_and(known = distinct_inputs) from inlay_ledger() where statement = "
                           "(select max(statement) from inlay_ledger())").fetchall()[0]  # fmt: skip
    assert known  # what stands behind the same texts again
    with pytest.raises(Exception, match="inlay.to_label\\(con, 'tickets'"):
        con.duckdb.execute(CALL).fetchall()


def test_what_is_labelled_is_left_out_and_covers_what_is_like_it(con: Connection) -> None:
    first = [row[0] for row in con.execute(CALL).fetchall()]
    con.execute("create table done (text varchar, label varchar)")
    con.execute("insert into done values (?, 'low'), (?, 'high'), (null, 'low'), ('text 1', null)", first[:2])
    then = con.execute(CALL[:-1] + ", labelled := 'done')").fetchall()
    assert not {row[0] for row in then} & set(first[:2])
    # Weights have changed by what is known now, so not all that follows is the same.
    rest = [row[0] for row in con.execute(CALL.replace("12", "500")[:-1] + ", labelled := 'done')").fetchall()]
    assert len(rest) == len(set(rest)) <= 148 and rest[:12] == [row[0] for row in then]
    query = "select body as text, 'low' as label from tickets"
    assert con.execute(f"{CALL[:-1]}, labelled := $${query}$$)").fetchall() == []


def test_a_head_says_which_rows_come_next(con: Connection) -> None:
    pytest.importorskip("sklearn")
    labelled = (
        "select body, case when ai_embed(body)[1] > 0 then 'high' else 'low' end as kind from tickets where i < 60"
    )
    con.execute(f"create table labelled as {labelled}")
    con.execute("call inlay_train('kinds', 'labelled', text := 'body', label := 'kind')")
    call = "call inlay_to_label('tickets', text := 'body', n := 20, model := 'head:kinds', labelled := $$select body "
    rows = con.execute(call + "as text, kind as label from labelled$$)").fetchall()
    assert len(rows) == 20 and not {row[0] for row in rows} & {f"text {i}" for i in range(60)}
    answers = dict(
        con.execute("select distinct body, ai_predict(body, 'kinds') from tickets where body > ' '").fetchall()
    )
    assert [answers[row[0]] for row in rows] == [row[1] for row in rows]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("labels := ['a', 'b']", "inlay_to_label: text is None; name the column"),
        ("text := 'body'", "inlay_to_label: labels is missing"),
        ("text := 'body', labels := ['a', 'a']", "inlay_to_label: labels holds 'a' twice"),
        ("text := 'body', labels := ['a', 'b'], n := 0", "inlay_to_label: n is 0; it must be a whole"),
        ("text := 'body', labels := ['a', 'b'], method := 'x'", "no argument named 'method'"),
        ("text := 'body', labels := ['a', 'b'], model := 'nope'", "inlay_to_label: no model named 'nope'"),
        ("text := 'body', labels := ['a', 'b'], model := 'fake-embed-x'", "no model named"),
        ("text := 'i', labels := ['a'], labelled := $$select '1' as text, 'c' as label$$",
         "inlay_to_label: an example has the label 'c'; it must be one of a"),
    ],
)  # fmt: skip
def test_wrong_arguments(con: Connection, options: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        con.execute(f"call inlay_to_label('tickets', {options})")


def test_a_model_that_only_replies_cannot_say_which(con: Connection) -> None:
    with FaultServer(behaviour=lambda asked: web.json_response(answer(asked, '{"answer": "low"}'))) as server:
        remote = {"source": f"openai:{MODEL}", "base_url": server.base_url}
        with inlay.connect(model="fake", models={"remote": remote}) as other:
            other.execute("create table tickets as select 'text ' || i as body from range(5) r(i)")
            with pytest.raises(CannotServeError, match="inlay_to_label: model 'remote' only says its answer"):
                other.execute(CALL[:-1] + ", model := 'remote')")


def test_a_language_model_s_rows_are_told_apart_by_an_embedding_model(con: Connection) -> None:
    rows = con.execute(CALL[:-1] + ", model := 'fake-generate')").fetchall()
    assert len(rows) == 12
    models = "select list(model order by statement) from inlay_ledger() where function = 'inlay_to_label'"
    assert sorted(con.execute(models).fetchall()[0][0]) == ["fake", "fake-generate"]
    with inlay.connect(model="fake-generate", language_model="fake-generate") as other:
        other.execute("create table tickets as select 'text ' || i as body from range(5) r(i)")
        with pytest.raises(CannotServeError, match="rows are told apart by those of an embedding model"):
            other.execute(CALL)


def test_a_relation_without_texts(con: Connection) -> None:
    with pytest.raises(ConfigError, match="inlay_to_label: the relation has no text in 'body'"):
        con.execute(CALL.replace("'tickets'", "'from tickets where body is null'"))
