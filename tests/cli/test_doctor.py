"""`inlay doctor` after an upgrade: which stored answers no call reads any more, how many, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import inlay
from inlay.cli.main import main
from inlay.store.keys import signature
from inlay.store.results import result_set_name

CLASSIFY = "select ai_classify(x, ['a', 'b']), ai_count_tokens(x) from (values ('one'), ('two'), ('three')) t(x)"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with inlay.connect(model="fake", store="kept") as con:
        con.sql(CLASSIFY).fetchall()
    return tmp_path / "kept"


def answers(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    main(["doctor", "--store", "kept", *arguments])
    lines = [line.split(maxsplit=1)[1] for line in capsys.readouterr().out.splitlines() if "stored answers" in line]
    return [line.removeprefix("stored answers").strip() for line in lines]


def as_of_version(store: Path, function: str, version: int) -> None:
    """The store as a version of inlay left it whose function had another version."""
    (folder,) = (store / "results").glob(f"{function}-*")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["question"]["version"] = version
    manifest["signature"] = signature(manifest["question"])
    name = result_set_name(function, manifest["signature"])
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    for call in (store / "calls").glob("*.json"):
        call.write_text(call.read_text("utf-8").replace(folder.name, name), "utf-8")
    folder.rename(folder.with_name(name))


def test_what_is_read_still_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert answers(capsys, "--model", "fake") == ["every call that the store knows reads them"]


def test_another_version_of_a_function(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    as_of_version(store, "ai_classify", 0)
    found = "3 rows of ai_classify (fake) will be inferred again: version 0 → 1 of what is asked"
    assert answers(capsys, "--model", "fake") == [found]
    with inlay.connect(model="fake", store="kept") as con:
        con.sql(CLASSIFY).fetchall()
    assert answers(capsys, "--model", "fake") == ["every call that the store knows reads them"]


def test_another_default_model(capsys: pytest.CaptureFixture[str]) -> None:
    said = answers(capsys, "--model", "fake-nli")
    assert any(
        "3 rows of ai_classify (fake-nli) will be inferred again: model fake → fake-nli" in each for each in said
    )


def test_a_call_that_is_refused_now(capsys: pytest.CaptureFixture[str]) -> None:
    with inlay.connect(model="fake", store="kept", models={"old": {"source": "fake:embed", "backend": "fake"}}) as con:
        con.sql("select ai_embed('x', model := 'old'), ai_count_tokens('x', model := 'old')").fetchall()
    (said,) = answers(capsys, "--model", "fake")[:1]
    assert "rows of" in said and "(old) will be inferred again: it is refused now: " in said
    assert "no model named 'old'" in said


def test_nothing_is_made_by_looking(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    main(["doctor", "--store", "absent", "--model", "fake"])
    assert "is not there yet: the first answers make it" in capsys.readouterr().out
    assert not Path("absent").exists()
