"""Cascades: targets hold as often as stated, however good the proxy is; what is exact stays exact."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import inlay
from inlay.client.connection import Connection
from inlay.client.sessions import find_session
from inlay.errors import CannotServeError, ConfigError, InlayError, UnknownModelError
from inlay.execution.answering import Rows as CallRows
from inlay.execution.session import Session
from inlay.functions.cascade.cascade import _Pairs, separation
from inlay.functions.cascade.guarantee import Certificate, classified, filtered
from inlay.functions.cascade.nested_sets import Tail, log_evidence
from inlay.functions.cascade.proxy_head import fit_head, likeness
from support.invented_proxies import (
    KINDS,
    Oracle,
    Rows,
    calibrated,
    contrary,
    good,
    just_too_bad,
    most_misses,
    useless,
)
from support.tiny_models import TinyModels, words

pytest_plugins = ["support.tiny_models"]

TARGETS: tuple[dict[str, float], ...] = ({"recall": 0.9}, {"precision": 0.9}, {"recall": 0.9, "precision": 0.9})
TRIALS = 100


def trial(
    make: Callable[[np.random.Generator, int], Rows],
    n: int,
    seed: int,
    counts: np.ndarray | None = None,
    **targets: Any,
) -> tuple[bool, float, Certificate]:
    """(whether the targets hold, share of inputs asked, the certificate) of one draw."""
    rng = np.random.default_rng(seed)
    scores, true = make(rng, n)
    oracle = Oracle(true)
    decided = filtered(scores, oracle, seed=seed, counts=counts, **targets)
    rows = np.ones(n) if counts is None else counts
    given = np.where(decided.asked, decided.answers == 1, decided.accepted)
    np.testing.assert_array_equal(decided.asked, oracle.n_asked == 1)
    assert decided.certificate.asked == oracle.n_asked.sum() <= n
    hits = rows[given & true].sum()
    holds = hits >= targets.get("recall", 1) * rows[true].sum() - 1e-9
    holds = holds and hits >= targets.get("precision", 1) * rows[given].sum() - 1e-9
    return bool(holds), float(oracle.n_asked.sum() / max(n, 1)), decided.certificate


@pytest.mark.parametrize("targets", TARGETS, ids=lambda targets: "-".join(targets))
@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_targets_hold_as_often_as_stated(make: Any, targets: dict[str, float]) -> None:
    # 0.8, so that a bound that is too bold shows in 100 trials: 35 misses are then one in ten thousand.
    held = [trial(make, 400, seed, probability=0.8, **targets)[0] for seed in range(TRIALS)]
    assert TRIALS - sum(held) <= most_misses(TRIALS, 0.8)


@pytest.mark.parametrize("make", [good, just_too_bad, useless], ids=lambda make: make.__name__)
def test_agreement_holds_as_often_as_stated(make: Any) -> None:
    missed = 0
    for seed in range(TRIALS):
        rng = np.random.default_rng(seed)
        scores, true = make(rng, 400)
        guesses = (scores >= 0.5).astype(np.int64)
        decided = classified(abs(scores - 0.5), guesses, Oracle(true), agreement=0.9, probability=0.8, seed=seed)
        given = np.where(decided.asked, decided.answers, guesses)
        missed += (given == true).mean() < 0.9 - 1e-9
    assert missed <= most_misses(TRIALS, 0.8)


def test_a_weighted_row_counts_as_often_as_it_occurs() -> None:
    missed = 0
    for seed in range(TRIALS):
        counts = np.random.default_rng(seed).geometric(0.2, 300)
        missed += not trial(calibrated, 300, seed, counts, recall=0.9, precision=0.9, probability=0.8)[0]
    assert missed <= most_misses(TRIALS, 0.8)


@pytest.mark.parametrize("n", [0, 1, 2, 10, 33])
@pytest.mark.parametrize("targets", TARGETS, ids=lambda targets: "-".join(targets))
def test_few_inputs_are_all_asked_or_right(n: int, targets: dict[str, float]) -> None:
    held = [trial(calibrated, n, seed, probability=0.95, **targets)[0] for seed in range(20)]
    assert sum(held) >= 20 - most_misses(20, 0.95)


def test_the_evidence_is_rarely_against_what_is_true() -> None:
    """Ville's inequality for the evidence itself, looked at after every draw: at most one run in ten at 1/10."""
    rng = np.random.default_rng(5)
    n, errors, runs, wrongly = 120, 12, 1_000, 0
    for _ in range(runs):
        wrong = np.cumsum(rng.permutation(np.arange(n) < errors))
        drawn = np.arange(1, n + 1)
        wrongly += bool((log_evidence(np.full(n, n), drawn, wrong, errors) >= math.log(10)).any())
    assert wrongly <= 0.1 * runs + 3 * math.sqrt(0.09 * runs)


