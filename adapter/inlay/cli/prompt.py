"""`inlay sql` on a terminal: a prompt with history, completion and highlighting. A statement runs at its semicolon."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer  # type: ignore[import-untyped]

from inlay.cli import output
from inlay.errors import InlayError
from inlay.parsing.quoting import quoted

_HISTORY = ".inlay_history"
_HELP = """\
A statement runs at its semicolon. Tab completes; the arrows go through the history; Ctrl-C stops a statement.
.tables    tables and views      .models    registered models      .functions    the functions
.account   what was inferred     .help      this                   .quit         the end; Ctrl-D too"""

_WORD = re.compile(r'"?[\w.]*$')
_MODEL = re.compile(r"\b(?:model|proxy|language_model)\s*:?=>?\s*'([^']*)$", re.IGNORECASE)


def run_prompt(con: Any, run: Callable[[str], None], account: Callable[[], str]) -> None:
    """Reads statements until the end. run: runs some, and prints what they give; what it raises is printed here."""
    commands: dict[str, Callable[[], None]] = {
        ".tables": lambda: run("SELECT table_name, table_type FROM information_schema.tables ORDER BY ALL"),
        ".models": lambda: run(f"FROM {con._session.settings.prefix}inlay_models()"),
        ".functions": lambda: run(f"SELECT name, summary FROM {con._session.settings.prefix}inlay_functions()"),
        ".account": lambda: output.line(account()),
        ".help": lambda: output.line(_HELP),
    }
    session: PromptSession[str] = PromptSession(
        history=_history(),
        completer=_Completer(con, list(commands)),
        complete_while_typing=False,
        lexer=PygmentsLexer(SqlLexer),
        multiline=Condition(lambda: not is_whole(get_app().current_buffer.text)),
        prompt_continuation=lambda width, line, wrapped: "…".rjust(width - 1) + " ",
    )
    output.line("A statement ends with a semicolon. More: .help")
    while True:
        try:
            text = session.prompt("inlay> ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if text.rstrip(";") in (".quit", ".exit", "quit", "exit"):
            return
        if text:
            _run(text, run, commands)


def _run(text: str, run: Callable[[str], None], commands: dict[str, Callable[[], None]]) -> None:
    try:
        if not text.startswith("."):
            run(text)
        elif (command := commands.get(text.rstrip(";"))) is not None:
            command()
        else:
            output.note(f"there is no command {text}. Type: .help")
    except KeyboardInterrupt as stopped:
        output.note(str(stopped) or "interrupted")
    except InlayError as error:
        output.note(str(error))


def is_whole(text: str) -> bool:
    """Whether what was typed can run: it ends with a semicolon that is no part of a text or comment, or is nothing, a
    command, or the word that ends the prompt."""
    text = text.strip()
    if not text or text.startswith(".") or text in ("quit", "exit"):
        return True
    raw = text.encode()  # DuckDB's tokenizer counts bytes
    try:
        tokens = duckdb.tokenize(text)
    except duckdb.Error:  # a text that is not closed
        return False
    last, kind = tokens[-1] if tokens else (0, None)
    return raw[last:] == b";" and kind != duckdb.token_type.comment


def _history() -> History:
    """In the home folder, readable by its owner alone: statements may hold what others should not read."""
    path = Path.home() / _HISTORY
    try:
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


class _Completer(Completer):
    """Keywords, functions of inlay's with their options, tables and columns of the database, and models where one is
    named."""

    def __init__(self, con: Any, commands: list[str]) -> None:
        self._con = con
        self._commands = commands
        session = con._session
        prefix = session.settings.prefix
        self._functions = {
            prefix + name: spec.summary
            for spec in session.specs.values()
            for name in ((spec.name,) if spec.is_table else (spec.name, spec.try_name))
        }
        self._options = {
            f"{option.name} := ": option.note for spec in session.specs.values() for option in spec.options
        }
        self._keywords = [word.upper() for (word,) in self._rows("SELECT keyword_name FROM duckdb_keywords()")]

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._con.duckdb.cursor() as cursor:
            return list(cursor.execute(sql).fetchall())

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        before = document.text_before_cursor
        if named := _MODEL.search(before):
            for name, entry in sorted(self._con._session.settings.models.items()):
                if name.startswith(named[1]):
                    yield Completion(name, -len(named[1]), display_meta=entry.source)
            return
        if before.startswith("."):
            yield from (Completion(each, -len(before)) for each in self._commands if each.startswith(before))
            return
        yield from self._of_word(_WORD.search(before)[0])  # type: ignore[index]

    def _of_word(self, word: str) -> Iterator[Completion]:
        table, dot, typed = word.rpartition(".")
        typed = typed.lstrip('"').lower()
        if not word:
            return
        for name, kind in self._names(table):
            if name.lower().startswith(typed):
                yield Completion(_quoted(name), len(table + dot) - len(word), display=name, display_meta=kind)
        if dot:
            return
        for name, note in (*self._functions.items(), *self._options.items()):
            if name.lower().startswith(typed):
                yield Completion(name, -len(word), display_meta=note)
        for keyword in self._keywords:
            if keyword.lower().startswith(typed):
                yield Completion(keyword.lower() if word.islower() else keyword, -len(word))

    def _names(self, table: str) -> list[tuple[str, str]]:
        """Tables, views and columns as they are now; of a table that is named, its columns."""
        table = table.strip('"').lower()
        try:
            columns = self._rows("SELECT DISTINCT column_name, table_name FROM duckdb_columns() WHERE NOT internal")
            tables = self._rows(
                "SELECT table_name, 'table' FROM duckdb_tables() UNION ALL "
                "SELECT view_name, 'view' FROM duckdb_views() WHERE NOT internal"
            )
        except duckdb.Error:  # a transaction that has failed
            return []
        own = {(column, of) for column, of in columns if of.lower() == table}
        named = own or {(column, "column") for column, _ in columns}
        return sorted(own if own else {*named, *tables})


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name, re.IGNORECASE) else quoted(name)
