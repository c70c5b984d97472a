"""A planned statement gives the rows of the plain path, whatever the statement: drawn from a seed, and the TPC-H and TPC-DS
texts where they are at hand, with calls put into their clauses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

import inlay
from support.calls_in_clauses import with_calls
from support.plain_and_planned import same_both_ways
from support.random_statements import TABLES, TEXTS, statement
from support.tpc_tables import kind, tables

N_SEEDS = 240
TPC_TEXTS = Path(os.environ.get("INLAY_BENCH_DATA", "")).resolve() / "tpc_queries.parquet"
N_OF_EACH_TPC_TEXT = int(os.environ.get("INLAY_TPC_VARIANTS", "2"))


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", language_model="fake-generate", progress="off") as connection:
        connection.execute(TABLES)
        yield connection


def binds(con: Any, sql: str) -> bool:
    try:
        con.duckdb.sql(sql)
    except (duckdb.BinderException, duckdb.ParserException, duckdb.NotImplementedException):
        return False
    return True


def with_random_calls(con: Any, seed: int) -> str:
    """The first statement of a seed that DuckDB takes with calls in it."""
    random = Random(f"statement {seed}")
    while True:
        sql = with_calls(statement(random), TEXTS, random)
        if sql is not None and binds(con, sql):
            return sql


@pytest.mark.parametrize("first", range(0, N_SEEDS, 20))
def test_random_statements(con: Any, first: int) -> None:
    found = [same_both_ways(con, with_random_calls(con, seed), 9) for seed in range(first, first + 20)]
    assert sum(answered.is_planned for answered in found) >= 18
    assert sum(answered.planned for answered in found) < 0.5 * sum(answered.rows for answered in found)


@pytest.mark.skipif(
    not TPC_TEXTS.exists(), reason="the TPC texts are not part of the project: INLAY_BENCH_DATA names their folder"
)
@pytest.mark.parametrize("suite", ["TPC-H", "TPC-DS"])
def test_tpc_statements(suite: str) -> None:
    texts = duckdb.sql(f"select n, sql from '{TPC_TEXTS}' where suite = '{suite}' order by n").fetchall()
    made = tables(suite, [sql for _, sql in texts])
    names = {name for table in made.values() for name in table.column_names if kind(name) == "text"}
    n_same = 0
    with inlay.connect(model="fake", language_model="fake-generate", progress="off") as con:
        for name, table in made.items():
            con.duckdb.register("_filled", table)
            con.duckdb.execute(f"create table {name} as from _filled")
        for n, sql in texts:
            for variant in range(N_OF_EACH_TPC_TEXT):
                changed = with_calls(sql, names, Random(f"{suite} {n} {variant}"))
                if changed is not None and binds(con, changed):
                    same_both_ways(con, changed, 9)
                    n_same += 1
    assert n_same >= len(texts) * N_OF_EACH_TPC_TEXT * 0.6
