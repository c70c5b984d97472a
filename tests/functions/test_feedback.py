"""Recall alone: what is looked for and then drawn keeps the promise as often as stated, and asks less."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import inlay
from inlay.functions.cascade.feedback import METHOD, most_true, recalled
from inlay.functions.cascade.guarantee import Decided, filtered
from inlay.functions.cascade.proxy_head import fit_head
from inlay.functions.cascade.search import FAILED
from support.invented_proxies import KINDS, Oracle, Rows, calibrated, good, most_misses
from support.tiny_models import TinyModels, words

pytest_plugins = ["support.tiny_models"]

TRIALS = 100


def run(make: Callable[[np.random.Generator, int], Rows], n: int, seed: int, **options: Any) -> tuple[Decided, Rows]:
    """By a proxy that learns nothing: its scores are what they are."""
    scores, true = make(np.random.default_rng(seed), n)
    answers, first = options.pop("answers", Oracle(true)), np.arange(0, n, max(1, n // 48))
    given: dict[str, Any] = {
        "recall": 0.9, "probability": 0.8, "usable": np.ones(n, dtype=np.bool_), "counts": np.ones(n, dtype=np.int64),
        "ids": np.random.default_rng(seed + 1).integers(2**63, size=n).astype(np.uint64), "seed": seed,
    }  # fmt: skip
    known = first, answers(first)
    given["share"] = float((known[1] == 1).mean())
    return recalled(lambda *_: scores, answers, known=known, **given | options), (scores, true)


def recall_of(decided: Decided, true: np.ndarray, counts: np.ndarray | None = None) -> float:
    rows = np.ones(len(true)) if counts is None else counts
    given = decided.asked & (decided.answers == 1)
    assert not (given & ~true).any()
    return float(rows[given].sum() / max(rows[true].sum(), 1)) if true.any() else 1.0


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_the_promise_holds_as_often_as_stated(make: Any) -> None:
    held = 0
    for seed in range(TRIALS):
        decided, (_, true) = run(make, 400, seed)
        held += recall_of(decided, true) >= 0.9 - 1e-9
    assert TRIALS - held <= most_misses(TRIALS, 0.8)


def test_a_row_counts_as_often_as_it_occurs() -> None:
    missed = 0
    for seed in range(TRIALS):
        counts = np.random.default_rng(seed).choice([1, 2, 30], size=400, p=[0.8, 0.15, 0.05])
        decided, (_, true) = run(calibrated, 400, seed, counts=counts)
        missed += recall_of(decided, true, counts) < 0.9 - 1e-9
        assert decided.certificate.rows == counts.sum()
    assert missed <= most_misses(TRIALS, 0.8)


def test_the_bound_is_that_of_exact_fractions() -> None:
    # Weights on M of a beta-binomial distribution with one half and 5.5, whose mean of 60 rows is 5.
    def rising(first: Fraction, n: int) -> Fraction:
        return math.prod((first + i for i in range(n)), start=Fraction(1))

    size, half, other = 60, Fraction(1, 2), Fraction(11, 2)
    weights = [
        math.comb(size, m) * rising(half, m) * rising(other, size - m) / rising(half + other, size)
        for m in range(size + 1)
    ]
    assert sum(weights) == 1
    assert sum(m * weight for m, weight in enumerate(weights)) == 5
    for drawn, true in ((5, 0), (20, 0), (20, 2), (40, 3), (59, 1), (60, 4)):
        seen = [
            Fraction(math.comb(size - drawn, m - true), math.comb(size, m)) if 0 <= m - true <= size - drawn else 0
            for m in range(size + 1)
        ]
        mean = sum(weight * each for weight, each in zip(weights, seen, strict=True))
        left = max(m for m, each in enumerate(seen) if each * 20 > mean)
        assert most_true(size, drawn, true, 5.0, 0.05) == left


def test_the_bound_is_below_the_truth_as_rarely_as_stated_however_often_one_looks() -> None:
    rng, n, runs, below = np.random.default_rng(3), 300, 300, 0
    for _ in range(runs):
        true = rng.permutation(np.arange(n) < 30)
        seen = np.cumsum(true)
        # Expected are far too few, which makes the bound late and never too bold.
        below += any(most_true(n, k, int(seen[k - 1]), 2.0, 0.1) < 30 for k in range(1, n, 3))
    assert below <= 0.1 * runs + 3 * math.sqrt(0.09 * runs)


def test_by_what_it_learns_it_asks_less_than_nested_sets_of_a_tenth_as_examples() -> None:
    def fitted(vectors: np.ndarray, places: np.ndarray, answers: np.ndarray) -> np.ndarray:
        return fit_head(vectors[places], (answers == 1)[:, None].astype(np.float32)).scores(vectors)[:, 0]

    n, shares = 1_200, []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        topic = rng.integers(12, size=n)
        vectors = rng.normal(0, 1, (12, 16))[topic] + rng.normal(0, 0.9, (n, 16))
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        true = np.isin(topic, (0, 1, 2)) ^ (rng.random(n) < 0.02)
        answers, first, tenth = true.astype(np.int64), np.arange(0, n, n // 48), np.arange(0, n, 10)
        decided = recalled(
            functools.partial(fitted, vectors), answers.__getitem__, recall=0.9, probability=0.95,
            known=(first, answers[first]), share=float(answers[first].mean()), usable=np.ones(n, dtype=np.bool_), counts=np.ones(n, dtype=np.int64),
            ids=np.arange(n, dtype=np.uint64), seed=seed,
        )  # fmt: skip
        scores = fitted(vectors, tenth, answers[tenth])
        sets = filtered(scores, answers.__getitem__, recall=0.9, known=(tenth, answers[tenth]), seed=seed)
        assert recall_of(decided, true) >= 0.9
        shares.append(decided.asked.mean() / sets.asked.mean())
    assert np.mean(shares) < 0.9


def test_the_same_rows_are_drawn_again_whatever_their_order() -> None:
    decided, (scores, true) = run(calibrated, 500, 7)
    assert decided.certificate.drawn_rows > 0
    order = np.random.default_rng(0).permutation(500)
    ids = np.random.default_rng(8).integers(2**63, size=500).astype(np.uint64)
    first = np.flatnonzero(np.isin(order, np.arange(0, 500, 500 // 48)))
    answers = true[order].astype(np.int64)
    again = recalled(
        lambda *_: scores[order], lambda places: answers[places], recall=0.9, probability=0.8,
        known=(first, answers[first]), share=float(answers[first].mean()), usable=np.ones(500, dtype=np.bool_), counts=np.ones(500, dtype=np.int64),
        ids=ids[order], seed=7,
    )  # fmt: skip
    np.testing.assert_array_equal(again.asked, decided.asked[order])


def test_inputs_without_scores_are_asked_and_failures_are_not_true() -> None:
    _, true = good(np.random.default_rng(1), 600)
    usable = np.arange(600) % 10 != 0
    failing = true & (np.arange(600) % 7 == 0)

    def answers(places: np.ndarray) -> np.ndarray:
        return np.where(failing[places], FAILED, true[places].astype(np.int64))

    decided, _ = run(good, 600, 1, answers=answers, usable=usable)
    assert decided.asked[~usable].all()
    assert (decided.answers[decided.asked & failing] == FAILED).all()
    held = true & ~failing
    assert (decided.answers[decided.asked] == 1).sum() >= 0.9 * held.sum()


def test_a_statement_with_recall_alone(tiny_models: TinyModels) -> None:
    models = {
        "proxy": str(tiny_models.sentence()),
        "judge": str(tiny_models.classifier(["contradiction", "neutral", "entailment"], pairs=True)),
    }
    with inlay.connect(model="proxy", models=models, progress="off") as con:
        con.execute("create table t as select unnest(?) as body", [[words(3 + i % 9, seed=i) for i in range(600)]])
        call = "ai_filter(body, 'the customer is unhappy', model := 'judge'{})"
        exact = {row for (row,) in con.execute(f"select body from t where {call.format('')}").fetchall()}
        sql = f"select body from t where {call.format(', recall := 0.7')}"
        found = {row for (row,) in con.execute(sql).fetchall()}
        assert found <= exact, "without a target for precision every TRUE is the exact model's"
        assert len(found) >= 0.7 * len(exact)
        told = con.sql(
            'select recall, "precision", "rows", asked < 600, trained + drawn_rows >= asked, lower is null, upper, method '
            "from inlay_certificates()"
        )
        assert told.fetchall() == [(0.7, None, 600, True, True, False, None, METHOD)]
        assert {row for (row,) in con.execute(sql).fetchall()} == found
