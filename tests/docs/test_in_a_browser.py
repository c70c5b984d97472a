"""The pages that people open, in a real browser, where there is one: what it draws is kept in build/screenshots."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import inlay
from inlay.backends.fake import FAIL
from inlay.cli.main import main
from inlay.labelling.served import LabelPage
from support.browser import CHROMIUM, Browser, chromium
from support.paths import REPOSITORY

SHOTS = REPOSITORY / "build" / "screenshots"
SITE = REPOSITORY / "build" / "site"

WIDTHS = {"wide": 1280, "narrow": 390}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    with inlay.connect(model="fake", store=str(folder / "kept"), progress="off") as con:
        con.execute(
            "create table t as select i, case when i % 9 = 0 then '' when i % 25 = 1 then "
            f"'<script>document.title = 1</script> {FAIL} ' || i else repeat('text ', i) end as s from range(60) r(i)"
        )
        con.execute("create table topics as select i, ai_classify(s, ['bug', 'praise']) as topic from t")
        con.execute("create table vectors as select i, ai_embed(s) as v, ai_sentiment(s) as feeling from t")
    assert main(["report", "--store", str(folder / "kept"), "-o", str(folder / "page.html")]) == 0
    return (folder / "page.html").as_uri()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    if not SITE.is_dir():
        pytest.skip("make docs builds the site")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_report_opens_with_all_it_needs(browser: Browser, report: str, dark: bool, width: str) -> None:
    shot = SHOTS / f"report_{width}_{'dark' if dark else 'light'}.png"
    seen = browser.see(report, shot, "document.body.innerText", width=WIDTHS[width], height=1600, dark=dark)
    assert (seen.requests, seen.errors, seen.too_wide) == ([report], [], 0)
    assert "ai_classify" in seen.value and "<script>document.title = 1</script>" in seen.value


def ready(place: int) -> str:
    """That the page of labels asks about this row."""
    return f"!busy && state && state.place === {place}"


@pytest.fixture(params=[2, 20], ids=["two", "twenty"])
def labelling(request: pytest.FixtureRequest) -> Iterator[tuple[inlay.Connection, LabelPage]]:
    labels = ["bug", "praise", *(f"topic {i}" for i in range(request.param - 2))]
    odd = "'<img src=x onerror=\"document.title = 1\"> the parcel came late, ' || repeat('and then it rained, ', i)"
    with inlay.connect(model="fake", progress="off") as con:
        con.execute(f"create table tickets as select {odd} || i as body from range(30) r(i)")
        page = inlay.label(con, "tickets", text="body", labels=labels, n=5)
        yield con, page
        page.close()


@pytest.mark.parametrize("width", WIDTHS)
def test_rows_are_labelled_by_the_keyboard_alone(
    browser: Browser, labelling: tuple[inlay.Connection, LabelPage], width: str
) -> None:
    con, page = labelling
    n, texts = len(page.desk.labels), [page.desk.state()["text"]]
    first, last = page.desk.state()["labels"][0]["name"], page.desk.state()["likely"]
    keys = [(ready(0), "1"), (ready(1), "s"), (ready(2), "u"), (ready(1), "u"), (ready(0), "Enter"), (ready(1), "2")]
    seen = browser.see(page.address, SHOTS / f"label_{n}_{width}.png", ready(2), width=WIDTHS[width], keys=keys)
    assert (seen.errors, seen.too_wide) == ([], 0)
    assert {address.removeprefix(page.address) for address in seen.requests} == {"", "state", "answer", "undo"}
    kept = dict(con.execute("select text, label from labelled").fetchall())
    assert len(kept) == 2 and kept[texts[0]] == last and first in page.desk.labels
    wanted = "topic 17" if n == 20 else ""
    named = [("document.activeElement === at('filter')", key) for key in wanted]
    keys = [(ready(2), "/"), *named, ("true", "Enter"), (ready(3), "s"), (ready(4), "Enter")]
    done = "!at('done').hidden && document.body.innerText"
    shot = SHOTS / f"label_done_{n}_{width}.png"
    seen = browser.see(page.address, shot, done, width=WIDTHS[width], dark=True, keys=keys)
    assert "4 labelled now, 1 skipped, 4 in labelled." in seen.value and "CALL inlay_train(" in seen.value
    assert (seen.errors, seen.too_wide) == ([], 0)
    labels = [row[0] for row in con.execute("select label from labelled").fetchall()]
    assert len(labels) == 4 and (wanted in labels or not wanted)


def test_a_notebook_shows_the_page_and_keeps_a_line(browser: Browser, tmp_path: Path) -> None:
    with inlay.connect(model="fake", progress="off") as con:
        con.execute("create table tickets as select 'text ' || i as body from range(9) r(i)")
        page = inlay.label(con, "tickets", text="body", labels=["bug", "praise"], n=5)
        shown = page._repr_mimebundle_()
        assert shown["text/plain"].startswith("tickets: 0 labelled now, 0 in all, in labelled; 5 to go.")
        (tmp_path / "notebook.html").write_text(f"<!doctype html><meta charset=utf-8>{shown['text/html']}", "utf-8")
        where, height = (tmp_path / "notebook.html").as_uri(), "document.querySelector('iframe').clientHeight"
        assert browser.see(where, SHOTS / "label_notebook.png", f"{height} > 300").errors == []
        page.close()
        browser.see(where, SHOTS / "label_notebook_saved.png", f"document.readyState === 'complete' && {height} === 0")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", ["", "tutorial/", "functions/", "limits/", "notebooks/search_and_topics/"])
def test_a_page_of_the_docs_needs_nothing_from_elsewhere(browser: Browser, site: str, page: str, width: str) -> None:
    assert (SITE / page / "index.html").is_file(), "the site is older than this page: make docs"
    shot = SHOTS / f"docs_{page.strip('/').rpartition('/')[2] or 'index'}_{width}.png"
    seen = browser.see(f"{site}{page}", shot, "document.readyState === 'complete'", width=WIDTHS[width])
    assert [address for address in seen.requests if not address.startswith((site, "data:", "blob:"))] == []
    assert (seen.errors, seen.too_wide) == ([], 0)


def test_the_docs_are_searched(browser: Browser, site: str) -> None:
    found = "[...document.querySelectorAll('.md-search-result__item h1')].map(each => each.innerText).join('; ')"
    seen = browser.see(f"{site}?q=ai_rerank", SHOTS / "docs_search.png", found)
    assert "ai_rerank" in seen.value