def test_the_evidence_is_as_computed_with_exact_fractions() -> None:
    n, k, x, least = 40, 15, 1, 12
    likelihood = lambda m: math.comb(n - k, m - x) / math.comb(n, m) if x <= m <= n - k + x else 0.0  # noqa: E731
    mean = 0.5 * likelihood(0) + 0.5 / 6 * sum(likelihood(m) for m in (1, 2, 4, 8, 16, 32))
    found = log_evidence(np.array([n]), np.array([k]), np.array([x]), least)[0]
    assert found == pytest.approx(math.log(mean / likelihood(least)), abs=1e-9)
    assert log_evidence(np.array([n]), np.array([k]), np.array([x]), x)[0] == -np.inf, "as many were seen"
    assert log_evidence(np.array([n]), np.array([k]), np.array([x]), 27)[0] == np.inf, "26 rows are left at most"


def test_the_evidence_of_large_sets_is_that_of_exact_fractions() -> None:
    n, k, least = 50_000, 3_000, 100
    given_least = math.prod((n - k - i) / (n - i) for i in range(least))
    found = log_evidence(np.array([n]), np.array([k]), np.array([0]), least)[0]
    atoms = [math.prod((n - k - i) / (n - i) for i in range(2**a)) for a in range(16)]
    assert found == pytest.approx(math.log((0.5 + 0.5 / 16 * sum(atoms)) / given_least), abs=1e-6)


def test_equal_scores_are_never_apart() -> None:
    scores = np.repeat([0.1, 0.2, 0.3], [50, 5, 45])
    tail = Tail(scores, np.ones(100, dtype=np.bool_), np.ones(100, dtype=np.int64), 0.05)
    for score in (0.1, 0.2, 0.3):
        assert len(set(tail.bins[scores == score])) == 1
    assert list(tail.sizes) == [50, 55, 100]


def test_a_good_proxy_saves_most_calls_and_a_useless_one_none() -> None:
    assert trial(good, 5_000, 1, recall=0.9, precision=0.9)[1] < 0.1
    share, certificate = trial(good, 5_000, 1, recall=0.95)[1:]
    assert share < 0.45, "0.3 of them are TRUE, and without a target for precision each of these is asked"
    assert certificate.upper is None
    assert certificate.lower is not None
    assert trial(useless, 5_000, 1, recall=0.95)[1] == 1.0
    assert trial(contrary, 5_000, 1, recall=0.95, precision=0.95)[1] == 1.0


def test_a_target_of_one_is_exact_on_its_side() -> None:
    share, certificate = trial(good, 500, 3, recall=1.0, precision=1.0)[1:]
    assert share == 1.0
    assert (certificate.lower, certificate.upper) == (None, None)


def test_the_same_rows_are_drawn_again_and_among_others_too() -> None:
    rng = np.random.default_rng(2)
    ids = rng.integers(0, 2**63, 2_000).astype(np.uint64)
    scores, true = good(rng, 2_000)

    def asked(n: int) -> np.ndarray:
        return filtered(scores[:n], Oracle(true[:n]), recall=0.9, precision=0.9, ids=ids[:n], seed=7).asked

    first = asked(1_900)
    np.testing.assert_array_equal(first, asked(1_900))
    assert (first & asked(2_000)[:1_900]).sum() > 0.6 * first.sum()


