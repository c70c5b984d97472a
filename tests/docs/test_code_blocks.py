"""Every code block of the documentation, run as it is printed: SQL and Python on the fake models under the printed names,
settings and YAML by what reads them, command lines by the programs that take them."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import duckdb
import pytest
import yaml
from jinja2 import Environment

import inlay
from inlay.cli.main import inlay as inlay_command
from inlay.settings.read import read_settings
from support.macros_alone import Macros
from support.markdown_blocks import Block, blocks_of
from support.paths import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
# These have tests of their own, which do what the whole page says.
HEADS = "tests/functions/test_heads.py"
ELSEWHERE = {
    "heads.md": HEADS,
    "calibration.md": "tests/functions/test_calibrate.py",
    "contributing.md": "tests/functions/test_contributing.py",
    "first_hour.md": "tests/docs/test_first_hour.py",
}

MODELS = {
    **{name: {"source": "fake:embed", "backend": "fake"} for name in ("small", "mine", "bge")},
    **{name: {"source": "fake:generate", "backend": "fake"} for name in ("qwen", "gpt", "smollm2")},
    "judge": {"source": "fake:nli", "backend": "fake"},
    "my-reranker": {"source": "fake:rerank", "backend": "fake"},
}
TABLES = """
create table tickets as select i as ticket_id, i as id, 'mail' as channel, i % 3 as customer_id,
    ['The parcel is late.', 'My lamp broke, call me on 0171 4567890.', null, ' '][i % 4 + 1] as body from range(12) t(i);
create table reviews as select i as review_id, i as id, i % 2 as product_id, body from (select ticket_id as i, body from tickets);
create table stg_tickets as from tickets; create table stg_reviews as from reviews;
create table labelled_tickets as select 'word ' || i as text, ['bug', 'praise'][i % 2 + 1] as label from range(8) t(i);
create table labelled_rows as select 'word ' || i as body, ['bug', 'praise'][i % 2 + 1] as topic, topic as intent
    from range(40) t(i);
