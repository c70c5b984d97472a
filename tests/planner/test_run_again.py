"""What runs more than once, or is made step by step: relations made from relations, prepared statements, executemany(),
several statements in one text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

import inlay
from support.everyday_statements import TABLES
from support.installed_versions import DUCKDB


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", language_model="fake-generate", progress="off") as connection:
        connection.execute(TABLES)
        yield connection


def asked(con: Any, run: Callable[[], Any]) -> tuple[Any, list[Any]]:
    """What it gives, and the lines of the ledger that it makes."""
    con._session.cache.clear()
    before = len(con._session.ledger.rows())
    return run(), con._session.ledger.rows()[before:]


FELT = "select a, i, k, ai_sentiment(a) as s from x"

Made = Callable[[Any, Any], Any]


@pytest.mark.parametrize(
    ("made", "most"),
    [
        (lambda rel, _: rel.filter("s = 'positive' and k = 1").project("a, ai_complete(a) as z"), 13),
        (lambda rel, _: rel.filter("k = 1").filter("i < 9"), 3),
        (lambda rel, _: rel.order("i").limit(3, offset=2), 13),
        (lambda rel, _: rel.aggregate("s, count(*) as c", "s"), 13),
        (
            lambda rel, con: (
                rel.set_alias("p").join(con.table("y").set_alias("q"), "p.k = q.k and q.z = 1").project("s, w")
            ),
            13,
        ),
        (lambda rel, _: rel.union(rel.filter("k = 2")).distinct(), 13),
        (lambda rel, con: con.sql("select count(*) as n from rel where s = 'positive' and k = 1"), 8),
    ],
)
def test_a_relation_made_from_relations_is_planned(con: Any, made: Made, most: int) -> None:
    plain = made(con.duckdb.sql(FELT), con.duckdb)
    found, lines = asked(con, lambda: made(con.sql(FELT), con).fetchall())
    assert sorted(found, key=repr) == sorted(plain.fetchall(), key=repr)
    assert len({line.statement for line in lines}) == 1
    assert sum(line.inferred for line in lines) <= most


def test_it_describes_itself_and_is_stored_as_duckdbs_is(con: Any) -> None:
    rel = con.sql(FELT).filter("k = 1")
    (columns, shown), lines = asked(con, lambda: ((rel.columns, list(map(str, rel.types))), repr(rel)))[0], []
    assert columns == (["a", "i", "k", "s"], ["VARCHAR", "BIGINT", "BIGINT", "VARCHAR"])
    assert "t10" in shown
    assert not lines
    rel.create("kept")
    assert sorted(con.sql("from kept").fetchall()) == sorted(rel.fetchall())


def test_parameters_stay_with_the_relation(con: Any) -> None:
    rel = con.sql("select a, ai_sentiment(a) as s from x where i < ?", params=[5]).filter("s is not null")
    found, lines = asked(con, lambda: rel.order("a").fetchall())
    assert [a for a, _ in found] == ["t0", "t1", "t2", "t3", "t4"]
    # DuckDB 1 runs a relation with parameters as it is made.
    assert [line.inferred for line in lines] == [5] * (DUCKDB >= 2)


def test_two_relations_with_parameters_are_not_mixed_up(con: Any) -> None:
    few = con.sql("select a, ai_sentiment(a) as s from x where i < ?", params=[2])
    more = con.sql("select a, ai_sentiment(a) as s from x where i < ?", params=[4])
    assert len(few.union(more).fetchall()) == 6


def test_a_prepared_statement_is_planned_with_its_values(con: Any) -> None:
    con.execute("prepare ask as select a, ai_sentiment(a) from x where k = $1 and a <> $2")
    found, lines = asked(con, lambda: con.execute("execute ask(1, 't1')").fetchall())
    expected = con.duckdb.execute("select a, ai_sentiment(a) from x where k = 1 and a <> 't1'").fetchall()
    assert sorted(found) == sorted(expected)
    assert [line.inferred for line in lines] == [7]
    with pytest.raises(duckdb.InvalidInputException, match="Values were not provided"):
        con.execute("execute ask(1)")
    con.execute("deallocate ask")
    with pytest.raises(duckdb.BinderException, match="does not exist"):
        con.execute("execute ask(1, 't1')")


def test_rows_of_parameters_are_asked_together(con: Any) -> None:
    rows = [[100 + i, f"row {i}"] for i in range(20)]
    _, lines = asked(con, lambda: con.executemany("insert into target values (?, ai_sentiment(?), 0)", rows))
    assert lines[0].inferred == 20
    assert sum(line.inferred for line in lines) == 20
    found = con.execute("select w from target where k >= 100 order by k").fetchall()
    assert found == con.duckdb.execute("select ai_sentiment('row ' || i) from range(20) r(i)").fetchall()
    con.executemany("update target set w = ai_complete(w || ?) where k = ?", [["a", 100], ["b", 101]])
    with pytest.raises(duckdb.BinderException):
        con.executemany("insert into target select nosuch, ai_sentiment(?), 0", [["a"], ["b"]])


@pytest.mark.parametrize(
    "sql",
    [
        "begin; select ai_sentiment(a) from x where i < 3; commit",
        "select ai_sentiment(a) as t from x where i < 3; set variable p = 1",
        "select 1; select ai_sentiment('a'); create or replace table after as select 1",
        "select ai_sentiment(a) from x; insert into y (k) values (77)",
    ],
)
def test_the_result_of_a_text_is_duckdbs(con: Any, sql: str) -> None:
    plain = con.duckdb.execute(sql)
    expected = plain.description, plain.fetchall()
    planned = con.execute(sql)
    assert [column[:2] for column in planned.description] == [column[:2] for column in expected[0]]
    assert planned.fetchall() == expected[1]
    relation, plain_relation = con.sql(sql), con.duckdb.sql(sql)
    if plain_relation is None:  # of DuckDB 1, where the last statement is no query
        assert relation is None
    else:
        assert relation.fetchall() == plain_relation.fetchall() == expected[1]


def test_a_failed_statement_behind_the_query_is_its_error(con: Any) -> None:
    with pytest.raises(duckdb.TransactionException, match="no transaction is active"):
        con.execute("select ai_sentiment(a) from x where i < 3; commit")


def test_explain_counts_what_nothing_reads_as_spared(con: Any) -> None:
    said = con.explain(
        "select k from (select k, ai_sentiment(a) as s, ai_complete(a) as u from x) where s = 'positive'"
    )
    assert (said.unread, said.plain) == (("ai_complete(a)",), ())
    assert "Not made\n  ai_complete(a): nothing reads its answer" in str(said)
