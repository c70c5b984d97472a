"""accuracy := …: what is not sure enough is NULL, listed, counted, and no error; and the promise behind it holds."""

from __future__ import annotations

from collections.abc import Iterator
from math import comb
from pathlib import Path

import numpy as np
import pytest

import inlay
from inlay.client.connection import Connection
from inlay.errors import ConfigError
from inlay.functions.assurance import _tail, assured, least_rows


def drawn(rng: np.random.Generator, n: int, slope: float) -> np.ndarray:
    """Answers whose chance of being right is confidence ** slope."""
    confidence = np.sort(rng.uniform(0.2, 1, size=n).astype(np.float32))[::-1]
    return np.stack([confidence, rng.uniform(size=n) < confidence**slope], axis=1).astype(np.float32)


@pytest.mark.parametrize("slope", [0.2, 0.5])
@pytest.mark.parametrize("n", [150, 1_000])
def test_the_promise_is_kept(slope: float, n: int) -> None:
    """Over 400 draws at 95 %, fewer than 380 held would be five standard errors below it at 97 %, and 3.7 below at 95 %
    is 363: with less the promise is broken."""
    rng, held, answered = np.random.default_rng(5), 0, 0.0
    for _ in range(400):
        found = assured(drawn(rng, n, slope), 0.9, 0.95)
        if found is None:
            held += 1
            continue
        sure = np.linspace(max(found.threshold, 0.2), 1, 2_000)
        held += bool((sure**slope).mean() >= 0.9)
        answered += found.answered / n / 400
    assert held >= 363
    assert n == 150 or answered > 0.25  # it is not kept by saying nothing


def test_nothing_is_promised_of_too_few_rows_or_of_guesses() -> None:
    right = np.ones((58, 2), dtype=np.float32)
    assert least_rows(0.95, 0.95) == 59
    assert assured(right, 0.95, 0.95) is None
    assert assured(np.ones((59, 2), dtype=np.float32), 0.95, 0.95) is not None
    assert assured(drawn(np.random.default_rng(1), 500, 5.0), 0.95, 0.95) is None


def test_rows_of_one_confidence_are_answered_together() -> None:
    held_out = np.array([[0.9, 1]] * 100 + [[0.5, 0]] * 100, dtype=np.float32)
    found = assured(held_out, 0.95, 0.95)
    assert found is not None and (found.threshold, found.answered, found.wrong) == (pytest.approx(0.9), 100, 0)


def test_the_binomial_tail() -> None:
    for k, n, p in ((0, 20, 0.05), (3, 50, 0.1), (40, 400, 0.1)):
        assert _tail(k, n, p) == pytest.approx(sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)))


@pytest.fixture
def con(tmp_path: Path) -> Iterator[Connection]:
    with inlay.connect(model="fake", store=str(tmp_path / "store"), heads=str(tmp_path / "heads")) as connection:
        connection.execute("create table texts as select i, 'text ' || i as body from range(600) r(i)")
        connection.execute(
            "create table labelled as select body, case when e[1] > 0 then 'high' else 'low' end as kind "
            "from (select i, body, ai_embed(body) as e from texts) where i < 400"
        )
        inlay.train_head(connection, "kinds", "labelled", text="body", label="kind", method="centroid")
        yield connection


@pytest.mark.parametrize("call", ["ai_predict(body, 'kinds'{})", "ai_classify(body, model := 'head:kinds'{})"])
def test_what_is_not_sure_is_null_and_listed(con: Connection, call: str) -> None:
    promised = call.format(", accuracy := 0.99, probability := 0.9, on_error := 'raise'")
    query = f"select {promised}, {call.format('')}, i from texts order by i"
    planned = con.execute(query).fetchall()
    assert con.duckdb.execute(query).fetchall() == planned
    silent = [row for row in planned if row[0] is None]
    assert 0 < len(silent) < 500
    assert all(row[0] == row[1] for row in planned if row[0] is not None)
    listed = con.execute("from inlay_unsure()").fetchall()
    assert {row[2] for row in listed} == {f"text {row[2]}" for row in silent}
    assert {(row[2], row[3]) for row in listed} == {(f"text {row[2]}", row[1]) for row in silent}
    assert [row[4] for row in listed] == sorted((row[4] for row in listed), reverse=True)
    assert con.execute("from inlay_errors()").fetchall() == []
    con.execute(query).fetchall()
    again = con.execute("select inferred, known from inlay_ledger() where unsure > 0 order by statement desc limit 1")
    assert again.fetchall() == [(0, 600)]  # silence is stored as an answer is
    counted = con.execute("select max(unsure) from inlay_ledger()").fetchall()
    assert counted == [(len(silent),)]


def test_an_accuracy_that_nothing_shows_is_refused(con: Connection) -> None:
    for call, message in (
        ("ai_classify('x', ['a', 'b'], accuracy := 0.95)", "at least 59 labelled rows"),
        ("ai_classify('x', ['high'], model := 'head:kinds', accuracy := 0.6)", "Leave labels out"),
        ("ai_predict('x', 'kinds', accuracy := 0.99999)", "it takes 299,572 of them at least"),
        ("ai_predict('x', 'kinds', accuracy := 95)", "a number between 0 and 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            con.execute(f"select {call}").fetchall()


def test_heads_are_listed_with_their_card(con: Connection) -> None:
    row = con.sql("select head, rows, classes, method, accuracy > 0.7 from inlay_heads()").fetchall()
    assert row == [("kinds", 400, 2, "centroid", True)]
