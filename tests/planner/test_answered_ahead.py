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

JOINED = {
    # Without its call the condition of an anti join would leave fewer rows.
    "select a from x anti join y on x.k = y.k and ai_complete(y.w) = 'q' where ai_sentiment(a) <> 'q'": 13 + 3,
    # Groups and windows are made before they are joined.
    "select q.k from (select k from x group by k having ai_sentiment(max(a)) <> 'q') q, y where q.k = y.k and z = 1": 2,
    "select q.k from (select k from x group by k having ai_sentiment(max(a)) <> 'q') q, y where q.k = y.k and q.k = 1": 1,
    "select q.i from (select k, i from x group by all having ai_sentiment(max(a)) <> 'q') q left join y on q.k = y.k "
    "where q.i = 1": 1,
    "select r from (select f, k, row_number() over (order by i) as r from (select ai_complete(a) as f, k, i from x)) q "
    "join y using (k) where r = 1 and z = 1": 13,
}

CONDITIONS = {
    "select a from x where ai_complete(a) = 'q' or (ai_sentiment(a) = 'q' or k = 1)": 2 * 13,
    "select a from x where (ai_sentiment(a) = 'q' or k = 1) and k = 1": 0,
    "select a from x where i < 9 and ((ai_sentiment(a) = 'q' or (k = 1 or i = 2)) and n is not null)": 3,
}


SUBQUERIES = {
    # The condition reads none of the rows around: DuckDB makes it for all of its own.
    "select a from x where exists (select 1 from y where y.k = x.k and ai_sentiment(y.a || 'b') = 'positive')": 4,
    "select a from x where exists (select 1 from y where y.k = x.k and ai_sentiment(w) = 'positive')": 5,
    "select a from x where exists (select 1 from y where y.k = x.k and y.z = 1 and ai_sentiment(y.a) = 'q')": 2,
    "select a from x where exists (select 1 from y where y.k = x.k and ai_sentiment(x.n) = 'q')": 5,
    # HAVING comes after the rows that the subquery reads.
    "select k from x where i > (select avg(j.i) from x as j where ai_sentiment(x.n) <> 'q' and j.k = x.k) group by k "
    "having count(*) > 1": 5,
    # A WITH clause of its own.
    "select v.a from (with c as (select 'p' as a, 'q' as b) select c.a, c.b from c) v where ai_complete(v.b) > 'a'": 1,
    "with d as (from x) select * from (with c as (from d where k = 1) select ai_complete(c.a) as f, i from c) v "
    "where v.i < 9": 3,
}

VALUES = {
    "select x.i, q.f from x, lateral (values (ai_sentiment(x.a)), (ai_sentiment(x.n))) q(f)": 13 + 5,
    "select i, (values (ai_sentiment(a))) as f from x where k = 1": 8,
    "select i from x, lateral (select ai_sentiment(x.a) as f, 1 as one) q": 0,
}

GROUPS = {
    # FILTER is asked of rows, not of groups.
    "select k, count(*) filter (where ai_sentiment(a) = 'q') from x group by all having count(*) > 1": 13,
    "select k, count(*) filter (where ai_sentiment(a) = 'q') as c from x where i < 4 group by k order by k limit 1": 4,
    # HAVING is asked of groups, which are made by a column's call.
    "select ai_sentiment(k::varchar) as f, max(n) from x group by 1 having ai_complete(max(n)) > 'a'": 3 + 1,
    "select ai_sentiment(k::varchar) as f, max(n) from x group by all having ai_complete(max(n)) > 'a'": 3 + 1,
    # In GROUP BY and WHERE a name is a column's first.
    "with c as (select ai_sentiment(a) as a from x group by a) select 1 from c": 0,
    "with c as (select ai_sentiment(a) as a, k from x where a > 't2') select k from c": 0,
    "with c as (select ai_sentiment(a) as a from x group by 1) select 1 from c": 13,
}

FEWEST_FIRST = {
    # y has five rows, of which k = 1 … 4 find rows of x.
    "select x.a from x join y on x.k = y.k where ai_sentiment(x.a) = 'q' and ai_sentiment(y.w) = 'q'": 3,
    "select a from x where coalesce(ai_complete(a) = 'mixed', true) and ai_complete('constant') = 'q'": 1,
    "select a from x where ai_complete(ai_sentiment(n)) = 'q' and (i > 3 or k = 1) and ai_sentiment(k::varchar) = 'q'": 3,
    "select a from x where ai_sentiment(ai_redact(a)) = 'q' and ai_sentiment('constant') = 'q'": 1,
    # Whose model is not asked, and not looked for.
    "select a from x where ai_sentiment(k::varchar) = 'q' and ai_sentiment(a, model := 'nosuch') = 'q'": 3,
}

COLUMNS = {
    "select ai_sentiment(columns('^(a|n)$')) from x": 13 + 5,
    "select k, upper(ai_sentiment(columns(['a', 'n']))) as \"s_\\0\" from x where k = 1": 8 + 5,
    "with c as (select a, n from x) select ai_sentiment(columns(c.*)) || columns(c.*) from c": 13 + 5,
    "create or replace temp table made as select i, ai_sentiment(columns(lambda c: c in ('a', 'n'))) from x": 13 + 5,
    "select a from (select ai_sentiment(columns(* exclude k)), k from (select a, n, k from x)) where k = 1": 8,
}

OTHER_KINDS = {
    "unpivot (select k, ai_sentiment(a) as p, a from x where k = 1) on p, a into name nm value vl": 8,
    "unpivot (select k, ai_sentiment(a) as p from x) on columns(* exclude k)": 13,
    "summarize select ai_sentiment(n) as p, i from x": 5,
    "pivot (select k, ai_sentiment(text := n) as p from x) on p using count(*) group by k": 5,
    "set variable felt = (select max(ai_sentiment(text := n)) from x)": 5,
}

RETURNING = {
    "begin; delete from target where k < 2 returning k, ai_sentiment(w) as felt": 2,
    "begin; delete from target using y where y.k = target.k and ai_sentiment(y.w) <> 'q' returning ai_complete(w) as s": 4,
    "begin; update target set w = w || '!', z = 3 where k < 2 returning ai_sentiment(w) as felt": 2,
    "begin; update target t set w = ai_complete(t.w) returning w, ai_sentiment(t.w) as felt": 3 + 3,
    "begin; insert into target select 100 + i, a, 1 from x where i < 3 returning *, ai_sentiment(w) as felt": 3,
    "begin; insert into target (w, k) select ai_complete(a), 100 + i from x where i < 3 "
    "returning ai_sentiment(w) as felt; rollback": 3 + 3,
}

SEVERAL = {
    "prepare ask as select ai_sentiment(a) from x where k = $1; execute ask(1)": 8,
    "prepare every as select ai_sentiment(a) from x; execute every": 13,
}


@pytest.mark.parametrize(
    ("sql", "n"),
    {
        **CUT,
        **DISTINCT,
        **WINDOWS,
        **CONDITIONS,
        **SUBQUERIES,
        **VALUES,
        **GROUPS,
        **FEWEST_FIRST,
        **COLUMNS,
        **OTHER_KINDS,
        **SEVERAL,
    }.items(),
)
def test_asked_ahead(pair: Pair, sql: str, n: int) -> None:
    plain, planned = both_outcomes(pair, sql)
    assert difference(plain, planned) is None
    assert (planned.inferred, planned.asked_by_calls) == (n, 0)