def test_inputs_without_a_score_and_failures_of_the_exact_model() -> None:
    rng = np.random.default_rng(4)
    scores, true = good(rng, 1_000)
    scores[::50] = np.nan
    answers = true.astype(np.int64)
    answers[1::50] = -1
    decided = filtered(scores, Oracle(answers), recall=0.9, precision=0.9)
    assert decided.asked[::50].all()
    given = np.where(decided.asked, decided.answers == 1, decided.accepted)
    assert (given & (answers == 1)).sum() >= 0.9 * max(given.sum(), (answers == 1).sum())


def test_left_out_scores_are_those_of_a_head_without_the_example() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 6)).astype(np.float32)
    wanted = (features[:, :1] > 0).astype(np.float32)
    head = fit_head(features, wanted)
    kernel = likeness(features, features).astype(np.float64)
    # The ridge that was chosen: weights = (K + r)^-1 y.
    ridge = float(np.median((wanted - kernel @ head.weights) / head.weights))
    for i in (0, 7, 39):
        rest = np.delete(np.arange(40), i)
        weights = np.linalg.solve(kernel[np.ix_(rest, rest)] + ridge * np.eye(39), wanted[rest])
        assert head.left_out[i, 0] == pytest.approx(float((kernel[i, rest] @ weights)[0]), abs=1e-3)


# ---- with models


TEXTS = [words(3 + i % 9, seed=i) for i in range(600)]
PREDICATE = "the customer is unhappy"


@pytest.fixture
def models(tiny_models: TinyModels) -> dict[str, str]:
    nli = tiny_models.classifier(["contradiction", "neutral", "entailment"], pairs=True)
    return {
        "proxy": str(tiny_models.sentence()),
        "other": str(tiny_models.sentence(mode="cls")),
        "judge": str(nli),
        "topics": str(tiny_models.classifier(["late", "broken", "fine"])),
    }


@pytest.fixture
def con(models: dict[str, str], tmp_path: Path) -> Iterator[Connection]:
    with inlay.connect(model="proxy", models=models, store=str(tmp_path / "store"), progress="off") as connection:
        yield connection


def session_of(con: Connection) -> Session:
    found = find_session(con)  # type: ignore[arg-type]
    assert found is not None
    return found


def answered(
    con: Connection, function: str, columns: list[pa.Array], options: dict[str, Any], *,
    whole: bool = False, detail: bool = False, counts: pa.Array | None = None,
) -> list[Any]:  # fmt: skip
    """whole: these are all the inputs of the statement. counts: rows that each of them stands for."""
    if whole and counts is None:
        counts = pa.array([1] * len(columns[0]), type=pa.int64())
    session = session_of(con)
    rows = CallRows(columns, counts=counts, whole=counts is not None)
    answers = session.answered(function, None, options, rows, session.context_of(None), detail=detail)
    return (answers.details() if detail else answers.values()).to_pylist()  # type: ignore[no-any-return]


def filter_of(con: Connection, texts: list[str] = TEXTS, **options: Any) -> list[Any]:
    how = {name: options.pop(name) for name in ("whole", "detail", "counts") if name in options}
    columns = [pa.array(texts), pa.array([PREDICATE] * len(texts))]
    return answered(con, "ai_filter", columns, {"model": "judge", **options}, **how)


