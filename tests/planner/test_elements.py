"""Calls inside a lambda or a list comprehension are asked ahead, of the elements of the lists of the rows that reach them."""

from __future__ import annotations

import pytest

from support.everyday_statements import connections
from support.outcomes import Pair, both_outcomes, difference


@pytest.fixture(scope="module")
def pair() -> Pair:
    return connections()


# Of x, l has five different elements and NULL; a has 13 values, 8 where k = 1.
ELEMENTS = {
    "select i, list_transform(l, lambda q: ai_sentiment(q)) as r from x": 5,
    "select i, list_transform(l, lambda q, n: ai_sentiment(q || n)) as r from x": 5,
    "select i, list_apply(l, lambda q: ai_sentiment(q)), [ai_sentiment(q) for q in l] as r from x": 5,
    "select i, [ai_sentiment(q) for q in l if q <> 'l1'] as r from x": 5,  # which DuckDB makes before it drops some
    "select i, [ai_sentiment(q) for q in l if ai_complete(q) <> 'z'] as r from x": 5 + 5,
    "select i, list_transform(l, lambda q: case when q = 'l1' then ai_sentiment(q) end) as r from x": 1,
    "select i, list_transform(if(k = 1, [a], []), lambda q: ai_sentiment(a)) as r from x": 8,
    "select i, list_transform([s], lambda q: ai_sentiment(q.b)) as r from x": 5,
    "select i, [ai_sentiment(q.b) for q in [s]] as r from x": 5,
    "select i, list_transform([{'q': a}], lambda q: {'q': ai_sentiment(q.q)}) as r from x": 13,
    "select i, list_transform([l], lambda q: list_transform(q, lambda q: ai_sentiment(q))) as r from x": 5,
    "select i, list_transform([l], lambda p: list_filter(p, lambda q: ai_sentiment(q || a) <> 'x')) as r from x where i < 1": 2,
    "select i, list_transform(list_transform(l, lambda q: ai_redact(q)), lambda r: ai_sentiment(r)) as r from x": 5 + 5,
    "select list_transform(['p', 'q', 'p'], lambda q: ai_sentiment(q)) as r": 2,
    # A name of the body is no column.
    "select i, [ai_sentiment(a) for a in l] as r from x": 5,
    "select i, list_transform(l, lambda i: ai_sentiment(i)) as r from x": 5,
    # In other clauses, and below what drops rows.
    "select i from x where len(list_filter(l, lambda q: ai_sentiment(q) <> 'positive')) > 1": 5,
    "select i from x where k = 1 and len(list_filter(l, lambda q: ai_sentiment(q) <> 'positive')) > 1": 3,
    "select i from x where ai_sentiment(a) = 'q' and len(list_filter(l, lambda q: ai_sentiment(q) <> 'q')) > 1": 13,
    "select r from (select i, list_transform(l, lambda q: ai_sentiment(q)) as r from x) where i = 3": 2,
    "select count(*) from (select list_transform(l, lambda q: ai_sentiment(q)) as r from x)": 0,
    "select list_transform(l, lambda q: ai_sentiment(q))[1] as r, count(*) from x group by r": 5,
    "select i, list_transform(l, lambda q: ai_sentiment(q)) as r from x order by i limit 3": 5,
    "select x.i, q.r from x, lateral (select list_transform(x.l, lambda q: ai_sentiment(q)) as r) q": 5,
    "select x.i, (select list_transform([x.a], lambda q: ai_sentiment(q)) from y where y.k = x.k) as r from x": 13,
    "select i, ai_sentiment(list_transform(l, lambda q: ai_redact(q))[1]) as r from x where k = 1": 3 + 1,
}


@pytest.mark.parametrize("sql", ELEMENTS)
def test_asked_ahead(pair: Pair, sql: str) -> None:
    plain, planned = both_outcomes(pair, sql)
    assert difference(plain, planned) is None
    assert (planned.inferred, planned.asked_by_calls) == (ELEMENTS[sql], 0)


@pytest.mark.parametrize(
    "sql",
    [
        "select i, list_reduce(l, lambda p, q: ai_complete(p || q)) as r from x",  # of what the body gave before
        "select list_transform(list(a order by i), lambda q: ai_sentiment(q)) as r from x group by k",
        "select i, list_transform(l, lambda q: ai_sentiment(q)) as r from x limit 1",
        "select i, list_transform(l, lambda q: ai_sentiment(q)) as r from x qualify row_number() over (order by i) < 3",
    ],
)
def test_others_are_left_to_the_call(pair: Pair, sql: str) -> None:
    plain, planned = both_outcomes(pair, sql)
    assert difference(plain, planned) is None
    assert planned.inferred == plain.inferred == planned.asked_by_calls


@pytest.mark.parametrize("sql", ["update target set w = list_transform([w], lambda q: ai_sentiment(q))[1]"])
def test_in_changes(pair: Pair, sql: str) -> None:
    plain, planned = both_outcomes(pair, f"begin; {sql}")
    assert difference(plain, planned) is None
    assert (planned.inferred, planned.asked_by_calls) == (3, 0)
