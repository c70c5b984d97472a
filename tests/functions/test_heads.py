"""Heads trained from labelled rows: what they answer, what their card says, when they are trained anew or refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inlay
from inlay.backends.fake import CALLS
from inlay.client.connection import Connection
from inlay.errors import CannotServeError, ConfigError, DigestError, ModelNotFoundError, RowsFailedError
from inlay.models import head_card
from inlay.models.model_folder import read_json

pytest.importorskip("sklearn")

TRAIN = "call inlay_train('kinds', 'labelled', text := 'body', label := 'kind')"
BY_CENTRES = TRAIN.replace("'kind')", "'kind', method := 'centroid')")
"""Without scikit-learn, and fast."""


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Connection]:
    with inlay.connect(model="fake", store=str(tmp_path / "store"), heads=str(tmp_path / "heads")) as connection:
        connection.execute("create table texts as select i, 'text ' || i as body from range(400) r(i)")
        yield connection


def label(con: Any, expression: str, where: str = "true") -> None:
    """A table of labelled rows whose label depends on the vector e."""
    con.execute(
        f"create or replace table labelled as select i, body, {expression} as kind from "
        f"(select i, body, ai_embed(body) as e from texts) where {where}"
    )


def vectors(con: Any, sql: str) -> np.ndarray:
    return np.array([row[0] for row in con.execute(sql).fetchall()], dtype=np.float64)


def test_a_head_learns_what_the_vectors_tell(con: Connection) -> None:
    label(con, "case when e[1] > 0.05 then 'high' when e[1] < -0.05 then 'low' end", "i < 300")
    head = con.execute(TRAIN).fetchall()[0]
    n = con.execute("select count(kind) from labelled").fetchall()[0][0]
    assert head[0] == "kinds" and head[2:6] == ("single", "logistic", n, 2)
    new = con.execute(
        "select ai_predict(body, 'kinds') = case when e[1] > 0 then 'high' else 'low' end from "
        "(select body, ai_embed(body) as e from texts where i >= 300) where abs(e[1]) > 0.1"
    ).fetchall()
    assert len(new) > 50 and np.mean([right for (right,) in new]) > 0.95


def test_nothing_is_asked_of_the_model_for_known_vectors(con: Connection) -> None:
    label(con, "case when e[1] > 0 then 'high' else 'low' end")
    con.execute(TRAIN)
    before = dict(CALLS)
    con.execute("select ai_predict(body, 'kinds'), ai_classify(body, model := 'head:kinds') from texts").fetchall()
    assert dict(CALLS) == before
    assert con.execute(TRAIN).fetchall()[0][-1] is False  # it has learned the same before
    assert dict(CALLS) == before


def test_answers_are_those_of_the_arrays_on_disk(con: Connection, tmp_path: Path) -> None:
    """Computed here from the stored arrays alone."""
    label(con, "'part ' || (1 + (e[1] > 0)::int + (e[2] > 0)::int)")
    version = con.execute(TRAIN).fetchall()[0][1]
    folder = tmp_path / "heads" / "kinds" / version
    card, arrays = json.loads((folder / "card.json").read_text()), np.load(folder / "arrays.npz", allow_pickle=False)
    e = vectors(con, "select ai_embed(body) from texts order by i")
    logits = (e @ arrays["weights"] + arrays["bias"]) / card["temperature"]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rows = con.execute("select try_ai_predict(body, 'kinds') from texts order by i").fetchall()
    assert [json.loads(row["value"]) for (row,) in rows] == [card["classes"][k] for k in logits.argmax(axis=1)]
    assert [row["confidence"] for (row,) in rows] == pytest.approx(shares.max(axis=1), rel=1e-4)
    classified = con.execute("select try_ai_classify(body, model := 'head:kinds') from texts order by i").fetchall()
    assert [row["value"] for (row,) in classified] == [card["classes"][k] for k in logits.argmax(axis=1)]


@pytest.mark.parametrize(
    ("expression", "options", "kind", "sql_type"),
    [
        ("e[1] > 0", "", "single", "BOOLEAN"),
        ("(2 + 3 * (e[1] > 0)::int)", "", "single", "BIGINT"),
        ("e[1]::double", "", "regression", "DOUBLE"),
        ("round(e[1] * 100)::int", ", kind := 'regression'", "regression", "DOUBLE"),
        ("list_distinct([case when e[1] > 0 then 'a' end, case when e[2] > 0 then 'b' end])", "", "multi", "VARCHAR[]"),
        ("case when e[1] < -0.2 then 'low' when e[1] < 0.2 then 'mid' else 'high' end", ", levels := ['low', 'mid', 'high']", "ordinal", "VARCHAR"),
        ("case when e[1] < 0 then 'x' else 'y' end", ", method := 'knn'", "single", "VARCHAR"),
        ("case when e[1] < 0 then 'x' else 'y' end", ", method := 'centroid'", "single", "VARCHAR"),
    ],
)  # fmt: skip
def test_every_kind_of_label(con: Connection, expression: str, options: str, kind: str, sql_type: str) -> None:
    label(con, expression)
    head = con.execute(TRAIN.replace("'kind')", f"'kind'{options})")).fetchall()[0]
    assert head[2] == kind
    for planned in (con, con.duckdb):
        found = planned.execute(
            "select typeof(p), p, kind from (select ai_predict(body, 'kinds') as p, kind from labelled)"
        ).fetchall()
        assert {each[0] for each in found} == {sql_type}
        if kind == "regression":
            assert np.corrcoef([each[1] for each in found], [each[2] for each in found])[0, 1] > 0.95
        else:
            same = [sorted(p) == sorted(k) if kind == "multi" else p == k for _, p, k in found]
            assert np.mean(same) > 0.85


def test_several_columns(con: Connection) -> None:
    con.execute(
        "create table labelled as select *, case when price > 50 and shop = 'b' then 'yes' else 'no' end as kind from ("
        "select body, 'other ' || i as subject, (i * 37) % 100 as price, ['a', 'b'][1 + i % 2] as shop from texts)"
    )
    columns = "\"numeric\" := 'price', categorical := ['shop']"  # a keyword of DuckDB 1
    con.execute(f"call inlay_train('kinds', 'labelled', text := ['subject', 'body'], label := 'kind', {columns})")
    row = "{'subject': subject, 'body': body, 'price': price, 'shop': shop}"
    for planned in (con, con.duckdb):
        right = planned.execute(f"select avg((ai_predict({row}, 'kinds') = kind)::int) from labelled").fetchall()[0][0]
        assert right > 0.8
    (row,) = con.execute("select try_ai_predict({'subject': 'x', 'body': 'y'}, 'kinds')").fetchall()[0]
    assert row["value"] is None and "no 'price'" in row["error"]


def test_equal_texts_and_groups_are_on_one_side(con: Connection) -> None:
    """Labels at random, the same for all rows of a group: whoever sees a group's other rows is right, nobody else."""
    con.execute(
        "create table labelled as select 'text ' || (i // 4) as body, i // 4 as who, "
        "case when hash(i // 4) % 2 = 0 then 'a' else 'b' end as kind, i from range(400) r(i)"
    )
    con.execute("create table apart as select body || ' ' || i as body, who, kind from labelled")
    same = con.execute(TRAIN).fetchall()[0]
    assert same[4] == 100  # rows that are there several times count once
    grouped = con.execute(
        "call inlay_train('grouped', 'apart', text := 'body', label := 'kind', \"group\" := 'who')"
    ).fetchall()[0]
    assert same[6] < 0.7 and grouped[6] < 0.7


