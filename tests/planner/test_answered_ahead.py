"""Which inputs are asked ahead of a statement: all that it needs, and none beyond them. The numbers are those of distinct
inputs, counted by hand: `a` has 13 values and 8 where k = 1, `n` has 5."""

from __future__ import annotations

import pytest

from support.everyday_statements import connections
from support.outcomes import Pair, both_outcomes, difference


@pytest.fixture(scope="module")
def pair() -> Pair:
    return connections()


CUT = {
    "select ai_sentiment(a) from x limit 3": 3,
    "select ai_sentiment(a) from x limit 3 offset 2": 3,
    "select ai_sentiment(a) from x limit 10%": 2,
    "select ai_sentiment(a) from x limit (select 3)": 3,
    "select ai_sentiment(a) from x offset 20": 13,
    "select k, ai_sentiment(max(a)) from x group by k limit 1 offset 1": 1,
    "select * from (select ai_sentiment(a) as f, i from x) limit 3": 3,
    "select * from (select ai_sentiment(a) as f, i from x) limit 3 offset 2": 13,
    # A lookup of the outer SELECT is a join, below which there is no LIMIT.
    "select ai_sentiment(a) || f from (select ai_complete(a) as f, a from x limit 3 offset 2) limit 2": 3 + 2,
}

DISTINCT = {
    "select distinct ai_sentiment(a) as f from x limit 3": 13,
    "select count(*) from (select distinct k, ai_complete(a) as f from x limit 3) where k = 1": 13,
    "select count(*) from (select distinct k, ai_complete(a) as f from x) where k = 1": 8,
    "select distinct f from (select ai_complete(a) as f, k from x) where k = 1 order by f limit 1": 8,
    "select count(*) from (select distinct k, f from (select ai_complete(a) as f, k, i from x) where i < 4) where k = 1": 1,
    "select * from (select distinct k, f from (select ai_complete(a) as f, k from x) limit 2) where k = 1": 13,
    "select distinct on (k) f, k from (select ai_complete(a) as f, k, i from x) where i < 4 order by k, i": 4,
}

WINDOWS = {
    "select k, f from (select ai_complete(a) as f, k, i from x) qualify row_number() over (partition by k order by i) = 1": 13,
    "select * from (select *, row_number() over (partition by k order by i) as r from (select ai_complete(a) as f, k, i "
    "from x)) where r = 1": 13,
    "select * from (select *, row_number() over (partition by k order by i) as r from (select ai_complete(a) as f, k, i "
    "from x)) where r = 1 and k = 1": 8,
    "select * from (select i, k, ai_complete(a) as f, row_number() over (partition by k order by i) as r from x) "
    "where r = 1 and k = 1": 1,
}

CONDITIONS = {
    "select a from x where ai_complete(a) = 'q' or (ai_sentiment(a) = 'q' or k = 1)": 2 * 13,
    "select a from x where (ai_sentiment(a) = 'q' or k = 1) and k = 1": 0,
    "select a from x where i < 9 and ((ai_sentiment(a) = 'q' or (k = 1 or i = 2)) and n is not null)": 3,
}


@pytest.mark.parametrize(("sql", "n"), {**CUT, **DISTINCT, **WINDOWS, **CONDITIONS}.items())
def test_asked_ahead(pair: Pair, sql: str, n: int) -> None:
    plain, planned = both_outcomes(pair, sql)
    assert difference(plain, planned) is None
    assert (planned.inferred, planned.asked_by_calls) == (n, 0)
