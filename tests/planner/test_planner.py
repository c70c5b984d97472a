"""What the planner asks for: per statement the distinct inputs that are gathered, and what is left to the plain path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

import inlay
from inlay.execution import streaming
from inlay.execution.gathering import FIRST_ROWS
from inlay.execution.replacement_scan import with_tables
from inlay.execution.statement import prepare
from inlay.parsing.unplannable import Unplannable
from inlay.planner.rules.order_calls import cheapest_first
from support.installed_versions import DUCKDB
from support.plain_and_planned import make_tables, same_both_ways

MOOD = "ai_sentiment(s)"
SAID = "ai_agg(s, 'what do they say?')"


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", language_model="fake-generate", progress="off") as connection:
        make_tables(connection, 20_000)
        connection.execute("create view moods as select *, ai_sentiment(s) as mood from t")
        yield connection


GATHERED = {
    f"select i, {MOOD} from t where i < 50": 50,
    f"select {MOOD}, upper({MOOD}) u from t where i % 100 = 3": 10,
    f"select {MOOD} f, count(*) from t group by f order by f": 1_000,
    f"select {MOOD}, count(*) from t group by {MOOD}": 1_000,
    f"select k, count(*) filter ({MOOD} = 'positive') p from t group by k": 1_000,
    f"from t where {MOOD} = 'positive' or i > 10": 11,
    f"from t where {MOOD} = 'positive' and i < 10 and w = 'w3'": 1,
    f"select * from (select *, {MOOD} x from t) q where i < 10": 10,
    f"with q as (select *, {MOOD} x from t) select k, x, count(*) from q where i < 500 and x = 'positive' group by all": 500,
    f"select i, {MOOD} from t order by i limit 10": 10,
    f"select *, upper({MOOD}) as s from t order by i desc limit 10": 10,
    f"select t.i from t join small on t.i = small.i and {MOOD} = 'positive'": 10,
    "select k, ai_sentiment(max(w)) from t group by k": 1,
    f"select i from t where ai_sentiment({MOOD}) = 'positive' and i < 20": 23,
    "select i, ai_sentiment(n) from t where i < 30": 6,
    "select ai_similarity(s, 'foo'), ai_similarity(s, w) from t where i < 40": 80,
    "select ai_classify(s, ['a', 'b'], model := 'fake'), try_ai_classify(w, ['a', 'b']).value from t where i < 30": 40,
    f"select i, row_number() over (partition by k order by i) rn, {MOOD} from t qualify rn = 1": 3,
    "select ai_sentiment('constant') from t where i < 3": 1,
    f"select case when i > 5 then {MOOD} else 'no' end c from t where i < 20": 14,
    f"select i, s from t where {MOOD} = 'positive' order by i desc limit 5": 64,
    f"select i from t where not {MOOD} = 'positive' or i < 3 order by k, i limit 10 offset 3": 64,
    f"select i from t where {MOOD} = 'nothing' order by i limit 5": 1_000,
    f"select count(*) from (select *, {MOOD} as x from t)": 0,
    f"with a as (select i, {MOOD} as x from t), b as (select i, x y from a where i < 100) "
    "select count(y), min(i) from b where i > 7": 92,
    f"select q.i, x from (select *, {MOOD} as x from t) q join small using (i)": 10,
    # DuckDB 1 makes such a CTE whole before it joins.
    **({f"with q as (select *, {MOOD} as x from t) select * from q join small using (i)": 10} if DUCKDB >= 2 else {}),
    f"with q as (select *, {MOOD} as x from t), r as (select x, count(*) n from q join small on small.z = q.i group by x) "
    "select * from r": 10,
    "select * from moods where i < 10": 10,
    "select mood, count(*) from moods join small using (i) group by all": 10,
    "select i, mood from moods order by i limit 3": 3,
    f"select * from (select i, {MOOD} x from t union all select i + 1, {MOOD} from t where k = 1) where i < 10": 10,
    f"select * from (select i, {MOOD} x from t union select i + 1, {MOOD} from t where k = 1) where i < 10": 10,
    f"select * from (select i, {MOOD} x from t except (select 2, {MOOD} from t where i = 70)) where i < 10": 11,
    f"select * from (select 1 i, 'a' x intersect all select i, {MOOD} from t) where i < 10": 10,
    f"select * from (select 'a' x, 1 i union all by name select i, {MOOD} x from t) where i < 10": 10,
    f"select count(i) from (select i, {MOOD} x from t union all select i + 1, 'no' from t) where i < 10": 0,
    f"with q as (select i n, 'no' x from t union all (select i, {MOOD} from t union select i, {MOOD} from t)) "
    "select q.n, x from q where n < 10 and x <> 'no' order by n limit 3": 10,
    f"select i, {MOOD} x from t union all select i + 1, {MOOD} from t where k = 1 limit 10": 10,
    f"select i, {MOOD} x from t union all select -i, {MOOD} from t where k = 1 order by i limit 10": 10,
    f"select q.i, x from (select i, {MOOD} x from t union all select 2, 'no') q join small using (i)": 10,
    f"select i, count(*) n, {SAID} from t where i < 90 group by i order by n, i desc limit 3": 3,
    f"select q.i, said from (select i, {SAID} as said from t group by i) q join small using (i)": 10,
    f"select * from (select i, {MOOD} x from t) order by i limit 3": 1_000,
    f"select q.i from (select i, {MOOD} x, max(k) k from t group by i, s) q(i, mood) join small using (i)": 0,
    f"with q as (select i, s, {MOOD} x from t) select a.i, b.s from q a join q b on a.i = b.i + 1 where a.i < 9": 0,
    f"with q as (select i, {MOOD} as w from t) select q.i, t.w, count(*) from q join t on q.i = t.i group by all": 0,
    f"select distinct on (k) k, i from (select distinct on (i) i, k, {MOOD} x from t order by i) order by k, i": 0,
    "select * from (select k, max(s) m from t group by k having ai_sentiment(max(s)) <> 'no') where k = 1": 1,
    f"select k, {SAID} from t where i < 30 group by k": 3,
    f"select k, {SAID}, ai_sentiment(max(w)) from t where i < 30 group by all": 4,
    f"select k, {SAID} from t where {MOOD} = 'positive' and i < 30 group by k": 33,
    f"select {MOOD} as mood, {SAID} from t where i < 30 group by mood": 33,
    "select k, ai_agg(ai_complete(s), 'what?', max_tokens := 90) from t where i < 30 group by k": 33,
    f"select k, ai_complete({SAID}) from t where i < 30 group by k": 6,
    f"select k from t where i < 30 group by k having length({SAID}) > 0 order by k limit 2": 3,
    "select k, try_ai_summarize_agg(w, max_words := 9).value from t where i < 30 group by k": 1,
    f"select * from (select k, {SAID} as said from t where i < 30 group by k) q where k = 1": 1,
    f"select {SAID}, ai_complete('constant') from t where false": 2,
}


@pytest.mark.parametrize(
    ("sql", "given"),
    [
        ("select k, ai_agg(s, 'what?') filter (where i % 2 = 0 and s <> 'a') as x from t where i < 30 group by k",
         "select k, ai_agg(s, 'what?') as x from t where i < 30 and i % 2 = 0 and s <> 'a' group by k"),
        ("select ai_agg(s, 'what?') filter (where i > 90) as x, count(*) n from t where i < 30",
         "select null::varchar as x, 30 as n"),
    ],
)  # fmt: skip
def test_an_aggregate_takes_a_filter(con: Any, sql: str, given: str) -> None:
    assert sorted(con.execute(sql).fetchall()) == sorted(con.duckdb.execute(given).fetchall())


@pytest.mark.parametrize("sql", GATHERED)
def test_only_inputs_of_rows_that_need_them_are_gathered(con: Any, sql: str) -> None:
    answered = same_both_ways(con, sql)
    assert answered.gathered == GATHERED[sql]
    assert answered.by_the_calls == 0


LEFT_ALONE = {
    f"select list_reduce([s, w], lambda x, y: ai_sentiment(x)) from t where i < 10": "inside a lambda",  # noqa: F541
    "select k, (select ai_sentiment('k' || t.k)) from t where i < 10 group by k having k > 0": "inside a correlated subquery",
    "with recursive r as (select 1 as x, 'a' as y union all select x + 1, ai_sentiment(y || x) from r where x < 4) from r":
        "part of a recursive CTE that reads the CTE itself",
    "select count(ai_sentiment(s || (random() < 2))) from t where i < 10": "changes each time it is evaluated",
    "select ai_classify(s, [w, 'b']) from t where i < 10": "labels differs from row to row",
    # DuckDB 1 has ai_agg as a macro over a list.
    **({f"select k, {SAID} over (partition by k) from t where i < 30": "OVER follows it"} if DUCKDB >= 2 else {}),
}  # fmt: skip


@pytest.mark.parametrize("sql", LEFT_ALONE)
def test_what_cannot_be_planned_is_answered_all_the_same(con: Any, sql: str) -> None:
    session = con._session
    prepared = prepare(session, con.duckdb, sql)
    assert not prepared.staged
    assert any(LEFT_ALONE[sql] in reason for reason in prepared.reasons.values())
    assert con.execute(sql).fetchall() == con.duckdb.execute(sql).fetchall()


@pytest.mark.parametrize(
    "sql", ["create macro other(b) as ai_sentiment(b)", "create view other as select ai_sentiment(s) c from t"]
)
def test_other_statements_run_as_they_are(con: Any, sql: str) -> None:
    with pytest.raises(Unplannable, match="run as they are"):
        prepare(con._session, con.duckdb, sql)
    con.execute(sql)


def test_a_call_over_another_calls_answer_multiplies_no_tables(con: Any) -> None:
    sql = "select count(*) from t, small where t.i = small.i and ai_sentiment(ai_classify(s, ['a', 'b'])) = 'positive'"
    same_both_ways(con, sql)
    prepared = prepare(con._session, con.duckdb, sql)
    plan = with_tables(
        con.duckdb, f"explain {prepared.sql}", prepared.tables, prepared.parameters, "execute"
    ).fetchall()
    assert "CROSS_PRODUCT" not in str(plan).upper().replace(" ", "_")


def test_columns_of_one_name_keep_it(con: Any) -> None:
    same_both_ways(con, f"select t.i, small.i, {MOOD} from t join small on t.i = small.i order by 1 limit 3")


def test_rows_are_asked_in_the_order_of_what_their_conditions_drop(con: Any) -> None:
    sql = f"select count(*) from t where ai_filter(s, 'x', threshold := -1.0) and ai_sentiment(w) = 'positive'"  # noqa: F541
    prepared = prepare(con._session, con.duckdb, sql)
    assert [applied.rule for applied in prepared.plan.applied] == ["order_calls"]  # type: ignore[union-attr]
    assert (
        same_both_ways(con, sql).gathered < 700
    )  # the sample, and what passes the second condition; written first: 1,000


@pytest.mark.parametrize("kind", ["left", "right", "full", "semi", "anti"])
def test_a_call_in_the_condition_of_a_join_compares_no_row_with_every_other(con: Any, kind: str) -> None:
    sql = (
        f"select count(*) from t {kind} join small on t.i = small.i and ai_sentiment(t.s) <> 'positive' "
        "where ai_filter(t.w, 'x', threshold := -1.0)".replace("where", "where true or" if kind == "right" else "where")
    )
    answered = same_both_ways(con, sql)
    assert answered.planned <= answered.plain
    prepared = prepare(con._session, con.duckdb, sql)
    plan = with_tables(con.duckdb, f"explain {prepared.sql}", prepared.tables, prepared.parameters, "execute")
    assert "NL JOIN" not in str(plan.fetchall()).upper()


def test_a_condition_is_asked_of_what_those_before_it_leave_where_a_limit_stops_early(con: Any) -> None:
    sql = f"select i from t where {MOOD} = 'positive' and ai_sentiment(s || '!') = 'negative' order by i limit 2"
    answered = same_both_ways(con, sql)
    assert 64 < answered.gathered < 128


def test_a_filter_before_an_aggregate_is_asked_in_bulk(con: Any, calls: dict[str, int]) -> None:
    con._session.cache.clear()
    con.execute(f"select k, {SAID} from t where ai_filter(s, 'x', model := 'fake-generate') group by k").fetchall()
    last = con.execute("select max(statement) from inlay_ledger()").fetchall()[0][0]
    asked = con.execute(
        'select "function", "rows", inferred from inlay_ledger() where statement = ?', [last]
    ).fetchall()
    assert asked[0] == ("ai_filter", 20_000, 1_000)
    assert asked[1][:2] == ("ai_agg", 3)


def test_a_view_that_gathers_rows_is_planned_with_what_reads_it(con: Any) -> None:
    con.execute(
        "create or replace view said as select k, ai_agg(w, 'what?', max_tokens := 90) as said from t group by k"
    )
    assert same_both_ways(con, "select said from said where k = 1").gathered == 1


def test_the_cheapest_condition_that_drops_most_goes_first() -> None:
    # (passed, cost) of each condition: the first drops nothing, the second all, the third half for less
    rows = [(True, 10, False, 10, i % 2 == 0, 1) for i in range(20)]
    assert cheapest_first(rows) == [2, 1, 0]
    assert cheapest_first([]) == []
    # The second drops more, and costs twenty times as much.
    rows = [[i % 2, 10, i % 10 == 0, 10] for i in range(200)]
    assert cheapest_first(rows) == [1, 0] and cheapest_first(rows, [1.0, 20.0]) == [0, 1]


def test_a_language_model_is_asked_of_what_a_cheaper_condition_leaves(con: Any) -> None:
    con.execute("create table many as select i, 'text ' || i as s from range(6_000) r(i)")
    dear = "ai_filter(s, 'it is good', model := 'fake-generate', threshold := 0.62)"
    cheap = "ai_filter(s, 'it is good', threshold := 0.0)"
    counts = []
    for sql in (
        f"select count(*) from many where {dear} and {cheap}",
        f"select count(*) from many where {cheap} and {dear}",
    ):
        con._session.cache.clear()
        before = len(con._session.ledger.rows())
        con.execute(sql).fetchall()
        asked = {row.model: row.distinct_inputs for row in con._session.ledger.rows()[before:]}
        counts.append(asked)
    assert counts[0] == counts[1]
    assert counts[0]["fake-generate"] < counts[0]["fake"] * 0.8


def test_a_failed_row_raises_only_where_the_statement_needs_it(con: Any) -> None:
    sql = "select i, ai_sentiment(if(i = 5, 'a <<fail>> b', s), on_error := 'raise') from t where i < 10 {}"
    assert len(con.execute(sql.format("order by i limit 3")).fetchall()) == 3
    with pytest.raises(inlay.errors.RowsFailedError):
        con.execute(sql.format("")).fetchall()


def test_a_transaction_sees_its_own_rows(con: Any) -> None:
    con.execute("begin")
    con.execute("insert into t values (-1, 'uncommitted', 0, 'w', 'n')")
    assert con.execute("select ai_sentiment(s) is not null from t where i = -1").fetchall() == [(True,)]
    con.execute("rollback")
    assert con.execute("select ai_sentiment(s) from t where i = -1").fetchall() == []


def test_enough_rows_or_an_error_and_never_too_few(con: Any) -> None:
    """Rows that go away between a relation's plan and its run."""
    con.execute("create or replace table going as from t where i < 3000")
    prepared = prepare(con._session, con.duckdb, f"select i from going where {MOOD} = 'positive' order by i limit 5")
    con.execute("delete from going where i % 1000 < 64")  # all rows whose answers are known
    with pytest.raises(duckdb.Error, match="rows changed while the statement was being answered"):
        with_tables(con.duckdb, prepared.sql, prepared.tables, prepared.parameters, "execute").fetchall()