create table products as select i as id, 'lamp ' || i as title from range(3) t(i); create table offers as from products;
create table seen as select 'seen ' || i as body, i % 2 = 0 as is_angry from range(8) t(i);
create table customers as select i as customer_id, 'customer ' || i as name from range(3) t(i);
"""
WIDTH = 8  # of the fake's vectors
# Commands that need no project and no hub run; of others the options and arguments are checked.
RUN = ("store", "functions", "settings", "dbt-path", "show-prompt")


class Desk:
    """What the blocks of one page share: a folder, a database, the names of the page's Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with duckdb.connect(folder / "shop.duckdb") as made:
            made.execute(TABLES)
        self.con = inlay.connect(language_model="qwen", models=MODELS, store=str(folder / ".inlay"))
        self.con.execute(TABLES)
        self.names: dict[str, Any] = {"inlay": inlay, "duckdb": duckdb, "con": self.con, "wanted": 1}

    def run(self, block: Block) -> None:
        if "'intents'" in block.text:  # a head, which is trained first: HEADS
            return
        runners: dict[str, Callable[[str], object]] = {
            "python": self.python, "sql": self.sql, "toml": self.toml, "yaml": self.yaml, "sh": self.shell,
            "bash": self.shell, "json": json.loads,
        }  # fmt: skip
        if block.language in runners:
            runners[block.language](block.text)
        elif block.text.startswith("%load_ext inlay"):
            self.cells(block.text)
        else:
            assert block.language in ("", "text"), f"no test runs {block.language!r}"

    def python(self, text: str) -> None:
        if "sqlalchemy" in text:
            self.names["sqlalchemy"] = pytest.importorskip("sqlalchemy")
        exec(compile(text, "<docs>", "exec"), self.names)
        if self.names["con"] is not self.con:  # a page may open its own
            self.names["con"].close()
            self.names["con"] = self.con

    def sql(self, text: str) -> None:
        if text.startswith("/*"):
            (self.folder / "own").mkdir()
            name = re.search(r"CREATE MACRO (\w+)", text)[1]  # type: ignore[index]
            (self.folder / "own" / f"{name}.sql").write_text(text, "utf-8")
            settings = tomllib.loads(f'functions_folders = "{self.folder / "own"}"')
            with inlay.connect(models=MODELS, **settings) as own:
                own.execute(re.search(r'example = "(.*)"', text)[1]).fetchall()  # type: ignore[index]
            return
        if "{{" in text:
            words = {"ref": lambda name: name, "config": lambda **_: "", "var": lambda *_: ["delivery", "refund"]}
            text = Environment().from_string(text).render(inlay=Macros(), this="tickets", **words)
        for statement in duckdb.extract_statements(text):
            query = statement.query
            if "384" in query:  # the width of the default model, which no fake has
                query = query.replace("384", str(WIDTH))
            self.con.execute(query).fetchall()

    def toml(self, text: str) -> None:
        (self.folder / "settings").mkdir(exist_ok=True)
        (self.folder / "settings" / "inlay.toml").write_text(text, "utf-8")
        read_settings(folder=self.folder / "settings", environment={})

    def yaml(self, text: str) -> None:
        content = yaml.safe_load(text)
        for called in re.findall(r"inlay\.(\w+)\(", text):
            assert callable(getattr(Macros(), called))
        for config in re.findall(r"config: (\{.*\})", text) if "plugins" in text or "config" in content else []:
            read_settings(yaml.safe_load(config), environment={}, folder=self.folder)

    def shell(self, text: str) -> None:
        targets = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE)
        extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
        for line in text.replace("$ ", "").splitlines():
            for command in re.split(r"\s{2,}|\s+#", line)[0].split(" && "):
                words = (
                    shlex.split(command) if re.match(r"(inlay|make|pip|dbt|export|INLAY_\w+=\S+) ", command) else [""]
                )
                if words[0] == "inlay":
                    self.inlay(words[1:])
                elif words[0] == "make":
                    assert words[1] in targets, command
                elif words[0] == "pip":
                    assert set(re.findall(r"\[(.*)\]", command)[0].split(",")) <= set(extras), command
                elif words[0] == "dbt":
                    from dbt.cli.main import cli

                    parsed(cli, words[1:])
                elif "=" in words[-1] and words[0] == "export":
                    read_settings(environment=dict([words[1].split("=", 1)]), folder=self.folder)

    def inlay(self, words: list[str]) -> None:
        from inlay.cli.main import main

        words = words[: words.index(">")] if ">" in words else words
        if words[:1] and words[0] in RUN:
            where = ["--store", str(self.folder / ".inlay")] if words[0] == "store" else []
            assert main([*words, *where]) == 0, words
        else:
            parsed(inlay_command, words)

    def cells(self, text: str) -> None:
        from IPython.core.interactiveshell import InteractiveShell

        shell = InteractiveShell()
        shell.push({**self.names, "wanted": 1})
        for cell in text.split("\n\n"):
            shell.run_cell(cell).raise_error()


def parsed(command: click.Command, words: list[str]) -> None:
    """That a command line is one: its subcommands exist, and its options and arguments are theirs."""
    context = None
    while isinstance(command, click.Group) and words:
        context = click.Context(command, parent=context)
        name, words = words[0], words[1:]
        known = command.get_command(context, name)
        assert known is not None, name
        command = known
    command.make_context("docs", list(words), parent=context, resilient_parsing=False)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INLAY_MODEL", "fake")
    monkeypatch.setenv("DBT_PROFILES_DIR", str(tmp_path))  # which dbt wants to exist
    desk = Desk(tmp_path)
    yield desk
    desk.con.close()


# Of dbt 1.10, whose command line asks click for what click is to drop.
@pytest.mark.filterwarnings("ignore:'parser:DeprecationWarning")
@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in ELSEWHERE], ids=lambda page: page.name)
def test_every_block_of_a_page_runs(page: Path, desk: Desk) -> None:
    for block in blocks_of(page):
        if block.reason:
            continue
        try:
            desk.run(block)
        except Exception as error:
            error.add_note(f"{page.name}:{block.line}\n{block.text}")
            raise


def test_hardly_a_block_is_marked_as_not_run() -> None:
    blocks = [block for page in PAGES for block in blocks_of(page)]
    marked = [block for block in blocks if block.reason]
    assert len(marked) <= 0.05 * len(blocks)
    assert all((REPOSITORY / path).is_file() for path in ELSEWHERE.values())
