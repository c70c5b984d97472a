"""`inlay report`: one page of what runs asked, which opens without a network and holds no text as markup."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import inlay
from inlay.backends.fake import FAIL
from inlay.cli.main import main
from inlay.store.account import read_errors, read_ledger, run_names
from inlay.store.folder import open_folder

TEXTS = (
    f"(values (1, 'late'), (2, 'late'), (3, 'broken'), (4, null), (5, '<script>alert(1)</script> {FAIL}')) t(id, body)"
)
TOPICS = f"select id, ai_classify(body, ['a', 'b']) as topic from {TEXTS}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_of(sql: str, **settings: Any) -> None:
    with inlay.connect(**{"model": "fake", "store": "kept", **settings}) as con:
        con.sql(sql).fetchall()


class Page(HTMLParser):
    """Tables by the heading above them, tags with their attributes, and texts. Raises where tags do not close."""

    VOID = frozenset(["meta", "br"])

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: dict[str, list[list[str]]] = {}
        self.heading = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "h2":
            self.heading = ""
        if tag == "tr":
            self.rows.setdefault(self.heading, []).append([])
        if tag in ("td", "th"):
            self.rows[self.heading][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.heading += data
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[self.heading][-1][-1] += data


def test_a_run_is_told_call_by_call_with_its_failed_rows(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_of(TOPICS)
    assert main(["report", "--store", "kept"]) == 0
    assert re.fullmatch(
        r"inlay_report\.html: run \S+, 3 inputs, 0 known, 2 inferred, 1 failed\.\n", capsys.readouterr().out
    )
    (told_error,) = read_errors(open_folder("kept"))["error"].to_pylist()
    text = Path("inlay_report.html").read_text("utf-8")
    page = Page(text)
    titles, call = page.rows["What each model and statement asked"]
    told = dict(zip(titles, call, strict=True))
    expected = {"function": "ai_classify", "model": "fake", "rows": "5", "distinct": "3", "known": "0", "inferred": "2"}
    assert {**expected, "failed": "1"}.items() <= told.items()
    assert page.rows["Failed rows"] == [["input"], [f"<script>alert(1)</script> {FAIL}"]]
    assert f"ai_classify (fake): {html.escape(told_error)}" in text
    # Nothing is fetched and nothing runs: no script, no address of anything, and the page forbids both.
    assert not {"script", "link", "img", "iframe", "a"} & {tag for tag, _ in page.tags}
    assert not any({"src", "href", "onload"} & set(attributes) for _, attributes in page.tags)
    assert "default-src 'none'" in text and "url(" not in text and "@import" not in text
    assert Path("inlay_report.html").stat().st_mode & 0o077 == 0


def test_runs_are_named_compared_and_added_up(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_of(TOPICS)
    run_of(TOPICS)
    folder = open_folder("kept")  # names are of seconds: of two runs in one second either may come first
    by_work = {read_ledger(folder, [name])["inferred"][0].as_py(): name for name in run_names(folder)}
    first, second = by_work[2], by_work[0]
    assert main(["report", "--store", "kept", "--run", first, "-o", "first.html"]) == 0
    assert main(["report", "--store", "kept", "--runs", "2", "-o", "both.html"]) == 0
    page = Page(Path("first.html").read_text("utf-8"))
    _, *recent = page.rows["The latest runs in this store"]
    assert {(row[0], *row[3:6]) for row in recent} == {(first, "0", "2", "1"), (second, "2", "0", "1")}
    assert page.rows["By function"][1][3:6] == ["0", "2", "1"]
    both = Page(Path("both.html").read_text("utf-8"))
    assert both.rows["By function"][1][1:6] == ["10", "6", "2", "2", "2"]
    capsys.readouterr()
    assert main(["report", "--store", "kept", "--run", "19"]) == 1
    assert (
        f"has no run whose name begins with 19. The latest: {', '.join(run_names(folder))}." in capsys.readouterr().err
    )


def test_texts_of_failed_rows_can_be_left_out(here: Path) -> None:
    run_of(TOPICS)
    assert main(["report", "--store", "kept", "--no-inputs"]) == 0
    text = Path("inlay_report.html").read_text("utf-8")
    assert "Failed rows" not in Page(text).rows and "alert(1)" not in text
    assert "<b>1</b> × " in text


def test_a_session_without_a_store_reports_itself(here: Path) -> None:
    with inlay.connect(model="fake") as con:
        with pytest.raises(Exception, match="there is nothing to report: this session has asked no model"):
            con.sql("select system.main._inlay_report('', true)").fetchall()
        con.sql(TOPICS).fetchall()
        ((text,),) = con.sql("select system.main._inlay_report('', true)").fetchall()
    page = Page(text)
    assert page.rows["By function"][1][:6] == ["ai_classify", "5", "3", "0", "2", "1"]
    assert page.rows["Failed rows"][1] == [f"<script>alert(1)</script> {FAIL}"]


@pytest.mark.parametrize("mode", ["read-write", "read-only"])
def test_a_session_that_asked_nothing_reports_the_latest_run(here: Path, mode: str) -> None:
    run_of(TOPICS)
    with inlay.connect(model="fake", store="kept", store_mode=mode) as con:
        ((text,),) = con.sql("select system.main._inlay_report('', false)").fetchall()
        assert Page(text).rows["By function"][1][:6] == ["ai_classify", "5", "3", "0", "2", "1"]
        con.sql("select ai_embed('late')").fetchall()
        ((text,),) = con.sql("select system.main._inlay_report('', false)").fetchall()
        assert Page(text).rows["By function"][1][0] == "ai_embed"


def test_what_cascades_promised_is_told(here: Path) -> None:
    run_of(
        "select ai_filter('text ' || i, 'is it urgent?', proxy := 'fake', recall := 0.8, \"precision\" := 0.8) from range(3000) t(i)",
        model="fake-nli",
    )
    assert main(["report", "--store", "kept"]) == 0
    titles, row = Page(Path("inlay_report.html").read_text("utf-8")).rows["What cascades promised"]
    told = dict(zip(titles, row, strict=True))
    assert told["question"] == "is it urgent?" and told["recall"] == "0.8" and told["rows"] == "3,000"