@pytest.mark.parametrize(
    ("sql", "given"),
    [
        ("select count(ai_classify(s, $1)) from t where i < $2", [["a", "b"], 7]),
        ("select count(ai_classify(s, ?)) from t where i < ?", [["a", "b"], 7]),
        ("select count(ai_classify(s, $labels)) from t where i < $n", {"labels": ["a", "b"], "n": 7}),
        ("select count(ai_classify(s, $1)) from t where i < $2 and ai_classify(s, $1) is not null", [["a", "b"], 7]),
    ],
)
def test_parameters_however_they_are_written(con: Any, sql: str, given: Any) -> None:
    assert con.execute(sql, given).fetchall() == con.duckdb.execute(sql, given).fetchall() == [(7,)]


def test_vectors_that_stream_are_inferred_once() -> None:
    with inlay.connect(model="fake", progress="off", memory_mb=24) as con:
        con.execute("create table v as select ai_embed('text ' || i) as e from range(95000) t(i)")
        ((rows, inferred, known),) = con.execute(
            'select sum("rows"), sum(inferred), sum(known) from inlay_ledger()'
        ).fetchall()
        assert (rows, inferred) == (95_000 + known, 95_000)
        assert 32_768 <= known <= 32_768 + FIRST_ROWS  # of what was asked before it was left to the call


