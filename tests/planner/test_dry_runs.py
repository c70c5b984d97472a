"""A dry run is the context of one statement on one connection: nobody else notices it, and it ends with it."""

from __future__ import annotations

import threading

import duckdb
import pytest

from inlay.client.connection import Connection
from inlay.errors import RowsFailedError
from inlay.explanation.plan import Planning

ASKED = "select ai_classify('hello', ['a', 'b'])"


def planning(con: Connection) -> Planning:
    return Planning(con._session)


def test_other_cursors_go_on_getting_answers(con: Connection, calls: dict[str, int]) -> None:
    dry, other, bare = con.cursor(), con.cursor(), con.duckdb.cursor()
    counting = planning(con)
    with con._session.within(dry._number, counting.context):
        assert dry.execute(ASKED).fetchall() != [] and calls["rows"] == 0
        dry.duckdb.execute(ASKED).fetchall()  # the plain path, too
        assert calls["rows"] == 0
        assert other.execute(ASKED).fetchall()[0][0] in ("a", "b")
        assert bare.execute("select inlay.ai_classify('hello', ['a', 'b'])").fetchall()[0][0] in ("a", "b")
        with pytest.raises(RowsFailedError):
            other.execute("select ai_classify('<<fail>>', ['a', 'b'], on_error := 'raise')").fetchall()
    assert dry.execute(ASKED).fetchall()[0][0] in ("a", "b")
    assert [line.function for line in counting.plan().lines] == ["ai_classify"] * 2


def test_a_dry_run_ends_where_its_statement_fails(con: Connection) -> None:
    with pytest.raises(duckdb.Error), con._session.within(con._number, planning(con).context):
        con.execute(f"{ASKED} from nosuch").fetchall()
    assert con.execute(ASKED).fetchall()[0][0] in ("a", "b")


def test_the_dbt_operation_counts_on_a_cursor_of_its_own(con: Connection, calls: dict[str, int]) -> None:
    con.execute("create table t as select 'text ' || i % 5 as s from range(20) r(i)")
    nodes = [
        {"id": "model.shop.first", "sql": "select ai_classify(s, ['a', 'b']) as label from t"},
        {"id": "model.shop.second", "sql": "select label from (select ai_embed(s) as label from t)"},
        {"id": "model.shop.wrong", "sql": "select nosuch from t"},
    ]
    written = ", ".join(
        f"{{'id': '{node['id']}', 'sql': '{node['sql'].replace(chr(39), chr(39) * 2)}'}}" for node in nodes
    )
    done: list[str] = []
    thread = threading.Thread(target=lambda: done.append(con.cursor().execute(ASKED).fetchall()[0][0]))
    with pytest.raises(duckdb.Error, match="nosuch"):
        con.duckdb.execute(f"select system.main._inlay_plan([{written}])").fetchall()
    thread.start()
    thread.join(30)
    assert done and done[0] in ("a", "b")
    (text,) = con.duckdb.execute(f"select system.main._inlay_plan([{written.rsplit(', {', 1)[0]}])").fetchall()[0]
    lines = [line.split() for line in text.splitlines() if line.startswith(("first", "second"))]
    # node, function, model, rows, distinct, known, to infer, tokens
    assert [line[:7] for line in lines] == [
        ["first", "ai_classify", "fake", "20", "5", "0", "5"],
        ["second", "ai_embed", "fake", "20", "5", "5", "0"],  # the same vectors, known by then
    ]


def test_the_same_numbers_whoever_says_them(con: Connection) -> None:
    con.execute("create table t as select 'text ' || i % 50 as s, i from range(200) r(i)")
    sql = "select s from t where i < 100 and ai_filter(s, 'is it so?', threshold := 0.1) and ai_embed(s) is not null"
    explained = con.explain(sql)
    counting = planning(con)
    counting.count(con.duckdb, con._number, sql)
    plan = counting.plan()
    expected = [stage.expected for stage in explained.stages if stage.expected and stage.expected.rows]
    assert expected  # what no row is expected to reach has no line in a plan
    assert [(each.distinct, each.to_infer, each.tokens) for each in expected] == [
        (line.distinct, line.to_infer, line.tokens) for line in plan.lines
    ]
    assert explained.costs == plan.costs
