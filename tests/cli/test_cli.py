"""The inlay command, as a person types it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from inlay.cli.main import main
from inlay.cli.sql import split_statements


def run(*arguments: str, text: str | None = None, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "inlay", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, cwd=cwd)


def test_sql_prints_a_box_and_the_account_apart(tmp_path: Path) -> None:
    ran = run("sql", "select ai_count_tokens('ab') as n", "--model", "fake", "--account", cwd=tmp_path)
    assert ran.returncode == 0
    assert "│     3 │" in ran.stdout
    said = "ai_count_tokens (fake): 1 rows, 1 distinct, 0 known, 1 inferred, 0 failed, 0 tokens, "
    assert re.fullmatch(re.escape(said) + r"\d+\.\d s on no device\n", ran.stderr)


def test_sql_reads_standard_input_and_writes_json(tmp_path: Path) -> None:
    query = "create table t as select 'ü;' as s;\n-- a comment; with a semicolon\nselect s, ai_classify(s, ['a']) k from t;\n"
    ran = run("sql", "--model", "fake", "--format", "json", text=query, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout) == {"s": "ü;", "k": "a"}


def test_sql_reads_a_file_and_writes_csv(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("select 1 as a, 'x,y' as b;", encoding="utf-8")
    ran = run("sql", "-f", "q.sql", "--format", "csv", cwd=tmp_path)
    assert ran.stdout == 'a,b\n1,"x,y"\n'


ALL_KINDS = """
    select 'nan'::double as n, ['-inf'::float] as l, '\\xAA'::blob as b, {'a': 'é', 'b': [1, null]} as s, null as z,
        123456789012345678901234567890::hugeint as h, date '2026-01-01' as d, 'NaN, "Infinity"' as t,
        ai_classify('x', ['k']) as k
"""


def test_json_is_json_whatever_the_values() -> None:
    ran = run("sql", "--model", "fake", "--format", "json", ALL_KINDS)
    assert json.loads(ran.stdout, parse_constant=pytest.fail) == {
        "n": None, "l": [None], "b": "\\xAA", "s": {"a": "é", "b": [1, None]}, "z": None,
        "h": 123456789012345678901234567890, "d": "2026-01-01", "t": 'NaN, "Infinity"', "k": "k",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["rows.csv", "rows.json", "it's rows.parquet"])
def test_rows_go_to_a_file_in_the_form_of_its_name(tmp_path: Path, name: str) -> None:
    query = "create table t as select i, 'text ' || i as s from range(3000) r(i); select i, ai_classify(s, ['k']) as k from t"
    ran = run("sql", "--model", "fake", query, "-o", name, cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    rows = duckdb.sql(f"select count(*), sum(i), min(k) from '{tmp_path / name}'".replace("it's", "it''s")).fetchall()
    assert rows == [(3000, 2999 * 1500, "k")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["select 1", "-o", "rows"], "rows says no form. Call it .csv, .json or .parquet"),
        (["select 1", "-o", "nowhere/rows.csv"], "nowhere/rows.csv cannot be written: No such file or directory."),
        (["select 1", "-o", "nowhere/rows.parquet"], "nowhere/rows.parquet cannot be written: "),
        (["select 1", "--format", "parquet"], "parquet is not printed. Name a file: -o rows.parquet"),
        (["select 1; select 2", "-o", "rows.csv"], "rows.csv takes the rows of one statement"),
    ],
)
def test_rows_that_cannot_be_written_are_one_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    ran = run("sql", *arguments, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"inlay: {message}") and "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select ai_embed('x', model := 'nope')", "no model named 'nope'"),
        ("select ai_classify('x', [])", "labels is empty"),
        ("select nothing from nowhere", "nowhere does not exist"),
    ],
)
def test_an_error_is_one_clear_line_and_exit_status_1(tmp_path: Path, query: str, message: str) -> None:
    ran = run("sql", query, "--model", "fake", cwd=tmp_path)
    assert ran.returncode == 1
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


def test_titles_come_from_the_comment_above_a_statement() -> None:
    text = "-- First\n-- table\nselect 1; select ';' as \"ü;\" -- trailing; one\n;\n-- nothing follows"
    assert split_statements(text) == [("First table", "select 1"), ("", "select ';' as \"ü;\" -- trailing; one")]


def test_models_lists_every_registered_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--model", "fake"]) == 0
    out = capsys.readouterr().out
    assert "fake (default)" in out
    assert "minilm" in out


def test_functions_lists_every_function(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["functions"]) == 0
    assert "ai_classify(text, labels, …)" in capsys.readouterr().out


def test_functions_says_all_about_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["functions", "try_ai_classify"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("ai_classify(text, labels, …) gives VARCHAR\n")
    assert re.search(r"^template +VARCHAR +NULL +how a label becomes a sentence", out, re.MULTILINE)
    assert out.rstrip().endswith("SELECT ai_classify('the app crashes', ['bug', 'praise'])")
    assert main(["functions", "ai_clasify"]) == 1
    assert "no function named 'ai_clasify'. Did you mean 'ai_classify'?" in capsys.readouterr().err
    assert main(["show-prompt", "ai_clasify"]) == 1
    assert "Did you mean 'ai_classify'?" in capsys.readouterr().err


@pytest.mark.weights
def test_doctor_finds_everything_in_a_full_environment() -> None:
    ran = run("doctor")
    assert ran.returncode == 0, ran.stdout
    assert "first answer" in ran.stdout
    assert "✗" not in ran.stdout


def test_doctor_says_what_is_missing_and_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "inlay.toml").write_text('model = "gone"\n[models.gone]\nsource = "./nowhere"\n', encoding="utf-8")
    ran = run("doctor", cwd=tmp_path)
    assert ran.returncode == 1
    assert "model 'gone' was not found" in ran.stdout
    assert "inlay.toml" in ran.stdout


def test_dbt_path_is_a_dbt_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dbt-path"]) == 0
    assert (Path(capsys.readouterr().out.strip()) / "dbt_project.yml").is_file()