def test_targets_are_met_and_what_was_asked_is_exact(con: Connection) -> None:
    exact = np.array(filter_of(con))
    assert 60 < exact.sum() < 540
    rows = filter_of(con, whole=True, detail=True, recall=0.6, precision=0.6)
    found = np.array([row["value"] for row in rows])
    asked = np.array([row["model"] == "judge" for row in rows])
    assert {row["model"] for row in rows} == {"judge", "proxy"}
    np.testing.assert_array_equal(found[asked], exact[asked])
    assert all((row["confidence"] is None) == (row["model"] == "proxy") for row in rows)
    assert (found & exact).sum() >= 0.6 * max(found.sum(), exact.sum())
    # a second time, now that all is known: the same answers
    assert filter_of(con, whole=True, recall=0.6, precision=0.6) == found.tolist()
    both = con.sql("from inlay_certificates()").fetchall()
    assert len(both) == 2
    told = con.sql(
        'select question, model, proxy, recall, "precision", agreement, probability, "rows", asked from inlay_certificates()'
    ).fetchall()
    assert told[0] == (PREDICATE, "judge", "proxy", 0.6, 0.6, None, 0.95, 600, int(asked.sum()))
    lines = con.sql("select model, inferred, known from inlay_ledger() where model = 'judge'").fetchall()
    assert lines[-1][1] == 0, "the second run asked nothing that was not known"


def test_a_column_that_is_all_true_is_not_asked_for_whole(con: Connection) -> None:
    rows = filter_of(con, whole=True, detail=True, precision=0.8, threshold=0.0)
    assert all(row["value"] for row in rows)
    assert sum(row["model"] == "judge" for row in rows) < 300
    both = filter_of(con, whole=True, detail=True, recall=0.8, precision=0.8, threshold=0.0)
    assert sum(row["model"] == "judge" for row in both) < 300


def test_what_the_proxy_said_is_not_stored_and_what_the_exact_model_said_is(con: Connection) -> None:
    rows = filter_of(con, whole=True, detail=True, recall=0.6, precision=0.6)
    n_asked = sum(row["model"] == "judge" for row in rows)
    assert 0 < n_asked < 600
    again = filter_of(con, detail=True)
    assert [row["cached"] for row in again] == [row["model"] == "judge" for row in rows]
    assert {row["model"] for row in again} == {"judge"}


def test_labels_agree_as_often_as_asked_for(con: Connection) -> None:
    def labels_of(**options: Any) -> list[Any]:
        how = {name: options.pop(name) for name in ("whole", "detail") if name in options}
        options = {"model": "topics", **options}
        return answered(con, "ai_classify", [pa.array(TEXTS)], options, **how)

    exact = np.array(labels_of())
    rows = labels_of(whole=True, detail=True, agreement=0.7)
    found = np.array([row["value"] for row in rows])
    asked = np.array([row["model"] == "topics" for row in rows])
    assert not asked.all()
    np.testing.assert_array_equal(found[asked], exact[asked])
    assert (found == exact).mean() >= 0.7
    assert all((row["scores"] is None) == (row["model"] == "proxy") for row in rows)
    told = con.sql("select question, agreement, asked, upper_rows > 0 from inlay_certificates()").fetchall()
    assert told == [("late, broken, fine", 0.7, int(asked.sum()), True)]


def test_nothing_is_approximate_without_targets_nor_chunk_by_chunk(con: Connection) -> None:
    exact = filter_of(con)
    assert filter_of(con, whole=True) == exact
    assert filter_of(con, recall=0.5, precision=0.5) == exact
    assert filter_of(con, whole=True, recall=1.0, precision=1) == exact
    # Plain functions of a cursor without a planner get chunks of rows.
    native = con.cursor()
    native.execute("create table t as select unnest(?) as body", [TEXTS])
    sql = f"select ai_filter(body, '{PREDICATE}', {{'model': 'judge', 'recall': 0.5, 'precision': 0.5}}) from t"
    import duckdb

    raw = duckdb.DuckDBPyConnection.execute(native._held if hasattr(native, "_held") else native, sql)
    assert [value for (value,) in raw.fetchall()] == exact


