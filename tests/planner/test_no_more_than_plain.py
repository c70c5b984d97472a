"""A planned statement asks for no input that DuckDB would not ask for by itself, where some of its calls cannot be planned
as well."""

from __future__ import annotations

import pytest

from inlay.execution.statement import prepare
from inlay.parsing.marks import numbers_in
from inlay.planner.crowds import MOST_LOOKUPS
from support.everyday_statements import connections
from support.outcomes import Pair, asks_more, both_outcomes, difference


@pytest.fixture(scope="module")
def pair() -> Pair:
    return connections()


LATER = "ai_classify(x.s, ['good', 'bad', 'ugly']) = 'good'"  # a STRUCT is handed to the function as it is

STATEMENTS = {
    "before another condition": f"select a from x where {LATER} and ai_sentiment(a) = 'positive'",
    "between others": f"select a from x where ai_sentiment(a) = 'positive' and {LATER} and ai_complete(a) > 'f'",
    "after another, which drops rows": f"select a from x where ai_sentiment(a) = 'positive' and {LATER}",
    "before the columns": f"select ai_complete(a) as r from x where {LATER}",
    "before the groups": f"select k, ai_complete(max(a)) from x where ai_sentiment(n) = 'x' and {LATER} group by k",
    "in HAVING": "select k, ai_complete(max(a)) as r from x group by k having ai_sentiment(max(s)) = 'positive'",
    "in QUALIFY": f"select ai_complete(a) from x qualify row_number() over (partition by k order by i) = 1 and {LATER}",
    "a subquery of a condition": "select a from x where ai_sentiment(a) <> 'q' and i = (select max(i) from x "
    "where ai_complete(n) > 'a')",
    "a CTE by other names": "with c(p, q) as (select i, ai_complete(a) from x) select q, p from c join y on y.k = c.p",
    "a subquery by other names": "select q from (select i, ai_complete(a), k from x) c(p, q) where p = 3 and k = 0",
    "a join by two calls": "select * from (select ai_sentiment(x.a) as p, k from x) q "
    "join (select ai_complete(n) as p, k from x) r on q.p = r.p where q.k = 1 and r.k = 2",
    "nothing reads it below LIMIT": "select a from (select a, ai_complete(a) as r from x order by i limit 5) v",
    "nothing reads it beside GROUP BY ALL": "with c as (select k, ai_complete(max(a)) as r from x group by all) "
    "select count(*) from c",
    "beside an anti join by a call": "select ai_complete(n) as r, a from x anti join y on x.k = y.k and "
    "(ai_redact('constant') = 'positive' or x.k = 1)",
    "CASE before a subquery": "select a from x where case when k = 1 then ai_redact(a) = 'q' else true end "
    "and i = (select max(i) from x where ai_complete(upper(a)) <> 'q')",
    "before a subquery over JSON": "select a from x where ai_sentiment(a) like '%o%' and i = (select max(i) from x "
    "where ai_similarity(j->'b', 'query') > -2)",
    "HAVING before the columns": "select ai_complete(a) as r from x group by a, k having ai_sentiment(max(n)) is not null",
    "no rows": "select a from x where ai_sentiment(a) <> 'q' limit 0",
    "the time": "select ai_sentiment(now()::varchar) is null as r",
}


@pytest.mark.parametrize("sql", STATEMENTS.values(), ids=STATEMENTS)
@pytest.mark.parametrize("begin", ["", "begin; "])
def test_no_more_than_plain(pair: Pair, sql: str, begin: str) -> None:
    plain, planned = both_outcomes(pair, begin + sql)
    assert plain.error is None
    assert difference(plain, planned) is None
    assert not asks_more(plain, planned)


@pytest.mark.parametrize(
    "sql",
    [
        "select ai_sentiment(text := a) from x",
        "select ai_classify(text := upper(n), labels := ['good', 'bad']) as c from x where k = 1",
        "select ai_similarity(a := ai_complete(prompt := a), b := 'q') from x",
        "select ai_classify(labels := ['good', 'bad'], text := n) from x",
    ],
)
def test_values_by_name(pair: Pair, sql: str) -> None:
    plain, planned = both_outcomes(pair, sql)
    assert difference(plain, planned) is None
    if not plain.error and "(labels" not in sql:
        assert plain.by_calls and not planned.by_calls


def test_many_ctes_look_up_no_more_than_they_need(pair: Pair) -> None:
    ctes = ", ".join(f"c{i} as (select k, ai_complete(a || '{i}') as r from y)" for i in range(20))
    joined = " ".join(f"positional join c{i}" for i in range(1, 20))
    prepared = prepare(pair[1]._session, pair[1].duckdb, f"with {ctes} select * from c0 {joined}")
    texts = [text for staged in prepared.staged.values() for text in staged.texts]
    assert len(texts) == 20
    assert max(len(numbers_in(text)) for text in texts) <= MOST_LOOKUPS
