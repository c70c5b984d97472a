"""What a definition of udfs/, or one of the user's own, is in SQL, and which options it takes from the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

import inlay
from inlay.errors import (
    ConfigError,
)
from inlay.functions.definitions import all_definitions
from support.attached import NAMED, PLAIN, one


@pytest.mark.parametrize("name", sorted(all_definitions()))
def test_the_example_of_every_definition_runs(con: Any, name: str, tmp_path: Path) -> None:
    heads = str(tmp_path / "heads")
    inlay.attach(con, model="fake", language_model="fake-generate", models={"my-reranker": "fake:rerank"}, heads=heads)
    if name in ("inlay_train", "inlay_mislabelled", "ai_predict"):
        con.execute(
            "create table labelled_rows as select 'text ' || i as body, 'k' || i % 2 as intent from range(40) t(i)"
        )
    if name in ("inlay_labels", "inlay_to_label"):
        con.execute("create table tickets as select 'text ' || i as body from range(40) t(i)")
    if name == "inlay_calibrate":
        con.execute(
            "create table labelled_rows as select 'text ' || i as body, ['bug', 'praise'][1 + i % 2] as topic "
            "from range(40) t(i)"
        )
    if name == "ai_predict":
        con.execute(all_definitions()["inlay_train"].example)
    example = all_definitions()[name].example.replace("FLOAT[384]", "FLOAT[8]")  # the fake model's vectors are short
    rows = con.sql(example).fetchall()
    if not all_definitions()[name].is_table and name != "ai_extract":  # whose fields no text of the fake's has
        assert rows[0][0] is not None


def test_a_folder_of_definitions_adds_functions(tmp_path: Path, attached: duckdb.DuckDBPyConnection) -> None:
    header = 'summary = "s"\nargs = [["text", "VARCHAR", "t"]]\nreturns = "VARCHAR"\nnulls = "n"\n'
    (tmp_path / "ticket_topic.sql").write_text(
        f'/*\n{header}cost = "tokens"\nexample = "SELECT ticket_topic(\'x\')"\n*/\n'
        "CREATE MACRO ticket_topic(text, model := NULL) AS inlay.ai_classify(text, ['a', 'b'], model := model);"
    )
    (tmp_path / "topics.sql").write_text(
        f'/*\n{header}cost = "tokens"\nexample = "FROM topics()"\n*/\n'
        "CREATE MACRO topics() AS TABLE SELECT unnest(['a', 'b']) AS topic;"
    )
    inlay.attach(attached, model="fake", functions_folders=[str(tmp_path)])
    assert one(attached, "SELECT ticket_topic('x', model := 'fake-nli')") == one(attached, NAMED)
    assert one(attached.cursor(), "SELECT inlay.ticket_topic('x', model := 'fake-nli')") == one(attached, NAMED)
    assert attached.execute("FROM topics()").fetchall() == [("a",), ("b",)]
    assert attached.execute("SELECT name, example FROM inlay_functions() WHERE name = 'topics'").fetchall() == [
        ("topics", "FROM topics()")
    ]
    inlay.detach(attached)
    with pytest.raises(duckdb.CatalogException):
        attached.execute("FROM topics()")


def test_a_definition_may_not_replace_a_shipped_one(tmp_path: Path, attached: duckdb.DuckDBPyConnection) -> None:
    shipped = all_definitions()["ai_score"].path
    (tmp_path / "ai_score.sql").write_text(shipped.read_text("utf-8"), "utf-8")
    with pytest.raises(ConfigError, match="ai_score is already defined in"):
        inlay.attach(attached, functions_folders=[str(tmp_path)])
    assert one(attached, PLAIN) in ("a", "b")


def test_a_function_takes_its_options_from_the_settings() -> None:
    functions = {"ai_filter": {"model": "fake-nli"}, "ai_classify_multi": {"threshold": -1.0}}
    with inlay.connect(model="fake", functions=functions) as con:
        assert one(con, "SELECT (try_ai_filter('x', 'it is x')).model") == "fake-nli"
        assert one(con.duckdb.cursor(), "SELECT (try_ai_filter('x', 'it is x')).model") == "fake-nli"
        assert len(one(con, "SELECT ai_classify_multi('x', ['a', 'b'])")) == 2
        assert one(con, "SELECT ai_classify_multi('x', ['a', 'b'], threshold := 1.0)") == []
        with pytest.raises(ConfigError, match="threshold is missing"):
            con.execute("SELECT ai_filter('x', 'it is x', model := 'fake')").fetchall()


def test_an_unknown_option_in_the_settings_is_refused_before_its_function_is_called() -> None:
    with pytest.raises(ConfigError, match="ai_filter: no option named 'treshold'. Did you mean 'threshold'"):
        inlay.connect(model="fake", functions={"ai_filter": {"treshold": 1}})


def test_wrong_options_leave_a_running_session_as_it_was() -> None:
    with inlay.connect(model="fake") as con:
        before = inlay.attach(con).settings
        with pytest.raises(ConfigError, match="functions: no function named 'ai_fliter'. Did you mean 'ai_filter'"):
            inlay.attach(con, model="fake-nli", functions={"ai_fliter": {}})
        assert inlay.attach(con).settings is before