@pytest.mark.parametrize(
    ("sql", "streams"),
    [
        ("select i, ai_sentiment('x' || i) from t", True),
        ("select k, count(ai_sentiment('x' || i)) from t where w <> 'w3' group by k", True),
        ("create table streamed as select ai_sentiment('x' || i) as mood from t", True),
        ("select ai_sentiment('x' || i) from t where i < 900", False),
        ("select ai_sentiment(s) from t", False),
        ("select ai_sentiment('x' || i) from t limit 10", False),
        ("select ai_sentiment('x' || i) from (select * from t limit 10)", False),
        ("select ai_sentiment('x' || t.i) from t join small using (i)", False),
        ("select i from t where ai_sentiment('x' || i) = 'positive'", False),
        ("select ai_sentiment('x' || i), ai_sentiment('y' || i) from t", False),
        ("select ai_sentiment('x' || i), row_number() over () from t qualify row_number() over () < 4", False),
    ],
)
def test_many_different_inputs_are_answered_as_rows_come_where_none_can_be_spared(
    con: Any, monkeypatch: pytest.MonkeyPatch, sql: str, streams: bool
) -> None:
    monkeypatch.setattr(streaming, "STREAM_ROWS", 1_000)
    monkeypatch.setattr(streaming, "STREAM_BYTES", 100_000)
    prepared = prepare(con._session, con.duckdb, sql)
    said = [reason for reason in prepared.reasons.values() if "while the rows come" in reason]
    assert bool(said) == streams == (not prepared.staged), prepared.reasons
    if sql.startswith("select") and "limit" not in sql:
        same_both_ways(con, sql)


def test_statements_that_are_not_read_are_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    con: Any = inlay.connect(model="fake", progress="off")
    con.execute("prepare asked as select ai_sentiment('good'); execute asked")
    assert not caplog.records
