"""Calls spliced into statements that others wrote, DuckDB's own tests: planned, each gives what it gives plain.

INLAY_SQLLOGICTESTS names a folder of sqllogictest files; without it the file below shows that they are read.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import duckdb
import pytest
from sqlglot.errors import SqlglotError

import inlay
from support.calls_in_clauses import with_calls
from support.outcomes import Pair, both_outcomes, difference
from support.sqllogictests import statements

_COLUMNS = """
    select column_name from duckdb_columns()
    where not internal and data_type in ('VARCHAR', 'INTEGER', 'BIGINT', 'SMALLINT', 'DATE', 'BOOLEAN')
"""
"""Those whose values the functions take."""

FOLDER = os.environ.get("INLAY_SQLLOGICTESTS")
N_FILES = int(os.environ.get("INLAY_N_FILES", "200"))

ONE_FILE = """
# name: test/sql/one.test
# group: [sql]

statement ok
PRAGMA enable_verification

statement ok
CREATE TABLE animals (name VARCHAR, sound VARCHAR, legs INTEGER);

statement ok
INSERT INTO animals VALUES ('dog', 'woof', 4), ('hen', NULL, 2), ('cat', 'meow', 4)

query TI
SELECT name, legs FROM animals WHERE legs > 2 ORDER BY name
----
cat\t4
dog\t4

statement error
SELECT nosuch FROM animals
----
not found

query II
SELECT sound, count(*) FROM animals GROUP BY sound ORDER BY ALL
----
meow\t1
"""


def differences(path: Path) -> tuple[list[str], int]:
    """Of one file's queries, each with calls in it; and how many were compared."""
    pair: Pair = tuple(inlay.connect(model="fake", language_model="fake-generate", progress="off") for _ in range(2))
    random, found, n_compared = Random(path.name), [], 0
    for sql, is_query in statements(path):
        if not is_query:
            for con in pair:
                _set_up(con, sql)
            continue
        names = pair[0].duckdb.execute(_COLUMNS).fetchall()
        try:
            changed = with_calls(sql, {name for (name,) in names}, random)
        except SqlglotError:
            continue
        if changed is not None:
            n_compared += 1
            if (other := difference(*both_outcomes(pair, changed))) is not None:
                found.append(f"{path}: {changed}\n    {other}")
    for con in pair:
        con.close()
    return found, n_compared


def _set_up(con: inlay.Connection, sql: str) -> None:
    try:
        con.duckdb.execute(sql)
    except duckdb.Error:
        return  # of an extension, or of another version: the queries that need it fail both ways


def test_a_file_is_read_and_compared(tmp_path: Path) -> None:
    path = tmp_path / "one.test"
    path.write_text(ONE_FILE)
    assert [is_query for _, is_query in statements(path)] == [False, False, False, True, True]
    assert differences(path) == ([], 2)


@pytest.mark.skipif(FOLDER is None, reason="INLAY_SQLLOGICTESTS names no folder of sqllogictest files")
def test_planned_is_plain_in_files_of_others() -> None:
    paths = sorted(Path(FOLDER or "").rglob("*.test"))
    every, n_compared = [], 0
    for path in Random("files").sample(paths, min(N_FILES, len(paths))):
        found, n = differences(path)
        every, n_compared = every + found, n_compared + n
    assert n_compared > 0
    assert not every, "\n" + "\n".join(every)
