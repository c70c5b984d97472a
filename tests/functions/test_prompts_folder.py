"""Prompts of the user's own: which file is read, what of it counts, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import inlay
from inlay.errors import ConfigError
from inlay.functions.prompt_files import prompt_file, prompt_files

MODELS = {"other": {"source": "fake:generate", "backend": "fake"}}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def answers(folder: Path | None, model: str = "fake-generate", **settings: Any) -> list[Any]:
    given = {} if folder is None else {"prompts_folder": str(folder)}
    with inlay.connect(models=MODELS, language_model=model, **given, **settings) as con:
        return [row[0] for row in con.execute("select ai_fix_grammar('a ' || i) from range(3) r(i)").fetchall()]


def test_a_file_is_read_and_is_part_of_the_identity(tmp_path: Path) -> None:
    """fake-generate replies with the prompt itself, where it is short."""
    write(tmp_path / "own" / "ai_fix_grammar.toml", 'system = ""\nuser = "mend {text}"\n')
    assert answers(tmp_path / "own") == ["fake: mend a 0", "fake: mend a 1", "fake: mend a 2"]
    store = str(tmp_path / "store")
    before = answers(None, store=store)
    assert before != answers(tmp_path / "own", store=store) == ["fake: mend a 0", "fake: mend a 1", "fake: mend a 2"]
    write(tmp_path / "own" / "ai_fix_grammar.toml", 'system = ""\nuser = "better {text}"\n')
    assert answers(tmp_path / "own", store=store) == ["fake: better a 0", "fake: better a 1", "fake: better a 2"]
    assert answers(None, store=store) == before


def test_a_file_of_one_model_is_for_that_one(tmp_path: Path) -> None:
    write(tmp_path / "ai_fix_grammar.toml", 'system = ""\nuser = "all {text}"\n')
    write(tmp_path / "other" / "ai_fix_grammar.toml", 'user = "one {text}"\n')
    assert answers(tmp_path)[0] == "fake: all a 0"
    assert answers(tmp_path, "other")[0] == "fake: one a 0"


def test_what_a_file_does_not_say_is_as_before(tmp_path: Path) -> None:
    write(tmp_path / "ai_summarize.toml", '[part]\nuser = "this: {text}{length}"\n')
    own = prompt_files("ai_summarize", tmp_path, "m")
    assert own["part"].user == "this: {text}{length}"
    assert own[""] == prompt_file("ai_summarize") and own["together"] == prompt_file("ai_summarize", "together")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user = ", "is not valid TOML"),
        ("users = 'x'", "no key named 'users'"),
        ("user = 3", "user is 3; it must be text"),
        ("user = 'a {text'", "is no template"),
        ("user = '{text} {labels}'", r"no place named '\{labels\}'"),
        ("user = 'a text'", r"user has no \{text\}"),
        ("[remot]\nuser = '{text}'", "no situation named 'remot'"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "ai_fix_grammar.toml", text)
    with pytest.raises(ConfigError, match=message) as raised:
        prompt_files("ai_fix_grammar", tmp_path)
    assert str(path) in str(raised.value)


def test_a_relative_folder_is_meant_from_the_settings_file(tmp_path: Path) -> None:
    write(tmp_path / "project" / "prompts" / "ai_fix_grammar.toml", 'system = ""\nuser = "own {text}"\n')
    config = write(
        tmp_path / "project" / "inlay.toml", "prompts_folder = 'prompts'\nlanguage_model = 'fake-generate'\n"
    )
    with inlay.connect(config=config) as con:
        assert con.execute("select ai_fix_grammar('x')").fetchall() == [("fake: own x",)]