def test_the_order_of_rows_changes_nothing(con: Connection) -> None:
    label(con, "case when e[1] > 0 then 'high' else 'low' end")
    first = con.execute(TRAIN).fetchall()[0][1]
    con.execute("create or replace table labelled as select * from labelled order by hash(body)")
    assert con.execute(TRAIN).fetchall()[0][-1] is False
    again = con.execute(TRAIN.replace("'kinds'", "'other'")).fetchall()[0]
    assert again[1] == first and again[-1] is True


def test_another_label_gives_another_version_at_once(con: Connection) -> None:
    label(con, "case when e[1] > 0 then 'high' else 'low' end")
    first = con.execute(TRAIN).fetchall()[0][1]
    ask = "select ai_predict(body, 'kinds') from texts order by i"
    before = con.execute(ask).fetchall()
    label(con, "case when e[1] > 0 then 'low' else 'high' end")
    card = inlay.train_head(con, "kinds", "select * from labelled", text="body", label="kind")
    assert card.version != first
    after = con.execute(ask).fetchall()
    assert np.mean([a != b for a, b in zip(before, after, strict=True)]) > 0.9
    assert con.execute(f"select ai_predict(body, 'kinds@{first}') from texts order by i").fetchall() == before


def test_few_rows_of_a_class(con: Connection) -> None:
    label(con, "case when i < 3 then 'rare' when i < 5 then 'odd' when e[1] > 0 then 'high' else 'low' end")
    with pytest.raises(ConfigError, match=r"'odd' has 2, 'rare' has 3.*merge_rare"):
        con.execute(TRAIN)
    con.execute(TRAIN.replace("'kind')", "'kind', merge_rare := 'other')")).fetchall()
    card = inlay.train_head(con, "kinds", "labelled", text="body", label="kind", merge_rare="other")
    assert (card.classes, card.merged) == (("high", "low", "other"), ("odd", "rare"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'kinds', 'labelled', label := 'kind'", "text is missing"),
        ("'kinds', 'labelled', text := 'body'", "label is missing"),
        ("'kinds'", "relation is missing"),
        ("'a/b', 'labelled', text := 'body', label := 'kind'", "no name for a head"),
        ("'kinds', 'labelled', text := 'body', label := 'kind', metod := 'knn'", "no argument named 'metod'"),
        ("'kinds', 'labelled', text := 'body', label := 'kind', method := 'ridge'", "not for a head of kind 'single'"),
        ("'kinds', 'labelled where i < 7', text := 'body', label := 'kind'", "."),
        ("'kinds', 'labelled', text := 'body', label := 'kind', kind := 'ordinal'", "which level is higher"),
        ("'kinds', 'labelled', text := 'body', label := 'kind', levels := ['low']", "a row has 'high'"),
    ],
)
def test_wrong_arguments(con: Connection, arguments: str, message: str) -> None:
    label(con, "case when e[1] > 0 then 'high' else 'low' end")
    with pytest.raises(Exception, match=message):
        con.execute(f"call inlay_train({arguments})")


