"""The commonest mistakes of every command: one line that says what is wrong, no traceback, 2 for a command line that is
wrong and 1 for anything else, and nothing made where nothing was there."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import inlay
from inlay.cli.main import main

FAILED, USAGE = 1, 2
_CALL = "ai_classify(body, ['a', 'b'])"

# What is typed, split at blanks unless it is a list → exit status, and what the line says.
MISTAKES: dict[str, list[tuple[str | list[str], int, str]]] = {
    "inlay": [
        ("", USAGE, "a command is missing"),
        ("sqll", USAGE, "Did you mean 'sql'?"),
        ("plann", USAGE, "Did you mean 'plan'?"),
        ("--verison", USAGE, "Did you mean '--version'?"),
        ("-x", USAGE, "there is no option '-x'"),
    ],
    "sql": [
        (["sql", "selct 1"], FAILED, 'syntax error at or near "selct"'),
        (["sql", "select 'x"], FAILED, "unterminated"),
        (["sql", "select 1", "select 2"], USAGE, "unexpected extra argument (select 2)"),
        (["sql", "select ai_clasify('x', ['a'])"], FAILED, "ai_clasify does not exist"),
        (["sql", "select * from absent"], FAILED, "Table with name absent does not exist"),
        (["sql", "select * from sys"], FAILED, "Table with name sys does not exist"),
        (["sql", "-d", "shop.duckdb", "select ai_embed(boddy) from t"], FAILED, '"boddy" not found'),
        (["sql", "select ai_embed('x')", "--model", "nope"], FAILED, "no model named 'nope'"),
        (["sql", "select ai_embed('x')", "--model", "./folder"], FAILED, "no config.json"),
        (["sql", "select ai_embed('x')", "--store", "notes.txt"], FAILED, "notes.txt cannot be opened"),
        (["sql", "select ai_embed('x')", "--store", "foo://x"], FAILED, "no installed file system reads"),
        (["sql", "select ai_embed('x', modle := 'fake')"], FAILED, "ai_embed: no argument named 'modle'. Did you mean 'model'?"),
        (["sql", "select ai_classify('x')"], FAILED, "labels is NULL. Give the choices"),
        (["sql", "select ai_complete('x')"], FAILED, "needs a language model"),
        (["sql", "copy (select 1) to 'absent/x.csv'"], FAILED, "absent/x.csv"),
        ("sql -f absent.sql", FAILED, "absent.sql cannot be read: No such file"),
        ("sql -f folder", FAILED, "folder cannot be read: Is a directory"),
        ("sql -f latin.sql", FAILED, "latin.sql is no text in UTF-8"),
        ("sql -f empty.sql", FAILED, "there is no statement in empty.sql"),
        ("sql -f blank.sql", FAILED, "there is no statement in blank.sql"),
        ("sql", FAILED, "there is no statement in what was given"),
        (["sql", "-d", "absent/x.duckdb", "select 1"], FAILED, "absent/x.duckdb cannot be opened"),
        (["sql", "-d", "absent.duckdb", "--read-only", "select 1"], FAILED, "absent.duckdb cannot be opened"),
        (["sql", "-d", "folder", "select 1"], FAILED, "folder cannot be opened"),
        (["sql", "-d", "notes.txt", "select 1"], FAILED, "not a valid DuckDB database"),
        (["sql", "-d", "held.duckdb", "select 1"], FAILED, "held.duckdb is held by another process"),
        (["sql", "--databse", "x", "select 1"], USAGE, "Did you mean '--database'?"),
        (["sql", "--format", "xml", "select 1"], USAGE, "'xml' is not one of"),
        ("sql --format", USAGE, "requires an argument"),
        (["sql", "select 1", "-o", "folder"], FAILED, "folder says no form"),
        (["sql", "select 1", "-o", "folder", "--format", "csv"], FAILED, "folder cannot be written: Is a directory"),
        (["sql", "select 1", "-o", "notes.txt/x.csv"], FAILED, "cannot be written: Not a directory"),
        (["sql", "select 1", "--config", "absent.toml"], FAILED, "settings file absent.toml does not exist"),
        (["sql", "select 1", "--config", "bad.toml"], FAILED, "bad.toml is not valid TOML"),
        (["sql", "select 1", "--config", "wrong.toml"], FAILED, "Did you mean 'model'?"),
        (["sql", "select 1", "--config", "latin.sql"], FAILED, "latin.sql is not valid TOML"),
    ],
    "plan": [
        ("plan", FAILED, "has no dbt_project.yml. Name a project"),
        ("plan --project-dir absent", FAILED, "absent has no dbt_project.yml"),
        ("plan --project-dir notes.txt", FAILED, "notes.txt has no dbt_project.yml"),
        ("plan -f absent.sql", FAILED, "absent.sql cannot be read"),
        ("plan -f folder", FAILED, "folder cannot be read"),
        ("plan -f latin.sql", FAILED, "latin.sql is no text"),
        ("plan -f empty.sql", FAILED, "there is no statement in empty.sql"),
        ("plan -f q.sql", FAILED, "Table with name t does not exist"),
        ("plan -f q.sql -d absent.duckdb", FAILED, "absent.duckdb cannot be opened"),
        ("plan -f q.sql -d notes.txt", FAILED, "not a valid DuckDB database"),
        ("plan -f q.sql -d folder", FAILED, "folder cannot be opened"),
        ("plan -f q.sql -d held.duckdb", FAILED, "held by another process"),
        ("plan -f twice.sql -d shop.duckdb", FAILED, "twice.sql, statement 1: Catalog Error: Table with name absent"),
        ("plan -f q.sql --manifest bad.json", USAGE, "--file and --manifest each name what to run"),
        ("plan -f q.sql --select x", USAGE, "choose nodes of a dbt project"),
        ("plan --manifest absent.json", FAILED, "absent.json cannot be read"),
        ("plan --manifest folder", FAILED, "folder cannot be read"),
        ("plan --manifest bad.json", FAILED, "bad.json is not JSON"),
        ("plan --manifest list.json", FAILED, "list.json is no dbt manifest"),
        ("plan --select", USAGE, "requires an argument"),
        ("plan extra", USAGE, "unexpected extra argument (extra)"),
        ("plan --modl fake", USAGE, "Did you mean '--model'?"),
        ("plan -f q.sql --config wrong.toml", FAILED, "Did you mean 'model'?"),
    ],
    "infer": [
        ("infer", FAILED, "has no dbt_project.yml"),
        ("infer -f q.sql -d shop.duckdb", FAILED, "inlay infer --store .inlay"),
        ("infer -f q.sql -d shop.duckdb --store notes.txt", FAILED, "notes.txt cannot be opened"),
        ("infer -f q.sql -d shop.duckdb --store notes.txt/x", FAILED, "cannot be opened"),
        ("infer -f q.sql -d shop.duckdb --store kept --model nope", FAILED, "no model named 'nope'"),
        ("infer -f latin.sql --store kept", FAILED, "latin.sql is no text"),
        ("infer -f absent.sql --store kept", FAILED, "absent.sql cannot be read"),
        ("infer --manifest list.json --store kept", FAILED, "list.json is no dbt manifest"),
        ("infer --fil q.sql", USAGE, "Did you mean '--file'?"),
        ("infer -f q.sql extra", USAGE, "unexpected extra argument"),
    ],
    "build": [
        ("build", FAILED, "has no dbt_project.yml"),
        ("build --project-dir absent", FAILED, "absent has no dbt_project.yml"),
        ("build --selct x", USAGE, "Did you mean '--select'?"),
        ("build --select", USAGE, "requires an argument"),
        ("build x", USAGE, "unexpected extra argument (x)"),
        ("build -f q.sql", USAGE, "there is no option '-f'"),
    ],
    "retry": [
        ("retry", FAILED, "none is configured for writing"),
        ("retry --store absent", FAILED, "there is no store at"),
        ("retry --store folder", FAILED, "there is no store at"),
        ("retry --store notes.txt", FAILED, "notes.txt"),
        ("retry --select x", FAILED, "has no dbt_project.yml"),
        ("retry x", USAGE, "unexpected extra argument (x)"),
        ("retry --stor x", USAGE, "Did you mean '--store'?"),
    ],
    "check": [
        ("check absent", FAILED, "there is no file or folder absent"),
        ("check folder", FAILED, "folder has no .sql file"),
        ("check latin.sql", FAILED, "latin.sql cannot be read as text"),
        ("check shop.duckdb", FAILED, "shop.duckdb cannot be read as text"),
        ("check q.sql --config bad.toml", FAILED, "bad.toml is not valid TOML"),
        ("check --format xml", USAGE, "'xml' is not one of"),
        ("check --strictt", USAGE, "Did you mean '--strict'?"),
    ],
    "models": [
        ("models lst", USAGE, "there is no command 'lst'"),
        ("models show nope", FAILED, "no model named 'nope'. Known: fake"),
        ("models --model nope", FAILED, "no model named 'nope'"),
        ("models show minilmm", FAILED, "Did you mean 'minilm'?"),
        ("models show", USAGE, "Missing argument 'NAME'"),
        ("models add nope", FAILED, "no model named 'nope'"),
        ("models add minilm --file absent.gguf", USAGE, "'absent.gguf' does not exist"),
        ("models --config folder", FAILED, "settings file folder does not exist"),
    ],
    "functions": [
        ("functions ai_clasify", FAILED, "Did you mean 'ai_classify'?"),
        ("functions a b", USAGE, "unexpected extra argument (b)"),
        ("functions --markdwn", USAGE, "Did you mean '--markdown'?"),
    ],
    "show-prompt": [
        ("show-prompt", USAGE, "Missing argument 'FUNCTION'"),
        ("show-prompt ai_sumarize", FAILED, "Did you mean 'ai_summarize'?"),
        ("show-prompt ai_embed", FAILED, "asks a language model nothing of its own. Those that do: ai_agg"),
    ],
    "settings": [
        ("settings --schma", USAGE, "Did you mean '--schema'?"),
        ("settings extra", USAGE, "unexpected extra argument"),
        ("settings --config bad.toml", FAILED, "bad.toml is not valid TOML"),
        ("settings --config wrong.toml", FAILED, "Did you mean 'model'?"),
        ("settings --config absent.toml", FAILED, "absent.toml does not exist"),
    ],
    "doctor": [("doctor x", USAGE, "unexpected extra argument (x)"), ("doctor --mdel x", USAGE, "'--model'")],
    "report": [
        ("report", FAILED, "reads a result store, and none is configured. Name a folder: inlay report --store .inlay"),
        ("report --store absent", FAILED, "there is no store at"),
        ("report --store folder", FAILED, "there is no store at"),
        ("report --store notes.txt", FAILED, "notes.txt"),
        ("report --store kept", FAILED, "has no run"),
        ("report --store kept --run 2020", FAILED, "has no run whose name begins with 2020"),
        ("report --runs 0", USAGE, "0 is not in the range"),
        ("report --rnu x", USAGE, "Did you mean '--run'"),
        ("report x.html", USAGE, "unexpected extra argument (x.html)"),
        ("report -o", USAGE, "requires an argument"),
        ("report --project-dir folder", FAILED, "has no dbt_project.yml"),
        ("build --report x.html --project-dir folder", FAILED, "has no dbt_project.yml"),
    ],
    "flips": [
        ("flips", USAGE, "Missing option '--key'"),
        ("flips --key a --before fake --after fake", FAILED, "expected one query, got 0"),
        ("flips --key a --before fake --after fake -f absent.sql", FAILED, "absent.sql cannot be read"),
        ("flips --key a --before fake --after fake -f latin.sql", FAILED, "latin.sql is no text"),
        ("flips --key a --before fake --after fake -f q.sql -d notes.txt", FAILED, "not a valid DuckDB database"),
        ("flips --key a --before fake --after nope -f q.sql -d shop.duckdb", FAILED, "no column 'a'"),
        ("flips --kye a", USAGE, "Did you mean '--key'?"),
    ],
    "calibrate": [
        ("calibrate x", USAGE, "Missing argument 'CALL'"),
        (["calibrate", "x", "ai_score(body, 'y')", "--rows", "t", "--label", "a"], FAILED, "must be one call of"),
        (["calibrate", "x", _CALL, "--rows", "absent", "--label", "a"], FAILED, "absent does not exist"),
        (["calibrate", "x", _CALL, "--rows", "t", "--label", "a", "-d", "shop.duckdb"], FAILED, '"a" not found'),
        (["calibrate", "x", _CALL, "--rows", "t", "--label", "a", "-d", "notes.txt"], FAILED, "not a valid DuckDB"),
        (["calibrate", "a/b", _CALL, "--rows", "t", "--label", "a", "-d", "shop.duckdb"], FAILED, "no name for a head"),
        ("calibrate --lable a", USAGE, "Did you mean '--label'?"),
    ],
    "label": [
        ("label t", USAGE, "Missing argument 'TEXT'"),
        ("label t body --labels a,b", FAILED, "say where the labels are kept: --csv seeds/labelled.csv"),
        ("label t body --labels a,b --into kept", FAILED, "table kept would be in memory alone"),
        ("label t body --labels a,b --csv notes.txt -d shop.duckdb", FAILED, "notes.txt has no column 'text'"),
        ("label t body --labels a,b --csv folder -d shop.duckdb", FAILED, "folder cannot be read"),
        ("label t body --labels a,b --into t -d shop.duckdb", FAILED, "table t has no column 'text'"),
        ("label t body --labels a,b --csv l.csv -d notes.txt", FAILED, "not a valid DuckDB database"),
        ("label t body --labels a,b --into l -d absent.duckdb", FAILED, "there is no file absent.duckdb"),
        ("label t body --csv l.csv -d shop.duckdb --model fake", FAILED, "labels is missing. Give the choices"),
        ("label t body --labels a,a --csv l.csv -d shop.duckdb --model fake", FAILED, "labels holds 'a' twice"),
        ("label t body --labels a, --csv l.csv -d shop.duckdb --model fake", FAILED, "labels holds ''"),
        ("label absent body --labels a,b --csv l.csv -d shop.duckdb --model fake", FAILED, "absent does not exist"),
        ("label t boddy --labels a,b --csv l.csv -d shop.duckdb --model fake", FAILED, '"boddy" not found'),
        ("label empty.sql body --labels a,b --csv l.csv --model fake", FAILED, "empty.sql"),
        ("label t body --labels a,b --csv l.csv -d shop.duckdb --model nope", FAILED, "no model named 'nope'"),
        ("label t body --labels a,b --csv l.csv -d shop.duckdb --n 0", USAGE, "0 is not in the range"),
        ("label t body --labels a,b --csv l.csv -d shop.duckdb --port 99999", USAGE, "99999 is not in the range"),
        ("label t body --labels a,b --csv l.csv -d shop.duckdb --into l", FAILED, "labels are kept in one place"),
        ("label t body --lables a,b", USAGE, "Did you mean '--labels'?"),
    ],
    "dbt-path": [("dbt-path x", USAGE, "unexpected extra argument (x)")],
    "store": [
        ("store", USAGE, "a command is missing: list"),
        ("store lst", USAGE, "Did you mean 'list'?"),
        ("store list", FAILED, "no store is named. Type --store FOLDER"),
        ("store list --store absent", FAILED, "there is no store at"),
        ("store list --store folder", FAILED, "there is no store at"),
        ("store list --store notes.txt", FAILED, "notes.txt"),
        ("store list --store foo://x", FAILED, "no installed file system reads"),
        ("store verify --store folder", FAILED, "there is no store at"),
        ("store compact --store absent", FAILED, "there is no store at"),
        ("store gc --store folder --older-than soon", FAILED, "--older-than is 'soon'; write a number"),
        ("store gc --store folder --max-size big", FAILED, "--max-size is 'big'; write a number"),
        ("store export", USAGE, "Missing argument 'FILE.tar'"),
        ("store export x.tar --store absent", FAILED, "there is no store at"),
        ("store import absent.tar --store kept", FAILED, "there is no file absent.tar"),
        ("store import bad.tar --store kept", FAILED, "bad.tar cannot be read as a tar file"),
        ("store import folder --store kept", FAILED, "there is no store at"),
    ],
}  # fmt: skip
TYPED = [case for cases in MISTAKES.values() for case in cases]

HOLDS = "import duckdb, sys; con = duckdb.connect('held.duckdb'); print('held', flush=True); sys.stdin.read()"


@pytest.fixture(scope="module")
def mess(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of what people name by mistake."""
    folder = tmp_path_factory.mktemp("mess")
    (folder / "folder").mkdir()
    texts = {
        "notes.txt": "hello\n" * 100, "empty.sql": "", "blank.sql": " \n-- a comment alone\n", "bad.json": "{",
        "list.json": "[]", "bad.toml": "model = [", "wrong.toml": 'modle = "fake"', "bad.tar": "x",
        "q.sql": "select ai_embed(body) from t", "twice.sql": "select ai_embed(body) from absent",
    }  # fmt: skip
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    (folder / "latin.sql").write_bytes(b"select '\xe9\xff'")
    with duckdb.connect(str(folder / "shop.duckdb")) as con:
        con.execute("create table t as select 'x' as body")
    inlay.connect(store=str(folder / "kept")).close()  # a store of no run
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "held\n"
    try:
        yield folder
    finally:
        holder.communicate()


