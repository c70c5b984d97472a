"""`inlay plan --file` and `inlay infer --file` run the query inside a statement, and nothing else: whatever the file
says, the database, its folder and the store of a plan are as they were."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from inlay.cli.main import EXIT_ERROR, main
from inlay.client.connection import Connection
from inlay.parsing.query_inside import statement_kind

ROWS = [(i, f"text {i}", "old") for i in range(5)]
KIND = "ai_classify(body, ['bug', 'praise'])"


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with duckdb.connect("shop.duckdb") as con:
        con.execute("create table reviews (id integer primary key, body varchar, kind varchar)")
        con.executemany("insert into reviews values (?, ?, ?)", ROWS)
        con.execute("create table labels (id integer, kind varchar)")
        con.execute("insert into labels values (1, 'bug'), (2, 'praise')")
    return tmp_path


def run(command: str, sql: str, *options: str) -> int:
    Path("calls.sql").write_text(sql, "utf-8")
    task = ["--file", "calls.sql", "--database", "shop.duckdb", "--model", "fake", "--store", "kept"]
    return main([command, *task, *options])


def planned(sql: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run("plan", sql, "--json", "--no-measure") == 0
    return dict(json.loads(capsys.readouterr().out))


def everything() -> tuple[list[Any], list[Any], list[str]]:
    with duckdb.connect("shop.duckdb", read_only=True) as con:
        tables = con.execute("select table_name from duckdb_tables() order by all").fetchall()
        rows = con.execute("from reviews order by id").fetchall()
    return tables, rows, sorted(path.name for path in Path().iterdir())


# Statement → distinct inputs of its calls.
WITH_A_QUERY = {
    f"SELECT {KIND} FROM reviews": 5,
    f"FROM reviews SELECT {KIND} WHERE id < 2": 2,
    f"WITH r AS (FROM reviews WHERE id < 3) SELECT {KIND} FROM r": 3,
    f"CREATE TABLE made AS SELECT {KIND} FROM reviews": 5,
    f"CREATE OR REPLACE TEMP TABLE made (kind) AS (SELECT {KIND} FROM reviews WHERE id > 0)": 4,
    f"CREATE TABLE made AS SELECT {KIND} FROM reviews WITH NO DATA": 0,
    f"INSERT INTO reviews SELECT id + 10, body, {KIND} FROM reviews": 5,
    f"INSERT INTO reviews (id, kind) (SELECT id + 10, {KIND} FROM reviews WHERE id < 1)": 1,
    "INSERT INTO reviews VALUES (9, 'nine', ai_classify('nine', ['bug', 'praise'])), (8, DEFAULT, NULL)": 1,
    f"WITH r AS (FROM reviews WHERE id < 3) INSERT INTO reviews BY NAME SELECT id + 10 AS id, {KIND} AS kind FROM r": 3,
    "INSERT INTO labels DEFAULT VALUES": 0,
    f"INSERT INTO reviews SELECT id, body, {KIND} FROM reviews ON CONFLICT (id) DO UPDATE SET kind = 'x'": 5,
    f"COPY (SELECT {KIND} FROM reviews) TO 'out.csv' (HEADER)": 5,
    "COPY reviews TO 'out.csv'": 0,
    f"UPDATE reviews SET kind = {KIND}, body = 'x' || body WHERE id >= 2": 3,
    f"UPDATE reviews AS r SET kind = DEFAULT FROM labels l WHERE l.id = r.id AND {KIND} IS DISTINCT FROM l.kind": 2,
    f"DELETE FROM reviews WHERE {KIND} = 'bug'": 5,
    f"DELETE FROM reviews USING labels WHERE labels.id = reviews.id AND {KIND} = 'bug'": 2,
    "DELETE FROM reviews": 0,
}


@pytest.mark.parametrize("sql", WITH_A_QUERY)
def test_the_query_inside_a_statement_is_counted_and_inferred_and_nothing_is_written(
    sql: str, capsys: pytest.CaptureFixture[str], calls: dict[str, int]
) -> None:
    before = everything()
    plan = planned(sql, capsys)
    assert sum(line["distinct"] for line in plan["calls"]) == WITH_A_QUERY[sql]
    assert plan["notes"] == [] and not calls
    assert everything()[:2] == before[:2] and set(everything()[2]) - set(before[2]) == {"calls.sql", "kept"}
    assert run("infer", sql) == 0
    labels = 10 if WITH_A_QUERY[sql] else 0  # two labels in five templates
    assert calls["rows"] == WITH_A_QUERY[sql] + labels
    assert everything()[:2] == before[:2] and set(everything()[2]) - set(before[2]) == {"calls.sql", "kept"}
    if WITH_A_QUERY[sql]:  # what was inferred ahead is what the statement itself then asks
        assert run("sql", sql) == 0
        assert calls["rows"] == WITH_A_QUERY[sql] + labels


WITHOUT = {
    "CREATE VIEW v AS SELECT 1": "CREATE VIEW",
    "CREATE TABLE made (id integer)": "CREATE TABLE",
    "CREATE OR REPLACE TEMP MACRO f(x) AS x": "CREATE MACRO",
    "CREATE SEQUENCE s": "CREATE SEQUENCE",
    "CREATE INDEX i ON reviews (kind)": "CREATE INDEX",
    "CREATE SCHEMA s": "CREATE SCHEMA",
    "CREATE TYPE e AS ENUM ('a')": "CREATE TYPE",
    "DROP TABLE reviews": "DROP TABLE",
    "ALTER TABLE reviews ADD COLUMN more integer": "ALTER TABLE",
    "COMMENT ON TABLE reviews IS 'x'": "COMMENT",
    "TRUNCATE reviews": "TRUNCATE",
    "MERGE INTO reviews USING labels ON labels.id = reviews.id WHEN MATCHED THEN DELETE": "MERGE",
    "COPY reviews FROM 'in.csv'": "COPY … FROM",
    "EXPORT DATABASE 'folder'": "EXPORT",
    "IMPORT DATABASE 'folder'": "IMPORT",
    "ATTACH 'other.duckdb'": "ATTACH",
    "DETACH shop": "DETACH",
    "USE shop": "USE",
    "SET threads = 1": "SET",
    "SET VARIABLE x = 1": "SET",
    "RESET threads": "RESET",
    "PRAGMA version": "PRAGMA",
    "CALL pragma_version()": "CALL",
    "CHECKPOINT": "CHECKPOINT",
    "VACUUM": "VACUUM",
    "ANALYZE": "ANALYZE",
    "INSTALL json": "INSTALL",
    "LOAD json": "LOAD",
    "UPDATE EXTENSIONS": "UPDATE",
    "BEGIN": "BEGIN",
    "COMMIT": "COMMIT",
    "PREPARE p AS SELECT 1": "PREPARE",
    "EXECUTE p": "EXECUTE",
    "DEALLOCATE p": "DEALLOCATE",
    "EXPLAIN ANALYZE DELETE FROM reviews": "EXPLAIN",
    "DESCRIBE reviews": "DESCRIBE",
    "SUMMARIZE reviews": "SUMMARIZE",
    "SHOW TABLES": "SHOW",
    "WITH gone AS (DELETE FROM reviews RETURNING *) SELECT count(*) FROM gone": "WITH … DELETE",
    "WITH new AS (INSERT INTO reviews VALUES (9) RETURNING *) SELECT count(*) FROM new": "WITH … INSERT",
    "WITH new AS (UPDATE reviews SET kind = 'x' RETURNING *) INSERT INTO reviews FROM new": "WITH … UPDATE",
}


@pytest.mark.parametrize(("command", "sql"), [*(("plan", sql) for sql in WITHOUT), ("infer", "DROP TABLE reviews")])
def test_any_other_statement_is_refused_by_name_before_anything_runs(
    command: str, sql: str, capsys: pytest.CaptureFixture[str], calls: dict[str, int]
) -> None:
    before = everything()[:2]
    assert statement_kind(sql) == WITHOUT[sql]
    assert run(command, f"SELECT {KIND} FROM reviews; {sql}") == EXIT_ERROR
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"inlay: calls.sql, statement 2: {WITHOUT[sql]} has no query")
    assert not calls and everything()[:2] == before
    assert not {"folder", "other.duckdb", "in.csv"} & set(everything()[2])


def test_what_an_earlier_statement_makes_is_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    sql = f"""
        CREATE TABLE made AS FROM reviews WHERE id < 2;
        SELECT {KIND} FROM made;
        CREATE OR REPLACE TABLE labels AS SELECT 'bug' AS body;
        SELECT {KIND} FROM main."Labels";
        WITH made AS (FROM reviews WHERE id < 3) SELECT {KIND} FROM made;
        UPDATE reviews SET body = 'x';
        SELECT {KIND} FROM reviews;
        INSERT INTO reviews (id) VALUES (77) RETURNING {KIND};
    """
    plan = planned(sql, capsys)
    assert [(line["node"], line["distinct"]) for line in plan["calls"]] == [("statement 5", 3), ("statement 7", 5)]
    assert plan["notes"] == [
        "statement 2 is not counted: it reads made, which statement 1 creates.",
        "statement 4 is not counted: it reads labels, which statement 3 creates.",
        "statement 7 is counted over the rows that reviews has now; statement 6 changes it.",
        "calls in RETURNING or ON CONFLICT of statement 8 are not counted: they are made for rows that are there once "
        "the statement has run.",
    ]
    assert run("infer", sql) == 0
    assert "statement 2 is not inferred: it reads made" in capsys.readouterr().err
    assert run("plan", "CREATE TABLE made AS SELECT 'x' AS body; SELECT " + KIND + " FROM made") == 0
    assert "Everything is known" not in capsys.readouterr().out


HOLDS = "import duckdb, sys; con = duckdb.connect('shop.duckdb'); print('held', flush=True); sys.stdin.read()"


@pytest.mark.parametrize("command", ["plan", "infer", "sql"])
def test_a_file_that_another_process_holds_gives_one_line_with_its_pid(
    command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        Path("calls.sql").write_text("SELECT 1")
        assert main([command, "--file", "calls.sql", "--database", "shop.duckdb", "--store", "kept"]) == EXIT_ERROR
        (line,) = capfd.readouterr().err.splitlines()
        assert line.startswith("inlay: shop.duckdb is held by another process") and f"pid {holder.pid}." in line
        holder.communicate()


def test_a_file_that_is_not_there_is_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    Path("calls.sql").write_text("SELECT 1")
    assert main(["plan", "--file", "calls.sql", "--database", "absent.duckdb"]) == EXIT_ERROR
    assert capsys.readouterr().err.startswith("inlay: absent.duckdb cannot be opened")
    assert not Path("absent.duckdb").exists()


@pytest.mark.skipif(duckdb.__version__ < "2", reason="in DuckDB 1 no statement in WITH writes")
@pytest.mark.parametrize("method", ["execute", "sql"])
def test_a_statement_that_writes_in_a_with_clause_runs_once(con: Connection, method: str) -> None:
    con.execute("create table t (s varchar)")
    asked = getattr(con, method)(
        "with new as (insert into t values ('x') returning s) select ai_classify(s, ['a', 'b']) in ('a', 'b') from new"
    )
    assert asked.fetchall() == [(True,)]
    getattr(con, method)("with new as (select 'y' as s) insert into t select ai_classify(s, ['y']) from new")
    assert con.execute("from t order by s").fetchall() == [("x",), ("y",)]
