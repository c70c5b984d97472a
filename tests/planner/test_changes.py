"""Statements that are no query: their calls are answered ahead for the rows that they read, and what they write, return
and refuse is what they do as they are written."""

from __future__ import annotations

import pytest

import inlay
from support.everyday_statements import TABLES
from support.installed_versions import DUCKDB
from support.outcomes import Pair, both_outcomes, contents, difference


@pytest.fixture
def pair() -> Pair:
    made = []
    for _ in range(2):
        con = inlay.connect(model="fake", language_model="fake-generate", progress="off")
        con.execute(TABLES)
        made.append(con)
    return made[0], made[1]


SOURCE = "(select k, ai_sentiment(w) as w, z from y) s"


@pytest.mark.parametrize(
    "sql",
    [
        "update target set w = ai_sentiment(w) where k > 0 returning k",
        "update target set w = ai_sentiment(y.a), z = default from y where y.k = target.k and ai_sentiment(y.w) <> 'neutral'",
        "with q as (select k, ai_sentiment(w) as s from y) update target set w = q.s from q where q.k = target.k",
        "delete from target using y where y.k = target.k and ai_sentiment(y.w) <> 'positive' returning target.k",
        "delete from x where j is not null and ai_sentiment(x.j) = 'negative'",
        f"merge into target using {SOURCE} on target.k = s.k when matched then update set w = ai_redact(s.w) "
        "when not matched then insert values (s.k, ai_redact(s.w), s.z) returning k",
        "merge into target using y on target.k = y.k when matched then update set w = ai_complete(y.w)",
        "insert into target values (50, ai_sentiment('fifty'), 1), (51, ai_complete('more'), 2), "
        "(52, ai_sentiment('x'), 3), (53, ai_sentiment(ai_complete('z')), default)",
        "insert into target (w, k) values (ai_sentiment('fifty' || 'z'), 77) on conflict do nothing",
        "values (ai_sentiment('a')), (ai_complete('b')), (ai_sentiment(null))",
        "set variable felt = (select max(ai_sentiment(a)) from x); select getvariable('felt')",
        "pivot (select k, i, ai_sentiment(a) as p from x) on p using count(*) group by k",
        "with q as (from x) pivot (select k, i, ai_sentiment(a) as p from q) on p using count(*) group by k",
        "begin; update target set w = ai_sentiment(w); commit",
    ],
)
def test_it_is_answered_ahead(pair: Pair, sql: str) -> None:
    plain, planned = both_outcomes(pair, sql)
    assert difference(plain, planned) is None
    assert contents(pair[0]) == contents(pair[1])
    assert planned.error is None
    if DUCKDB >= 2 or "update target set w = q.s from q" not in sql:  # which DuckDB 1 does not bind ahead
        assert planned.by_calls == 0
    assert planned.inferred <= plain.inferred


@pytest.mark.parametrize(
    "actions",
    [
        "when matched then update set w = ai_complete(y.w) when not matched by source then update set w = ai_redact(target.w)",
        "when matched and y.z = 0 then delete when matched then update set w = ai_complete(y.w) "
        "when not matched then insert (k, w) values (y.k, ai_redact(y.w))",
    ],
)
def test_what_duckdb_cannot_look_up_is_called_with_known_answers(pair: Pair, actions: str) -> None:
    sql = f"merge into target using y on target.k = y.k {actions}"
    plain, planned = both_outcomes(pair, sql)
    assert difference(plain, planned) is None
    assert contents(pair[0]) == contents(pair[1])
    assert planned.inferred <= plain.inferred


@pytest.mark.parametrize(
    "sql",
    [
        "update nosuch set w = ai_sentiment(w)",
        "update target set nosuch = ai_sentiment(w)",
        "delete from target where ai_sentiment(w) = 'positive' and nosuch",
        "insert into target values (50, ai_sentiment('fifty'), 1, 2)",
        "merge into target using y on target.k = y.k when matched then update set nosuch = ai_sentiment(y.w)",
        "set variable felt = (select ai_sentiment(nosuch) from x)",
    ],
)
def test_what_is_refused_asks_nothing(pair: Pair, sql: str) -> None:
    plain, planned = both_outcomes(pair, sql)
    assert planned.error is not None
    assert planned.error == plain.error
    assert planned.inferred == 0


def test_rows_of_values_are_asked_together(pair: Pair) -> None:
    con = pair[1]
    rows = ", ".join(f"({100 + i}, ai_sentiment('row {i}'), 0)" for i in range(30))
    con.execute(f"insert into target values {rows}")
    assert max(row.inferred for row in con._session.ledger.rows()) == 30
