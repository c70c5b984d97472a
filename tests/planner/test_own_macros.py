"""Macros of the user's that call a model, row values given by name, and subqueries that read the rows around them: planned
as if the calls stood there, with the rows, names and inputs of the plain path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import inlay
from inlay.execution import statement
from inlay.execution.statement import prepare
from support.everyday_statements import TABLES
from support.outcomes import Pair, both_outcomes, difference

MACROS = """
create macro loud(q) as feeling(q) || '!';
create macro two(q) as ai_sentiment(q), (q, r) as ai_sentiment(q || r);
create macro opt(q, w := 'z') as ai_sentiment(q || w);
create macro of_k(q) as (select max(ai_sentiment(w)) from y where y.k = q);
create macro of_b(q) as ai_sentiment(q.b);
create macro bound(a) as list_transform([a], lambda a: a || 'x')[1] || ai_sentiment(a);
create view seen as select i, loud(a) as felt from x;
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    made = []
    for _ in range(2):
        con = inlay.connect(model="fake", language_model="fake-generate", progress="off")
        con.execute(TABLES)
        con.execute(MACROS)
        made.append(con)
    yield made[0], made[1]


OWN = [
    "select a, feeling(a), upper(loud(a)) from x where feeling(a) <> 'neutral'",
    "select feeling(t := a), count(*) from x group by all",
    "select two(a), two(a, n), main.feeling(n) from x",
    "select of_b(s) from x",
    "select f.felt from feelings(1) f join y on y.k = f.i",
    "from feelings(2) where felt <> 'positive'",
    "select felt, count(*) from seen group by felt",
    "select feeling(feeling(a)) as f from x order by loud(n), a limit 3",
]
BY_NAME = [
    "select ai_sentiment(text := a), ai_classify(labels := ['u', 'v'], text := n) from x",
    "select ai_sentiment(text := ai_sentiment(text := a)) as q from x where ai_similarity(a := a, b := 'q') > 0",
]
CORRELATED = [
    "select x.i, (select ai_sentiment(x.a)) as c from x where x.i < 9",
    "select x.i, (select max(ai_sentiment(y.w || x.a)) from y where y.k = x.k) as c from x where x.i < 9",
    "select a from x where exists (select 1 from y where y.k = x.k and ai_sentiment(y.a || x.n) = 'positive')",
    "select x.i, q.s from x, lateral (select ai_sentiment(y.w || x.a) as s from y where y.k = x.k) q where x.i < 6",
    "select x.i, (select (select ai_sentiment(x.a || y.w)) from y where y.k = x.k) as c from x where i < 5",
    "with c as (from x where i < 8) select i, (select count(*) from y where ai_sentiment(c.a) = 'positive' and y.k = c.k) from c",
    "select i from x where a in (select 't' || ai_classify(x.n, ['1', '2']) from y)",
]


@pytest.mark.parametrize("sql", OWN + BY_NAME + CORRELATED)
def test_it_is_planned(pair: Pair, sql: str) -> None:
    plain, planned = both_outcomes(pair, sql)
    assert difference(plain, planned) is None
    assert planned.error is None
    assert planned.inferred <= plain.inferred
    con = pair[1]
    con._session.cache.clear()
    assert prepare(con._session, con.duckdb, sql).staged


@pytest.mark.parametrize(
    "sql",
    [
        "select opt(a), opt(a, w := 'u') from x",  # DuckDB does not tell a default
        "select k, of_k(k) from x",  # inside its query k would be another column
        "select bound(n) from x",
        "select feeling(a, a) from x",
        "select feeling(nosuch) from x",
        "select ai_similarity(b := a, nosuch := 'q') from x",
        "with feeling as (select 'x' as p) select feeling(p) from feeling",
    ],
)
def test_what_cannot_be_written_out_is_as_it_was(pair: Pair, sql: str) -> None:
    plain, planned = both_outcomes(pair, sql)
    assert difference(plain, planned) is None
    assert planned.inferred <= plain.inferred


def test_macros_of_a_file_are_known_when_it_is_opened(tmp_path: Path) -> None:
    for sql in ("create macro own(q) as ai_sentiment(q)", "select own('a')"):
        with inlay.connect(tmp_path / "a.duckdb", model="fake", progress="off") as con:
            con.execute(sql)
            assert con._session.mentions.may_call("select own(x)")


CHANGES = {
    "another body": "create or replace macro said(t) as ai_sentiment(t || '?')",
    "another parameter": "create or replace macro said(u) as ai_sentiment(u)",
    "parameters with types": "create or replace macro said(t integer) as ai_sentiment('i' || t), (t varchar) as ai_complete(t)",
    "no call": "create or replace macro said(t) as upper(t)",
    "a temporary one before it": "create temp macro said(t) as ai_complete(t)",
    "none": "drop macro said",
}


@pytest.mark.parametrize("by_another", [False, True])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_macro_is_read_again_once_it_is_another(
    change: str, by_another: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_read = list[int]()
    read = statement.macros_that_call
    monkeypatch.setattr(statement, "macros_that_call", lambda *a: (n_read.append(1), read(*a))[1])
    asked = ["select a, said(t := a) as r from x order by a", "create table r as select said(a) from x"]
    pair = []
    for _ in range(2):
        con = inlay.connect(model="fake", language_model="fake-generate", progress="off")
        con.execute(
            "create table x as select 't' || i as a from range(9) r(i); create macro said(t) as ai_sentiment(t)"
        )
        pair.append(con)
    for each in (*asked, "drop table r", asked[0]):
        assert difference(*both_outcomes((pair[0], pair[1]), each)) is None
    assert n_read == [1]
    assert len(prepare(pair[1]._session, pair[1].duckdb, asked[0]).staged) == 1
    for con in pair:
        (con.duckdb.cursor() if by_another and "temp" not in change else con.duckdb).execute(change)
    for each in (asked[0], "select said(a) from x", *asked):
        assert difference(*both_outcomes((pair[0], pair[1]), each)) is None
    for con in pair:
        con.close()


def test_a_macro_that_calls_nothing_is_not_known() -> None:
    with inlay.connect(model="fake", progress="off") as con:
        con.execute(
            "create macro loud(t) as upper(t); create macro felt(t) as ai_sentiment(t); select ai_sentiment('a')"
        )
        assert con._session.mentions.names_macro("select felt(a) from x")
        assert not con._session.mentions.names_macro("select loud(a) from x")
