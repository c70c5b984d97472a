"""The tables inlay_models(), inlay_ledger() and others, looked into from SQL."""

from __future__ import annotations

import duckdb
import pytest

import inlay
from support.attached import one

Con = duckdb.DuckDBPyConnection


@pytest.fixture
def con(attached: Con) -> Con:
    return attached


COLUMNS = {
    "inlay_models": "model task source backend width max_tokens fingerprint device loaded_mb status is_default",
    "inlay_functions": "name signature returns summary nulls cost example",
    "inlay_errors": "function model input error",
    "inlay_ledger": "statement function model rows distinct_inputs known inferred failed truncated blank unsure repaired "
    "tokens output_tokens seconds device node cost",
    "inlay_history": "run invocation node started_at statement function model fingerprint rows distinct_inputs known "
    "inferred failed truncated blank unsure repaired tokens output_tokens seconds loading_seconds cost device host",
    "inlay_failures": "run failed_at node function model input error",
    "inlay_certificates": "run statement decided_at node function question model proxy recall precision agreement "
    "probability rows inputs asked trained drawn_rows seed lower upper lower_rows lower_drawn lower_wrong upper_rows "
    "upper_drawn upper_wrong method",
}


@pytest.mark.parametrize("table", COLUMNS)
def test_the_tables_have_their_columns_even_without_rows(con: Con, table: str) -> None:
    for name in (f"{table}()", f"inlay.{table}()"):
        relation = con.sql(f"FROM {name}")
        assert relation.columns == COLUMNS[table].split()
        assert all(type(row) is tuple for row in relation.fetchall())


def test_the_ledger_has_one_row_for_each_call_of_each_statement(con: Con) -> None:
    # 10,000 rows in five chunks of DuckDB's: 100 distinct texts, one of which fails, and every tenth is NULL.
    con.execute(
        "CREATE TABLE t AS SELECT CASE WHEN i % 10 = 9 THEN NULL WHEN i % 100 = 1 THEN '<<fail>>' "
        "ELSE concat('text ', i % 100) END AS s FROM range(10_000) r(i)"
    )
    con.execute("SELECT ai_embed(s), ai_classify(s, ['a', 'b']) FROM t").fetchall()
    con.execute("SELECT ai_embed(s) FROM t").fetchall()
    ledger = con.execute(
        'SELECT statement, "function", model, "rows", distinct_inputs, known, inferred, failed, device '
        "FROM inlay_ledger() ORDER BY ALL"
    ).fetchall()
    first, second, third = ledger
    assert first[:5] == (1, "ai_classify", "fake", 10_000, 90)
    assert second[:5] == (1, "ai_embed", "fake", 10_000, 90)
    # The two calls share one pass over the texts; which of them came first is DuckDB's choice.
    assert {first[5] + second[5], first[6] + second[6]} == {89}
    assert first[7:] == second[7:] == (1, "fake")
    assert third == (2, "ai_embed", "fake", 10_000, 90, 89, 0, 1, "fake")
    assert one(con, "SELECT sum(tokens) > 89 * 7 AND min(seconds) >= 0 FROM inlay_ledger()")


def test_calls_through_a_bare_cursor_are_in_the_ledger_too(con: Con) -> None:
    con.cursor().execute("SELECT ai_embed(concat('t', i % 7)) FROM range(5_000) r(i)").fetchall()
    assert con.execute('SELECT "function", "rows", distinct_inputs, inferred FROM inlay_ledger()').fetchall() == [
        ("ai_embed", 5_000, 7, 7)
    ]


def test_failed_rows_are_listed_with_their_reason(con: Con) -> None:
    assert con.execute("SELECT ai_embed(s) IS NULL FROM (VALUES ('a'), ('<<fail>> b')) v(s)").fetchall() == [
        (False,),
        (True,),
    ]
    assert con.execute("FROM inlay_errors()").fetchall() == [
        ("ai_embed", "fake", "<<fail>> b", "ValueError: the fake model was asked to fail")
    ]


def test_models_lists_every_registered_model(con: Con) -> None:
    inlay.attach(con, model="fake", models={"nowhere": "hub:nobody/nothing"})
    rows = dict(con.execute("SELECT model, (status, is_default) FROM inlay_models()").fetchall())
    assert rows["fake"][1] is True
    assert rows["nowhere"] == ("not on this machine", False)
