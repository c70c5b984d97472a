"""Joins whose condition is a call: the rows of the plain path, without a question for each pair."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import inlay
from inlay.backends.fake import CALLS
from inlay.engine import near_pairs as near
from inlay.engine.near_pairs import TooManyPairs, near_pairs
from inlay.execution.replacement_scan import with_tables
from inlay.execution.statement import prepare
from inlay.functions.contract import cosines

SIM = "ai_similarity(a.x, b.y)"

N_LEFT, N_RIGHT = 30, 20
"""Distinct values that are not NULL."""


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    """a: 80 rows, 30 different x, some NULL; b: 50 rows, 20 different y, some NULL; c: ids; none: no row."""
    with inlay.connect(model="fake", progress="off") as connection:
        connection.execute(
            """
            create table a as select i as id, i % 3 as k, case when i % 9 = 8 then null else 'text ' || (i % 30) end as x
            from range(80) r(i);
            create table b as select i as id, i % 4 as k, case when i % 11 = 3 then null else 'other ' || (i % 20) end as y
            from range(50) r(i);
            create table c as select i * 3 as id, 'c' || i as z from range(12) r(i);
            create table none as select * from b limit 0;
            create table "odd Names" as select id as "Id", y as "the ""one"" text" from b;
            create table named as select i as id, ['refund', 'crash', 'praise'][i + 1] as label from range(3) r(i);
            """
        )
        yield connection


def same(con: Any, sql: str, parameters: Any = None) -> Any:
    """The planned statement, whose columns and rows are those of the plain path."""
    given = [sql] if parameters is None else [sql, parameters]
    plain = con.duckdb.execute(*given)
    described, rows = [column[:2] for column in plain.description], plain.fetchall()
    con._session.cache.clear()
    prepared = prepare(con._session, con.duckdb, sql, parameters)
    con._session.cache.clear()
    planned = con.execute(*given)
    assert [column[:2] for column in planned.description] == described
    assert sorted(map(repr, planned.fetchall())) == sorted(map(repr, rows))
    return prepared


def is_joined(prepared: Any) -> bool:
    return any(applied.rule == "join_by_call" for applied in prepared.plan.applied)


JOINED = [
    f"select * from a join b on {SIM} > 0.2",
    f"select * from a join b on {SIM} >= 0.2",
    f"select * from a join b on 0.2 < {SIM}",
    f"select * from a join b on ((({SIM}) > 0.2))",
    "select * from a inner join b on ai_similarity(b.y, a.x) > 0.2",
    "select * from a join b on ai_similarity(x, y) > 0.2",
    f"select * from a, b where {SIM} > 0.2",
    f"select * from a cross join b where {SIM} > 0.2 and a.k = 1",
    f"select b.*, a.id from a, b where b.k between 1 and 2 and {SIM} > 0.2",
    "select * from b, a where ai_similarity(a.x, b.y) > 0.2",
    f"select a.id, b.id from a left join b on {SIM} > 0.3",
    f"select * from a left join b on {SIM} > 0.3 and b.k = 1",
    f"select * from a left join b on {SIM} > 0.3 and a.k = 1",
    f"select * from a left join b on {SIM} > 0.3 where a.k = 1",
    f"select * from a left join b on {SIM} > 0.3 where b.k is null or b.k = 1",
    f"select * from a left join b on {SIM} > 0.3 where b.id is null",
    f"select * from a left join b on {SIM} > 0.2 and a.id < b.id",
    f"select * from a semi join b on {SIM} > 0.3",
    f"select * from a anti join b on {SIM} > 0.3",
    f"select * from a semi join b on {SIM} > 0.2 and a.id <> b.id and b.k > 0",
    f"select * from a anti join b on {SIM} > 0.2 and a.k = 1",
    f"select * from a join b on {SIM} > 0.2 and a.id <> b.id",
    f"select * from a join b on a.k = b.k and {SIM} > 0.2",
    f"select * from a join b on a.k < b.k or false and true join c on c.id = a.id where {SIM} > 0.2",
    f"select * from a join b on {SIM} > 0.2 join c on c.id = b.id",
    f"select * from a join c on c.id = a.id join b on {SIM} > 0.2",
    f"select * from a join c using (id) join b on {SIM} > 0.2",
    "select * from a left join c on c.id = a.id join b on ai_similarity(c.z, b.y) > 0.2",
    f"select * from a, c, b where c.id = a.id and {SIM} > 0.2",
    f"select * from a, c, b where {SIM} > 0.2",
    f"select a.*, b.* from a join b on {SIM} > 0.2 left join c on c.id = b.id and c.z <> 'c3'",
    f"select a.id, {SIM} as s from a join b on {SIM} > 0.2 order by s desc, a.id, b.id limit 5",
    f"select a.id, {SIM} from a left join b on {SIM} > 0.2",
    f"select a.id, b.id, {SIM} > 0.25 as close from a, b where {SIM} > 0.2 and {SIM} < 0.4",
    f"select a.x, count(*), max({SIM}) from a join b on {SIM} > 0.2 group by a.x having count(*) > 1",
    f"select count(*) from a join b on {SIM} > 0.2",
    f"select distinct a.x from a join b on {SIM} > 0.2",
    f"select * from (select * from a join b on {SIM} > 0.2) q where id = 4",
    f"with a as (select *, 'q' as q from main.a where id < 40), b as (select y from main.b) select * from a join b on {SIM} > 0.2",
    f"with p as (select a.x, b.y from a join b on {SIM} > 0.2) select * from p union all select x, x from p",
    "select * from (select id, x from a where k = 1) as l join (select upper(y) as u, id from b) as r on ai_similarity(l.x, r.u) > 0.2",
    "select * from (values ('text 1'), ('text 1'), (null), ('')) l(t) join b on ai_similarity(t, b.y) > 0.2",
    "select * from a l join a r on ai_similarity(l.x, r.x) > 0.4 and l.id < r.id",
    'select * from a as "A 1" join "odd Names" as "B ""2" on ai_similarity("A 1".x, "B ""2"."the ""one"" text") > 0.2',
    'select "odd Names".* from a join "odd Names" on ai_similarity(x, "the ""one"" text") > 0.2',
    "select * from a join b on ai_similarity(upper(a.x) || '!', lower(b.y)) > 0.2",
    "select * from a join c on a.id = c.id join b on ai_similarity(a.x || c.z, b.y) > 0.2",
    f"select * from none as a2, a join b on {SIM} > 0.2",
    "select * from a join none b on ai_similarity(a.x, b.y) > 0.2",
    "select * from a left join none b on ai_similarity(a.x, b.y) > 0.2",
    "select * from a anti join none b on ai_similarity(a.x, b.y) > 0.2",
    "select * from none as n join b on ai_similarity(n.y, b.y) > 0.2",
    f"select * from a join b on {SIM} > -1",
    f"select * from a join b on {SIM} >= 1",
    f"select * from a join b on {SIM} > 2",
    f"select * from a join b on {SIM} > 1/5",
    f"select * from a join b on {SIM} > '0.2'",
    "select * from a join b on ai_similarity(a.x, b.y, model := 'fake') > 0.2",
    "select * from a join b on ai_filter(a.x, b.y, threshold := 0.2)",
    "select * from a left join named l on ai_filter(a.x, l.label, threshold := 0.1)",
    "select l.label, count(*) from a, named l where ai_filter(a.x, l.label, threshold := 0.1) group by all",
    "select * from a join b on ai_score(a.x, b.y) > 0.6",
    f"select * from a join b on {SIM} > 0.2 join c on ai_similarity(c.z, b.y) > 0.1",
    f"select * from a join b on {SIM} > 0.2 where ai_sentiment(a.x) = 'positive' and ai_sentiment(b.y) <> 'mixed'",
    f"select * from a join (select *, ai_sentiment(y) as mood from b) b on {SIM} > 0.2 where mood = 'positive'",
    f"create or replace temp table made as select * from a join b on {SIM} > 0.2",
    f"select /* join b on */ * from a -- join\njoin b on {SIM} > 0.2 -- and more",
    f"select * from a join b on {SIM} > 0.2 and case when a.k = 1 and b.k = 1 then false else true end",
]  # fmt: skip


@pytest.mark.parametrize("sql", JOINED)
def test_pairs_are_found_and_rows_stay(con: Any, sql: str) -> None:
    assert is_joined(same(con, sql))


AS_THEY_ARE = [
    f"select * from a right join b on {SIM} > 0.3",
    f"select * from a full join b on {SIM} > 0.3",
    f"select * from a join b on {SIM} < 0.0 or a.id = b.id",
    f"select * from a join b on {SIM} > a.k / 5",
    f"select * from a join b on abs({SIM}) > 0.2",
    f"select * from a join b on {SIM} > random() * 0 + 0.2",
    "select * from a join b on ai_similarity(a.x || b.y, b.y) > 0.2",
    "select * from a join b on ai_similarity(a.x, 'other 1') > 0.2 and a.id = b.id",
    f"select * from a left join b on a.id = b.id where {SIM} > 0.2",
    f"select * from a left join b on true right join c on c.id = a.id where {SIM} > 0.2",
    f"select * exclude (k) from a, b where {SIM} > 0.4",
    f"select b from a join b on {SIM} > 0.4",
    f"select columns(*) from a join b on {SIM} > 0.4",
    f"from a join b on {SIM} > 0.4",
    f"select * from a join b on a.id = b.id and {SIM} > 0.2",
    f"select * from a join b using (id) where {SIM} > 0.2",
    f"select b.rowid, a.id from a join b on {SIM} > 0.4",
    "select * from a join b on try_ai_similarity(a.x, b.y).value > 0.4",
    f"select * from a join b on {SIM} > null",
    f"select c.id from c where exists (select 1 from a, b where {SIM} > 0.3 and a.id = c.id)",
    "select * from a join (select *, random() as r from b) b on ai_similarity(a.x, b.y) > 2",
]  # fmt: skip


@pytest.mark.parametrize("sql", AS_THEY_ARE)
def test_other_shapes_run_as_they_are(con: Any, sql: str) -> None:
    prepared = same(con, sql)
    assert not is_joined(prepared) or "exists" in sql


@pytest.mark.parametrize(
    "sql", ["select * from a join b on ai_similarity(a.x, b.y) > ?", f"select a.id from a, b where {SIM} >= ?"]
)
def test_a_bound_may_be_a_parameter(con: Any, sql: str) -> None:
    assert is_joined(same(con, sql, [0.2] * sql.count("?")))
    assert is_joined(same(con, sql.replace("?", "$t"), {"t": 0.2}))


def test_the_model_reads_each_value_once(con: Any) -> None:
    for sql in (
        f"select *, {SIM} as s from a join b on {SIM} > 0.2",
        f"select a.x, max({SIM}) from a, b where {SIM} > 0.2 group by all",
        f"select * from a anti join b on {SIM} > 0.2",
    ):
        con._session.cache.clear()
        CALLS.clear()
        con.execute(sql).fetchall()
        assert CALLS["rows"] == N_LEFT + N_RIGHT
    line = con._session.ledger.rows()[-1]
    assert (line.rows, line.inferred) == (N_LEFT + N_RIGHT, N_LEFT + N_RIGHT)


def test_only_values_that_the_conditions_leave_are_read(con: Any) -> None:
    con._session.cache.clear()
    CALLS.clear()
    con.execute(f"select * from a join b on {SIM} > 0.2 and b.id < 3 where a.id in (1, 2, 31, 61)").fetchall()
    assert CALLS["rows"] == 2 + 3


def test_of_few_rows_joined_by_an_equality_only_these_are_read(con: Any) -> None:
    con._session.cache.clear()
    CALLS.clear()
    con.execute(f"select * from a join b on a.id = b.id and a.id < 4 and {SIM} > 0.2").fetchall()
    assert CALLS["rows"] <= 8


def test_rows_that_come_in_between_are_asked_for(con: Any) -> None:
    with inlay.connect(model="fake", progress="off") as own:
        own.execute("create table a as select 'text ' || i as x from range(20) r(i)")
        own.execute("create table b as select 'other ' || i as y from range(20) r(i)")
        for kind in ("join", "left join", "semi join", "anti join"):
            sql = f"select * from a {kind} b on {SIM} > 0.2"
            prepared = prepare(own._session, own.duckdb, sql)
            own.execute("insert into a values ('new 1'), (null), ('new 2')")
            own.execute("insert into b values ('more 1'), (null), ('more 2')")
            found = with_tables(own.duckdb, prepared.sql, prepared.tables, None, "execute").fetchall()
            assert sorted(map(repr, found)) == sorted(map(repr, own.duckdb.execute(sql).fetchall()))


def test_scores_next_to_the_bound_are_those_of_the_function(con: Any) -> None:
    scores = con.duckdb.execute(f"select distinct {SIM} from a, b where x is not null and y is not null").fetchall()
    for (score,) in scores[:: len(scores) // 25]:
        for operator in (">", ">="):
            assert is_joined(same(con, f"select a.id, b.id from a join b on {SIM} {operator} ?", [score]))


def test_a_value_without_an_answer_joins_nothing_and_is_listed(con: Any) -> None:
    with inlay.connect(model="fake", progress="off") as own:
        own.execute("create table a as select unnest(['one', '<<fail>> two', 'three']) as x")
        own.execute("create table b as select unnest(['four', '<<fail>> five']) as y")
        for kind in ("join", "left join", "anti join"):
            same(own, f"select * from a {kind} b on {SIM} > -1")
        errors = own.execute("select input from inlay_errors()").fetchall()
        assert ("<<fail>> two | four",) in errors and ("one | <<fail>> five",) in errors
        with pytest.raises(inlay.InlayError, match="ai_similarity"):
            own.execute("select * from a join b on ai_similarity(a.x, b.y, on_error := 'raise') > -1").fetchall()


def test_a_store_answers_what_is_near_the_bound(tmp_path: Any) -> None:
    with inlay.connect(model="fake", progress="off", store=str(tmp_path / "store")) as own:
        own.execute("create table a as select 'text ' || i as x from range(9) r(i)")
        own.execute("create table b as select 'other ' || i as y from range(9) r(i)")
        scores = [row[0] for row in own.duckdb.execute(f"select {SIM} from a, b").fetchall()]
        for score in scores[:20]:
            assert is_joined(same(own, f"select * from a join b on {SIM} > ?", [score]))


def test_a_column_with_a_collation_joins_by_its_very_texts() -> None:
    with inlay.connect(model="fake", progress="off") as own:
        own.execute("create table a (x varchar collate nocase); insert into a values ('One'), ('one'), ('ONE')")
        own.execute("create table b (y varchar collate nocase); insert into b values ('Two'), ('two')")
        scores = [row[0] for row in own.duckdb.execute(f"select {SIM} from a, b").fetchall()]
        assert is_joined(same(own, f"select * from a join b on {SIM} >= ?", [sorted(scores)[3]]))


def test_an_nli_model_is_asked_once_for_each_distinct_pair(con: Any) -> None:
    model = "model := 'fake-nli'"
    for sql in (
        f"select * from a join named l on ai_filter(a.x, l.label, {model})",
        f"select * from a left join named l on ai_filter(a.x, l.label, {model}) and l.id > 0",
        f"select * from a anti join named l on ai_filter(a.x, l.label, {model})",
        f"select l.label, count(*) from a, named l where ai_score(a.x, l.label, {model}) > 0.5 group by all",
    ):
        prepared = same(con, sql)
        assert is_joined(prepared)
        con._session.cache.clear()
        CALLS.clear()
        con.execute(sql).fetchall()
        assert CALLS["rows"] == N_LEFT * (2 if "l.id > 0" in sql else 3)


def test_an_nli_model_is_not_asked_for_pairs_that_other_conditions_drop(con: Any) -> None:
    sql = "select * from a join named l on ai_filter(a.x, l.label, model := 'fake-nli') and a.id = l.id"
    assert not is_joined(same(con, sql))
    con._session.cache.clear()
    CALLS.clear()
    con.execute(sql).fetchall()
    assert CALLS["rows"] == 3


def test_a_text_made_of_both_sides_is_asked_once_for_each_distinct_one(con: Any) -> None:
    call = "ai_filter(a.x || ' / ' || l.label, 'these belong together', model := 'fake-nli')"
    for kind in ("join", "left join", "semi join", "anti join", "right join"):
        sql = f"select * from a {kind} named l on {call} and l.id <> 1"
        same(con, sql)
        con._session.cache.clear()
        CALLS.clear()
        con.execute(sql).fetchall()
        assert CALLS["rows"] == N_LEFT * 2


def test_a_declared_recall_goes_over_all_pairs_of_a_join() -> None:
    with inlay.connect(model="fake-nli", progress="off") as own:
        own.execute("create table a as select 'text ' || i as x from range(400) r(i)")
        own.execute("create table named as select unnest(['refund', 'crash']) as label")
        exact = own.execute("select * from a join named on ai_filter(x, label)").fetchall()
        found = own.execute(
            "select * from a join named on ai_filter(x, label, recall := 0.9, proxy := 'fake')"
        ).fetchall()
        assert len(set(found) & set(exact)) >= 0.9 * len(exact)
        assert own.execute("select question, inputs from inlay_certificates()").fetchall() == [("2 statements", 800)]


@pytest.mark.parametrize(("n", "m", "width"), [(0, 5, 8), (1, 1, 1), (300, 200, 64), (5_000, 37, 16)])
def test_near_pairs_are_those_of_every_pair(n: int, m: int, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "BLOCK_BYTES", 50_000)
    monkeypatch.setattr(near, "_SIDE", 64)
    draw = np.random.default_rng(7)
    left, right = (draw.normal(size=(k, width)).astype(np.float32) for k in (n, m))
    left, right = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (left, right))
    i, j = np.divmod(np.arange(n * m), m)
    every = cosines(left[i], right[j])
    bound = float(np.sort(every)[-max(1, n * m // 50)]) if n * m else 0.0
    at_left, at_right, values = near_pairs(left, right, bound, cosines, lambda s: s >= bound, most=n * m)
    kept = every >= bound
    order = np.lexsort((at_right, at_left))
    assert (at_left[order] == i[kept]).all() and (at_right[order] == j[kept]).all()
    assert (values[order] == every[kept]).all()
    if n * m > 50:
        with pytest.raises(TooManyPairs):
            near_pairs(left, right, -1.0, cosines, lambda s: s >= -1, most=10)
