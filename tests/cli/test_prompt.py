"""`inlay sql` on a terminal: what is typed there, and what is seen."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

import inlay
from inlay.cli.prompt import _Completer, is_whole

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\r")


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("select 1;", True), ("select 1", False), ("select ';'", False), ("select ';", False), ("select 1; -- x;", False),
        ("select 1 -- ;", False), ("", True), ("  ", True), (".tables", True), ("quit", True), ("select 'ü';", True),
        ("select $$ ; $$", False), ("select 1;\n", True), ('select ";', False),
    ],
)  # fmt: skip
def test_a_statement_runs_at_its_semicolon(text: str, whole: bool) -> None:
    assert is_whole(text) == whole


@pytest.mark.parametrize(
    ("typed", "completions"),
    [
        ("select ai_classi", ["ai_classify", "ai_classify_multi"]),
        ("SEL", ["SELECT"]),
        ("sel", ["select"]),
        ("select * from revi", ["reviews"]),
        ("select reviews.bo", ["body"]),
        ("select bod", ["body"]),
        ('select "odd', ['"odd name"']),
        ("select ai_embed(body, model := 'fake-n", ["fake-nli"]),
        ("select ai_embed(body, MODEL => 'fake-n", ["fake-nli"]),
        ("select ai_classify(body, ['a'], templ", ["template := ", "template"]),
        (".tab", [".tables"]),
        ("select ", []),
    ],
)
def test_what_completes_a_text(typed: str, completions: list[str]) -> None:
    with inlay.connect(model="fake") as con:
        con.execute('create table reviews (id integer, body varchar, "odd name" integer)')
        completer: Any = _Completer(con, [".tables", ".help"])
        found = completer.get_completions(Document(typed), CompleteEvent())
        assert [each.text for each in found] == completions


def test_the_prompt_as_a_person_types_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pexpect = pytest.importorskip("pexpect")
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as con:
        con.execute("create table reviews as select 'late' as body")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("PROMPT_TOOLKIT_NO_CPR", raising=False)
    monkeypatch.setenv("PROMPT_TOOLKIT_NO_CPR", "1")
    arguments = ["-m", "inlay", "sql", "-d", "shop.duckdb", "--model", "fake"]
    screen = pexpect.spawn(
        sys.executable, arguments, cwd=str(tmp_path), encoding="utf-8", timeout=60, dimensions=(40, 80)
    )

    def sees(text: str) -> None:
        screen.expect_exact(text)

    sees("More: .help")
    sees("inlay>")
    screen.send("select count(*) as n,\r")  # goes on in the next line
    screen.send("ai_classify(min(body), ['late', 'broken']) in ('late', 'broken') as k from revie\t")
    sees("ws")  # the rest of reviews
    screen.send(";\r")
    sees("true")
    sees("inlay>")
    screen.send("select nothing;\r")
    sees('column "nothing"')
    sees("inlay>")
    screen.send("select 'not ended\x03")  # Ctrl-C: a new line
    sees("inlay>")
    screen.send(".account\r")
    sees("ai_classify (fake): 1 rows")
    sees("inlay>")
    screen.send(".tabels\r")
    sees("there is no command .tabels. Type: .help")
    sees("inlay>")
    screen.send("\x1b[A\x1b[A\x1b[A")  # the arrow up, to the statement before the commands
    sees("nothing")
    screen.send("\x03")
    sees("inlay>")
    screen.send("\x04")  # Ctrl-D
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 0
    history = tmp_path / ".inlay_history"
    assert "select nothing;" in history.read_text("utf-8")
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "Traceback" not in _ESCAPES.sub("", screen.before or "")