def test_a_statement_in_sql_meets_its_targets(con: Connection) -> None:
    con.execute("create table t as select unnest(?) as body", [TEXTS + TEXTS[:50]])
    call = "ai_filter(body, $said, model := 'judge'{})"
    exact = con.execute(f"select count(*) from t where {call.format('')}", {"said": PREDICATE}).fetchall()
    targets = """, recall := 0.6, "precision" := 0.6, probability := 0.9"""
    sql = f"select count(*) from t where {call.format(targets)}"
    found = con.execute(sql, {"said": PREDICATE}).fetchall()
    assert 0.6 * exact[0][0] <= found[0][0] <= exact[0][0] / 0.6
    told = con.sql('select recall, "precision", probability, "rows", inputs, asked < 600 from inlay_certificates()')
    assert told.fetchall() == [(0.6, 0.6, 0.9, 650, 600, True)]


def test_targets_of_the_settings_are_met_by_a_statement(models: dict[str, str], tmp_path: Path) -> None:
    settings = tmp_path / "inlay.toml"
    settings.write_text('[functions.ai_filter]\nmodel = "judge"\nrecall = 0.6\nprecision = 0.6\n')
    with inlay.connect(config=str(settings), model="proxy", models=models, progress="off") as con:
        con.execute("create table t as select unnest(?) as body", [TEXTS])
        con.execute(f"select count(*) from t where ai_filter(body, '{PREDICATE}')").fetchall()
        told = con.sql('select recall, "precision", inputs, asked < 600 from inlay_certificates()').fetchall()
    assert told == [(0.6, 0.6, 600, True)]


def test_few_inputs_are_exact(con: Connection) -> None:
    assert filter_of(con, TEXTS[:100], whole=True, recall=0.5, precision=0.5) == filter_of(con, TEXTS[:100])
    assert filter_of(con, [], whole=True, recall=0.5) == []


def test_nulls_and_rows_that_repeat(con: Connection) -> None:
    texts = [None, *TEXTS, None, *TEXTS[:200]]
    rows = filter_of(con, texts, whole=True, recall=0.6, precision=0.6)  # type: ignore[arg-type]
    assert rows[0] is None
    assert rows[601] is None
    assert rows[602:] == rows[1:201]
    n_rows, inputs = con.sql('select "rows", inputs from inlay_certificates()').fetchall()[0]
    assert (n_rows, inputs) == (800, 600)


def test_the_caller_may_say_how_many_rows_an_input_stands_for(con: Connection) -> None:
    filter_of(con, whole=True, recall=0.6, precision=0.6, counts=pa.array([1, 3] * 300))
    assert con.sql('select "rows", inputs from inlay_certificates()').fetchall() == [(1_200, 600)]


def test_all_statements_of_a_call_are_one_question(con: Connection) -> None:
    statements = [PREDICATE, "the parcel was late", "the lamp is broken"]
    columns = [pa.array([text for text in TEXTS for _ in statements]), pa.array(statements * len(TEXTS))]
    exact = session_of(con).answer("ai_filter", columns, None, {"model": "judge"}).to_pylist()
    options = {"model": "judge", "recall": 0.6, "precision": 0.6}
    rows = answered(con, "ai_filter", columns, options, whole=True)
    ((question, inputs, asked),) = con.sql("select question, inputs, asked from inlay_certificates()").fetchall()
    assert (question, inputs) == ("3 statements", 1_800)
    assert asked < 1_800
    hits = sum(a and b for a, b in zip(rows, exact, strict=True))
    assert hits >= 0.6 * sum(exact) and hits >= 0.6 * sum(rows)


def test_a_text_that_is_asked_much_looks_as_if_it_were_classified() -> None:
    # Two texts, three statements: of text 1 all cosines are high, and only one stands out.
    pairs = _Pairs(
        np.eye(2, 4, dtype=np.float32), np.eye(3, 4, dtype=np.float32), np.repeat([0, 1], 3), np.tile(range(3), 2)
    )
    looks = pairs.looks(np.array([0.1, 0.2, 0.5, 0.7, 0.7, 0.8]))
    assert looks[2] == looks.max() and looks[5] > looks[3:5].max() and looks[3] > looks[1]
    each = _Pairs(pairs.texts, pairs.statements[:2], np.array([0, 1]), np.array([0, 1]))
    np.testing.assert_allclose(each.looks(np.array([0.1, 0.3])), [-1, 1])


