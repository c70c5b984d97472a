"""What commands print: in a pipe, on a terminal, where the command line is wrong, and what asking for help costs."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from inlay.cli import output
from inlay.cli.main import EXIT_USAGE, main
from inlay.tables import Table, plain_text

HEAVY = {"duckdb", "numpy", "pyarrow", "rich", "sqlglot", "torch"}
LONG = "a text that is far longer than a terminal is wide, " * 5


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Standard output and error are a terminal of 80 columns."""
    monkeypatch.setattr(output, "_is_terminal", lambda stream: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return monkeypatch


# --------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["store", "gc", "-h"], ["sql", "--help"], ["plam"]])
def test_help_imports_nothing_that_is_expensive(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom inlay.cli.main import main\n"
        f"main({arguments})\nprint('imported', sorted({HEAVY} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("imported []\n")


def test_help_names_every_command_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for command in (
        "sql",
        "models",
        "functions",
        "show-prompt",
        "doctor",
        "dbt-path",
        "store",
        "infer",
        "plan",
        "retry",
    ):
        assert f" {command} " in text
    assert "rows, known, to infer, tokens, seconds, cost." in text and "..." not in text.split("Commands:")[1]


# --------------------------------------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ([], "inlay: a command is missing: sql, models, ", "inlay --help"),
        (["store"], "inlay store: a command is missing: list, verify, ", "inlay store --help"),
        (["modles"], "inlay: there is no command 'modles'. Did you mean 'models'?", "inlay --help"),
        (["store", "verfy"], "inlay store: there is no command 'verfy'. Did you mean 'verify'?", "inlay store --help"),
        (["sql", "--modle", "x"], "inlay sql: there is no option '--modle'. Did you mean '--model'?", "inlay sql --help"),
        (["sql", "--format", "xml"], "'xml' is not one of 'box', 'csv', 'json', 'parquet'", "inlay sql --help"),
        (["show-prompt"], "inlay show-prompt: Missing argument 'FUNCTION'", "inlay show-prompt --help"),
        (["plan", "-f", "a", "--manifest", "b"], "inlay plan: --file and --manifest each name what to run.", "inlay plan --help"),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_exit_status_2_and_what_to_type(
    arguments: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == EXIT_USAGE == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.endswith(f"\nType: {hint}\n")


def test_a_shell_completes_commands_and_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_INLAY_COMPLETE", "bash_complete")
    for words, found in (("inlay st", "plain,store\n"), ("inlay store veri", "plain,verify\n")):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        main([])
        assert capsys.readouterr().out == found


# --------------------------------------------------------------------------------------------------- pipes


@pytest.mark.parametrize("colour", ["", "FORCE_COLOR"])
def test_what_is_piped_is_plain_and_complete(
    colour: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    if colour:
        monkeypatch.setenv(colour, "1")
    (Path.cwd() / "inlay.toml").write_text(
        f"[models.long]\nsource = 'fake:embed'\nbackend = 'fake'\n[models.other]\nsource = '{LONG}'\n"
    )
    assert main(["models", "--model", "fake"]) == 0
    out = capsys.readouterr().out
    head, *rows = out.splitlines()
    assert head.split("  ")[0] == "model"
    assert [row.split()[0] for row in rows].count("other") == 1
    assert LONG.strip() in out
    assert "\x1b" not in out and "…" not in out
    assert main(["functions"]) == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()[1:]) == len({line.split("(")[0] for line in out.splitlines()[1:]})
    assert main(["sql", f"select '{LONG}' as a, '{LONG}' as b from range(300)"]) == 0
    out = capsys.readouterr().out
    assert out.count(LONG) == 600 and "\x1b" not in out


def test_csv_writes_lists_and_structs_as_json() -> None:
    command = [sys.executable, "-m", "inlay", "sql", "--format", "csv", "select [1, 2] as a, {'x': 'ü'} as b, 3 as c"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == 'a,b,c\n"[1,2]","{""x"":""ü""}",3\n'


def test_a_reader_that_leaves_is_no_error() -> None:
    for query in ("from range(200000)", "select 1"):
        command = f"{sys.executable} -m inlay sql --format json '{query}' | true; exit ${{PIPESTATUS[0]}}"
        ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        assert (ran.returncode, ran.stderr) == (0, "")


# --------------------------------------------------------------------------------------------------- terminals

WIDE = Table(("name", "a text", "n"), [("first", LONG, 1_234_567), ("second", "short", None)], numbers=(2,))


def test_a_terminal_gets_wrapped_cells_and_aligned_numbers(
    terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.setenv("NO_COLOR", "1")
    output.table(WIDE)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("1,234,567" in line for line in lines) == 1
    shown = " ".join(" ".join(line[8:69] for line in lines).split())
    assert LONG.strip() in shown
    assert "\x1b[3" not in "".join(lines)  # no colour


def test_a_terminal_that_is_too_narrow_gets_rows_one_by_one(
    terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.setenv("COLUMNS", "30")
    output.table(WIDE)
    out = capsys.readouterr().out
    assert "n: 1,234,567" in out and "first" in out and "a text: short" in out


def test_sentences_are_wrapped_between_words_on_a_terminal(
    terminal: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output.sentence(LONG)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and " ".join(lines) == LONG.strip()
    output.error("a statement\n  with a caret\n      ^")
    assert capsys.readouterr().err == "inlay: a statement\n  with a caret\n      ^\n"


# --------------------------------------------------------------------------------------------------- tables


def test_cells_are_text_and_never_markup_or_escape_codes() -> None:
    table = Table(("a", "b"), [("[red]x[/red]", "one\ntwo\tthree"), ("\x1b[31m:smile:", True), (None, 12_345)])
    assert plain_text(table).splitlines() == [
        "a             b",
        "[red]x[/red]  one two three",
        "�[31m:smile:  True",
        "              12,345",
    ]


def test_only_the_column_that_gives_way_is_cut() -> None:
    table = Table(("a", "b", "c"), [("stays whole", "x" * 90, 1)], numbers=(2,))
    head, row = plain_text(table, width=60, gives_way={1: 24}).splitlines()
    assert len(row) == 60 and row.startswith("stays whole  xxx") and row.endswith("…  1")
    assert head.endswith("  c")


# --------------------------------------------------------------------------------------------------- logs


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


WARNED = "import inlay, logging\nlogging.getLogger('inlay.store').warning('inlay: a warning')\nlogging.getLogger('inlay.store').info('more')"


def test_a_warning_reaches_whoever_configured_nothing_once() -> None:
    ran = run_python(WARNED)
    assert (ran.stdout, ran.stderr) == ("", "inlay: a warning\n")


def test_verbose_shows_information_once() -> None:
    ran = run_python(f"from inlay.logs import show_info\nshow_info(); show_info('inlay.store')\n{WARNED}")
    assert ran.stderr == "inlay: a warning\nmore\n"


def test_logging_that_is_configured_is_not_doubled() -> None:
    ran = run_python(
        f"import logging\nlogging.basicConfig(format='%(name)s: %(message)s')\nfrom inlay.logs import show_info\nshow_info()\n{WARNED}"
    )
    assert ran.stderr == "inlay.store: inlay: a warning\ninlay.store: more\n"


def test_lines_of_progress_are_information(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    from inlay.execution.progress import Progress

    seconds = iter(range(0, 1_000, 6))
    monkeypatch.setattr("inlay.execution.progress.time.monotonic", lambda: float(next(seconds)))
    with Progress("lines").working("ai_embed fake", 10) as told:
        told(0.5, 5)
    assert {(record.name, record.levelno) for record in caplog.records} == {("inlay.execution", logging.INFO)}
    assert caplog.messages[0].startswith("inlay: ai_embed fake: 5 rows, ")