@pytest.mark.parametrize(("typed", "status", "line"), TYPED, ids=[str(case[0]) for case in TYPED])
def test_a_mistake_is_one_line(
    typed: str | list[str],
    status: int,
    line: str,
    mess: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(mess)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    arguments = typed.split() if isinstance(typed, str) else typed
    before = names_here()
    if arguments[:1] in (["sql"], ["plan"], ["infer"]) and "--model" not in arguments and status == FAILED:
        arguments = [*arguments, "--model", "fake"]
    assert main(arguments) == status
    said = capsys.readouterr()
    assert said.out == "" and "Traceback" not in said.err
    first, *others = said.err.splitlines()
    assert first.startswith("inlay") and line in first
    if status == USAGE:
        assert len(others) == 1 and others[0].startswith("Type: inlay") and others[0].endswith(" --help")
    else:  # of DuckDB, beside the line, the place in the statement and what else might be meant
        assert not others or " Error: " in first
    assert names_here() - before <= {"kept"}


def names_here() -> set[str]:
    return {path.name for path in Path().iterdir()}


def test_every_command_is_mistaken_for() -> None:
    from inlay.cli.main import inlay

    assert set(MISTAKES) - {"inlay"} >= set(inlay.commands)


def test_doctor_marks_what_is_wrong(
    mess: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(mess)
    for arguments, line in {
        ("--config", "absent.toml"): "settings file absent.toml does not exist",
        ("--store", "notes.txt", "--model", "fake"): "notes.txt",
        ("--store", "folder", "--model", "fake"): "there is no store at",
        ("--model", "nope"): "no model named 'nope'. Known: fake",
    }.items():
        assert main(["doctor", *arguments]) == 1
        (wrong,) = (each for each in capsys.readouterr().out.splitlines() if each.startswith("✗") and "pip" not in each)
        assert line in wrong
