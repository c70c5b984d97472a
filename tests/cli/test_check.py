"""`inlay check`: what would fail, with its place, and nothing runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inlay.cli.main import main

# A statement → rule, line and column of each finding, and what the first message has in it.
FAULTS = {
    "select ai_clasify(x, ['a']) from t": ([("unknown-function", 1, 8)], "Did you mean ai_classify?"),
    "select\n  try_ai_embeds(x) from t": ([("unknown-function", 2, 3)], "Did you mean try_ai_embed?"),
    "select ai_classify(x, 7) from t": ([("wrong-call", 1, 8)], "labels is 7; it must be a list"),
    "select ai_classify(x, []) from t": ([("wrong-call", 1, 8)], "labels is empty"),
    "select ai_classify(x, [1]) from t": ([("wrong-call", 1, 8)], "each label must be a non-empty text"),
    "select ai_embed(x),\n\tai_classify(x, ['a'], modle := 'b') from t": ([("wrong-call", 2, 2)], "Did you mean 'model'?"),
    "select ai_embed(x, model := 'nope') from t": ([("unknown-model", 1, 8)], "no model named 'nope'"),
    "select ai_embed(x, model := 'gone') from t": ([("model", 1, 8)], "model 'gone' was not found"),
    "select ai_complete(x) from t": ([("model", 1, 8)], "needs a language model"),
    "select ai_embed() from t": ([("wrong-call", 1, 8)], "text is not given"),
    "select ai_embed(x, 'query', 'fake', 'null', 'skip', 1) from t": ([("wrong-call", 1, 8)], "more arguments than it takes"),
    "select ai_embed(x, task := 'x') from t": ([("wrong-call", 1, 8)], "task is 'x'"),
    "select 'ü', ai_embed(x, on_error := 'y') from t": ([("wrong-call", 1, 13)], "on_error is 'y'"),
    "select ai_extract(x, 'a DAT', model := 'fake-generate') from t": ([("wrong-call", 1, 8)], "DAT"),
    "create or replace view v as select ai_embed(x) from t": ([("view", 1, 36)], "fails for every reader without inlay"),
    "select 1;\nselect ai_embed(x from t": ([("syntax", 2, 19)], 'syntax error at or near "from"'),
    "select ai_classify(x, labels) from t": ([("not-planned", 1, 8)], "labels differs from row to row"),
    "select list_reduce(l, (e, f) -> ai_redact(e)) from t": ([("not-planned", 1, 33)], "it is inside a lambda"),
    "select ai_embed(random()::varchar)": ([("not-planned", 1, 8)], "each time it is evaluated"),
}  # fmt: skip

SOUND = """
-- ai_clasify(x) in a comment; and 'ai_clasify(x)' in a text
select 'ai_clasify(x, 1)', "ai_clasify", inlay.ai_classify(x, ['a', 'b']), try_ai_embed(x, model := 'fake').value from t;
create macro ai_mine(x) as upper(x);
select ai_mine(x), ai_classify(body, [{'label': 'a', 'description': 'first'}]) from t where ai_score(x, 'urgent') > 2;
create table k as select ai_agg(x, 'what?', model := 'fake-generate') from t group by y;
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("inlay.toml").write_text("model = 'fake'\n[models.gone]\nsource = './gone'\n", "utf-8")


@pytest.mark.parametrize("sql", FAULTS)
def test_a_fault_is_named_with_its_place(sql: str, capsys: pytest.CaptureFixture[str], calls: dict[str, int]) -> None:
    Path("a.sql").write_text(sql, "utf-8")
    places, message = FAULTS[sql]
    code = main(["check", "a.sql", "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert [(each["rule"], each["line"], each["column"]) for each in found] == places
    assert message in found[0]["message"] and "\n" not in found[0]["message"]
    assert code == (1 if found[0]["level"] == "error" else 0)
    assert not calls


def test_what_is_sound_is_not_named(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.sql").write_text(SOUND, "utf-8")
    assert main(["check", "--strict"]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "1 file read: 0 errors, 0 warnings.\n")


def test_a_folder_is_read_to_its_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.sql", "sub/b.sql", "target/c.sql", ".hidden/d.sql", "sub/e.txt"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("create view v as\nselect ai_embed(x) from t", "utf-8")
    Path("sub/f.sql").write_text("select {{ inlay.ai_embed('x') }}", "utf-8")
    assert main(["check"]) == 0
    said = capsys.readouterr()
    assert [line.split(": ")[0] for line in said.out.splitlines()] == ["a.sql:2:8", "sub/b.sql:2:8"]
    assert "sub/f.sql is a template and not read" in said.err
    assert main(["check", "--strict", "sub"]) == 1
    assert main(["check", "nowhere"]) == 1
    assert "there is no file or folder nowhere" in capsys.readouterr().err


def test_sarif_has_what_the_standard_requires(capsys: pytest.CaptureFixture[str]) -> None:
    """The properties that SARIF 2.1.0 requires: §3.13 (log), §3.14 (run), §3.19 (tool component), §3.27 (result),
    §3.29 and §3.30 (places)."""
    Path("a.sql").write_text("select ai_clasify(x), ai_classify(x, labels) from t", "utf-8")
    assert main(["check", "--format", "sarif"]) == 1
    log = json.loads(capsys.readouterr().out)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "inlay"
    assert [each["level"] for each in run["results"]] == ["error", "note"]
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        (place,) = result["locations"]
        physical = place["physicalLocation"]
        assert physical["artifactLocation"]["uri"] == "a.sql"
        assert all(isinstance(physical["region"][key], int) for key in ("startLine", "startColumn"))
