"""Rows labelled by people: where labels are kept, what the page's server lets in, and `inlay label` from first to last."""

from __future__ import annotations

import csv
import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest

import inlay
from inlay.client.connection import Connection
from inlay.errors import ConfigError, InlayError
from inlay.labelling.kept import CsvLabels, TableLabels
from inlay.labelling.served import LabelPage

LABELS = ["bug", "praise"]
ODD = 'two\nlines, a "quote", ünïcode, \u2028 and; = \'"'


@pytest.fixture
def con() -> Iterator[Connection]:
    with inlay.connect(model="fake", progress="off") as connection:
        connection.execute("create table tickets as select 'text ' || i as body from range(30) r(i)")
        yield connection


@pytest.fixture
def page(con: Connection) -> Iterator[LabelPage]:
    page = inlay.label(con, "tickets", text="body", labels=LABELS, n=4)
    yield page
    page.close()


def asked(page: LabelPage, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """(status, JSON or text) as a browser that has the page open would get it."""
    address = urlsplit(page.address)
    connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=20)
    method = "GET" if body is None else "POST"
    sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    whole = path if path.startswith("/") else address.path + path
    kind = {} if body is None else {"Content-Type": "application/json"}
    connection.request(
        method, whole, sent, {**kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    )
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, json.loads(text) if response.headers["Content-Type"] == "application/json" else text


def test_rows_are_labelled_skipped_and_taken_back(con: Connection, page: LabelPage) -> None:
    proposed = inlay.to_label(con, "tickets", text="body", labels=LABELS, n=4).fetchall()
    _, first = asked(page, "state")
    assert (first["text"], first["likely"], first["place"], first["rows"]) == (*proposed[0][:2], 0, 4)
    assert [each["name"] for each in first["labels"]] == LABELS
    assert asked(page, "answer", {"place": 0, "label": "bug"})[1]["text"] == proposed[1][0]
    assert asked(page, "answer", {"place": 1, "label": None})[1]["skipped"] == 1
    assert asked(page, "answer", {"place": 2, "label": "praise"})[1]["answered"] == 2
    kept = {proposed[0][0]: "bug", proposed[2][0]: "praise"}
    assert (
        dict(con.execute("select text, label from labelled").fetchall())
        == kept
        == dict(page.rows().project("text, label").fetchall())
    )
    again = asked(page, "answer", {"place": 1, "label": "praise"})[1]  # from a page that is out of date
    assert again["place"] == 3 and dict(con.execute("select text, label from labelled").fetchall()) == kept
    assert asked(page, "undo", {"place": 3})[1]["text"] == proposed[2][0]
    assert asked(page, "undo", {"place": 2})[1]["skipped"] == 0
    assert asked(page, "undo", {"place": 1})[1]["place"] == 0
    assert asked(page, "undo", {"place": 0})[1]["place"] == 0
    assert con.execute("from labelled").fetchall() == []
    for place in range(4):
        _, last = asked(page, "answer", {"place": place, "label": "bug"})
    assert last["is_done"] and last["labelled"] == 4 and "text" not in last
    assert asked(page, "answer", {"place": 4, "label": "bug"})[1] == last
    assert repr(page).startswith("tickets: 4 labelled now, 4 in all, in labelled; 0 to go.")


def test_what_is_labelled_is_not_asked_again(con: Connection, page: LabelPage) -> None:
    texts = []
    for place in range(4):
        texts.append(asked(page, "state")[1]["text"])
        asked(page, "answer", {"place": place, "label": LABELS[place % 2]})
    then = inlay.label(con, "tickets", text="body", labels=LABELS, n=100)
    try:
        _, state = asked(then, "state")
        assert state["labelled"] == 4 and state["rows"] <= 26
        for place in range(state["rows"]):
            assert asked(then, "state")[1]["text"] not in texts
            asked(then, "answer", {"place": place, "label": None})
        with pytest.raises(ConfigError, match="label: labelled has the label 'bug', which is none of high, low"):
            inlay.label(con, "tickets", text="body", labels=["high", "low"])
    finally:
        then.close()


def test_others_are_not_let_in(con: Connection, page: LabelPage) -> None:
    port = urlsplit(page.address).port
    right = {"place": 0, "label": "bug"}
    assert asked(page, "")[0] == 200
    for path in ("/", "/state", "/x/state", "/" + "a" * 32 + "/", f"{urlsplit(page.address).path}../state"):
        assert asked(page, path)[0] == 404
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1",
        f"127.0.0.1:{(port or 0) + 1}",
        f"localhost.evil:{port}",
    ):
        assert asked(page, "state", Host=host)[0] == 403
        assert asked(page, "answer", right, Host=host)[0] == 403
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{port}", "http://127.0.0.1"):
        assert asked(page, "answer", right, Origin=origin)[0] == 403
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert asked(page, "answer", right, Content_Type=kind)[0] == 400
    for body in (b"", b"[]", b"{", b'{"place": "0"}', b'{"place": 0, "label": 3}', b"\xff"):
        assert asked(page, "answer", body)[0] == 400
    assert asked(page, "nothing", right)[0] == 400
    status, refused = asked(page, "answer", {"place": 0, "label": "other"})
    assert status == 500 and refused == {"error": "label: 'other' is none of bug, praise."}
    assert con.execute("from labelled").fetchall() == [] and asked(page, "state")[1]["place"] == 0
    assert asked(page, "answer", right, Origin=f"http://localhost:{port}", Host=f"localhost:{port}")[1]["place"] == 1