def test_elsewhere_the_python_form_is_named(con: Connection) -> None:
    label(con, "e[1] > 0")
    with pytest.raises(Exception, match="inlay.train_head"):
        con.duckdb.execute(TRAIN)


def test_a_head_that_is_not_there_or_not_its_own(con: Connection, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="no head named 'kinds'.*Train it"):
        con.execute("select ai_predict('x', 'kinds')").fetchall()
    label(con, "e[1] > 0")
    version = con.execute(TRAIN).fetchall()[0][1]
    with pytest.raises(ModelNotFoundError, match="no version 'beef'"):
        con.execute("select ai_predict('x', 'kinds@beef')").fetchall()
    with (
        inlay.connect(
            model="fake", models={"fake": {"source": "fake:embed", "max_tokens": 99}}, heads=str(tmp_path / "heads")
        ) as other,
        pytest.raises(CannotServeError, match="Train it again"),
    ):
        other.execute("select ai_predict('x', 'kinds')").fetchall()
    arrays = tmp_path / "heads" / "kinds" / version / "arrays.npz"
    content = arrays.read_bytes()
    arrays.write_bytes(content[:-1] + b"!")
    from inlay.backends.heads import _loaded

    _loaded.cache_clear()
    with pytest.raises(DigestError, match="not the file that the card"):
        con.execute("select ai_predict('new', 'kinds')").fetchall()


def test_a_row_that_fails_is_listed(con: Connection) -> None:
    label(con, "case when e[1] > 0 then 'high' else 'low' end")
    con.execute("insert into labelled values (1000, '<<fail>> this', 'low')")
    con.execute(TRAIN)
    assert con.execute("select count(*) from inlay_errors() where function = 'inlay_train'").fetchall() == [(1,)]
    assert con.execute("select ai_predict('<<fail>> that', 'kinds'), ai_predict(null, 'kinds')").fetchall() == [
        (None, None)
    ]
    with pytest.raises(RowsFailedError):
        con.execute("select ai_predict('<<fail>> that', 'kinds', on_error := 'raise')").fetchall()


def test_a_plan_counts_what_the_vectors_cost(con: Connection) -> None:
    label(con, "case when e[1] > 0 then 'high' else 'low' end")
    con.execute(TRAIN)
    con.execute("create table new as select 'new ' || i as body from range(7) r(i)")
    plan = con.explain("select ai_predict(body, 'kinds') from new")
    assert plan.costs.inputs == 7 and plan.costs.models[0].model == "fake"


def test_a_card_is_read_once_while_chunks_are_answered(con: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    label(con, "case when e[1] > 0 then 'high' else 'low' end")
    con.execute(BY_CENTRES)
    read: list[str] = []
    monkeypatch.setattr(head_card, "read_json", lambda path, kind: read.append(path.name) or read_json(path, kind))
    head_card._card.cache_clear()
    asked = "select count(ai_predict(body, 'kinds')) from texts, range(30)"
    assert con.duckdb.execute(asked).fetchall() == [(12_000,)]
    assert read.count("card.json") == 1
