"""A result store that version 0.1.0 wrote, before its inside was rebuilt: what is asked of it is still known.

earlier/store.zip and earlier/answers.json were made by running earlier/statements.sql, in order, with
inlay.connect(model="fake", language_model="fake-generate", store=…), over the table t below. Statements whose answers
have been given a new version since, openly, are removed from both.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

import inlay
from inlay.functions.definitions import all_definitions

EARLIER = Path(__file__).parent / "earlier"
STATEMENTS = [text.strip() for text in (EARLIER / "statements.sql").read_text("utf-8").split(";\n") if text.strip()]
ANSWERS = json.loads((EARLIER / "answers.json").read_text("utf-8"))
TEXTS = ("the lamp broke", "thank you, it is lovely", "where is my parcel", "ünïcode, 价格", "")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    with zipfile.ZipFile(EARLIER / "store.zip") as file:
        file.extractall(tmp_path)
    return tmp_path / "store"


@pytest.mark.parametrize("plain", [False, True], ids=["planned", "plain"])
def test_nothing_is_inferred_again_and_every_answer_is_the_same(
    store: Path, plain: bool, calls: dict[str, int]
) -> None:
    # That version asked about blank texts, and what it stored of them is known where they are asked about.
    blanks = {
        spec.name: {"on_blank": "answer"}
        for spec in all_definitions().values()
        if any(option.name == "on_blank" for option in spec.options)
    }
    with inlay.connect(
        model="fake", language_model="fake-generate", store=str(store), store_mode="read-only", functions=blanks
    ) as con:
        con.execute("create table t (s varchar)")
        con.executemany("insert into t values (?)", [[text] for text in TEXTS])
        run = con.duckdb if plain else con
        for statement, expected in zip(STATEMENTS, ANSWERS, strict=True):
            assert json.loads(json.dumps(run.execute(statement).fetchall(), default=str)) == expected, statement
        inferred = con.execute('select "function", inferred from inlay_ledger() where inferred > 0').fetchall()
        assert inferred == []
        assert calls["rows"] == 0