def test_a_row_whose_label_cannot_be_kept_is_asked_about_again(con: Connection, page: LabelPage) -> None:
    con.execute("drop table labelled")
    status, refused = asked(page, "answer", {"place": 0, "label": "bug"})
    assert status == 500 and "labelled does not exist" in refused["error"]
    con.execute("create table labelled (text varchar, label varchar, labelled_at timestamp)")
    assert asked(page, "answer", {"place": 0, "label": "bug"})[1]["labelled"] == 1


def test_many_labels_are_listed_by_how_likely_they_are(con: Connection) -> None:
    names = [f"label {i}" for i in range(20)]
    page = inlay.label(con, "from tickets", text="body", labels=names, n=2, into="many")
    shares = [each["share"] for each in asked(page, "state")[1]["labels"]]
    page.close()
    assert len(shares) == 20 and shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["table", "csv"])
def test_labels_are_kept_one_for_each_text(tmp_path: Path, kind: str) -> None:
    def kept() -> Any:
        return TableLabels(duckdb.connect(tmp_path / "l.duckdb"), "labels") if kind == "table" else CsvLabels(tmp_path / "s" / "l.csv")  # fmt: skip

    first = kept()
    assert first.labels() == {} and list(tmp_path.glob("s/*")) == []
    first.make()
    for text, label in ((ODD, "bug"), ("b", "praise"), (" c ", "é"), ("b", "bug"), ("d", "bug")):
        first.put(text, label)
    first.remove("d")
    first.remove("absent")
    first.close()
    second = kept()
    second.make()
    assert second.labels() == {ODD: "bug", "b": "bug", " c ": "é"}
    rows = duckdb.connect(tmp_path / "l.duckdb") if kind == "table" else duckdb.connect()
    second.close()
    ((n, times),) = rows.execute(f"select count(*), count(labelled_at::timestamp) from {second.source}").fetchall()
    assert n == times == 3


def test_a_csv_file_of_others_keeps_its_form(tmp_path: Path) -> None:
    path = tmp_path / "seed.csv"
    path.write_text("id,label,text\n7,bug,it broke\n8,praise,fine", "utf-8")  # no line end
    kept = CsvLabels(path)
    kept.make()
    kept.put("new", "bug")
    assert path.read_text("utf-8") == "id,label,text\n7,bug,it broke\n8,praise,fine\n,bug,new\n"
    kept.put("fine", "bug")
    assert path.read_text("utf-8") == "id,label,text\n7,bug,it broke\n,bug,new\n,bug,fine\n"


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_what_a_crash_left_of_a_line_is_taken_away(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "l.csv"
    kept = CsvLabels(path)
    kept.make()
    kept.put("whole", "bug")
    whole = path.read_bytes()
    kept.put(ODD, "praise")
    path.write_bytes(path.read_bytes()[:-cut])
    again = CsvLabels(path)
    again.make()
    assert {text: label for text, label in again.labels().items() if text != ODD} == {"whole": "bug"}
    again.put("next", "praise")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert path.read_bytes().startswith(whole) and rows[-1][:2] == ["next", "praise"]
    assert {len(row) for row in rows} == {3}


def test_places_that_keep_no_labels(tmp_path: Path, con: Connection) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "binary.csv").write_bytes(b"text,label\n\xff\xfe\n")
    con.execute("create table other as select 1 as a")
    for given, kind, message in (
        ({"csv": tmp_path / "other.csv"}, ConfigError, "has no column 'text'; its first line must name text and label"),
        ({"csv": tmp_path / "binary.csv"}, InlayError, "is no CSV file in UTF-8"),
        ({"csv": tmp_path}, InlayError, "cannot be read"),
        ({"csv": tmp_path / "other.csv" / "l.csv"}, InlayError, "l.csv cannot be"),
        ({"into": "other"}, ConfigError, "table other has no column 'text'"),
        ({"into": "a", "csv": "b.csv"}, ConfigError, "kept in one place, a table \\(a\\) or a CSV file \\(b.csv\\)"),
    ):
        with pytest.raises(kind, match=message):
            inlay.label(con, "tickets", text="body", labels=LABELS, **given)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent to a process group there")
def test_the_command_from_first_to_last(tmp_path: Path) -> None:
    """The database is free meanwhile, a kill loses nothing, and Ctrl-C says what to type next."""
    (tmp_path / "inlay.toml").write_text('model = "fake"\nprogress = "off"\n')
    with duckdb.connect(tmp_path / "shop.duckdb") as made:
        made.execute("create table tickets as select 'text ' || i as body from range(30) r(i)")
    typed = ["label", "tickets", "body", "--labels", "bug, praise", "-d", "shop.duckdb", "--csv", "l.csv", "--no-open"]
    texts = []
    for end in (signal.SIGKILL, signal.SIGINT):
        command = [sys.executable, "-m", "inlay", *typed, "--n", "3"]
        with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            page: Any = type("Address", (), {"address": run.stdout.readline().strip()})
            duckdb.connect(tmp_path / "shop.duckdb").close()
            for place in range(2):
                texts.append(asked(page, "state")[1]["text"])
                asked(page, "answer", {"place": place, "label": LABELS[place]})
            run.send_signal(end)
            out, err = run.communicate()
    assert run.returncode == 0 and "tickets: 0 labelled now, 2 in all, in l.csv; 3 to go. Ctrl-C ends." in err
    assert out.split() and "tickets: 2 labelled now, 4 in all, in l.csv; 1 to go. Then: CALL inlay_train(" in out
    with (tmp_path / "l.csv").open(newline="") as file:
        assert [row[:2] for row in csv.reader(file)] == [
            ["text", "label"],
            *([text, LABELS[i % 2]] for i, text in enumerate(texts)),
        ]
    assert len(set(texts)) == 4