def test_separation_is_the_share_of_pairs_in_order() -> None:
    scores, is_true = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    assert separation(scores, is_true) == 0.75
    assert separation(-scores, is_true) == 0.25


def test_certificates_survive_the_process(con: Connection, tiny_models: TinyModels) -> None:
    filter_of(con, whole=True, recall=0.6, precision=0.6)
    store = session_of(con).settings.store
    with inlay.connect(model="fake", store=store) as later:
        told = later.sql('select "function", model, recall, run is not null from inlay_certificates()').fetchall()
    assert told == [("ai_filter", "judge", 0.6, True)]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"recall": 0}, ConfigError, "recall is 0; it must be a number above 0 and at most 1"),
        ({"recall": 1.5}, ConfigError, "recall is 1.5"),
        ({"precision": "much"}, ConfigError, "precision is 'much'"),
        ({"precision": True}, ConfigError, "precision is True"),
        ({"recall": 0.9, "probability": 1}, ConfigError, "probability is 1. A sample never gives certainty"),
        ({"recall": 0.9, "probability": -1}, ConfigError, "probability is -1"),
        ({"recall": 0.9, "model": None}, ConfigError, "the exact model and the proxy are the same, 'proxy'"),
        (
            {"recall": 0.9, "model": "other", "threshold": 0.2},
            ConfigError,
            "'other' is an embedding model, which costs",
        ),
        ({"recall": 0.9, "proxy": "topics"}, ConfigError, "the proxy 'topics' is no embedding model"),
        ({"recall": 0.9, "proxy": "nobody"}, UnknownModelError, "no model named 'nobody'"),
        ({"recall": 0.9, "proxy": 3}, ConfigError, "proxy is 3"),
        ({"agreement": 0.9}, InlayError, "agreement"),
    ],
)
def test_a_wrong_target_or_proxy_says_so(
    con: Connection, options: dict[str, Any], error: type[InlayError], message: str
) -> None:
    with pytest.raises(error, match=message):
        filter_of(con, whole=True, **options)


def test_a_proxy_is_needed(tiny_models: TinyModels) -> None:
    judge = str(tiny_models.classifier(["contradiction", "neutral", "entailment"], pairs=True))
    with inlay.connect(model="judge", models={"judge": judge}) as con, pytest.raises(ConfigError, match="are the same"):
        filter_of(con, whole=True, recall=0.9)
    with inlay.connect(model="fake-classify", models={"judge": judge}) as con:
        with pytest.raises(ConfigError, match="the proxy 'fake-classify' is no embedding model"):
            filter_of(con, whole=True, recall=0.9)
        with pytest.raises(CannotServeError):
            filter_of(con, whole=True, model="fake-classify")


def test_a_text_that_one_of_the_models_cannot_read(con: Connection, tiny_models: TinyModels) -> None:
    models = {"judge": {"source": "fake:nli", "backend": "fake"}}
    texts = [*TEXTS, "<<fail>> this"]
    with inlay.connect(model="proxy", models={**models, "proxy": str(tiny_models.sentence())}) as other:
        rows = filter_of(other, texts, whole=True, detail=True, recall=0.6, precision=0.6)
        failed = [row for row in rows if row["error"]]
        assert all(row["value"] is None and row["model"] == "judge" for row in failed)
    models = {"proxy": {"source": "fake:embed", "backend": "fake"}}
    judge = str(tiny_models.classifier(["contradiction", "neutral", "entailment"], pairs=True))
    with inlay.connect(model="proxy", models={**models, "judge": judge}) as other:
        rows = filter_of(other, texts, whole=True, detail=True, recall=0.6, precision=0.6)
        assert rows[-1]["model"] == "judge", "the proxy has no score for it"
        assert rows[-1]["value"] is not None
