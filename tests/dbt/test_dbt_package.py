"""The dbt package in macros/: same names and arguments as the SQL functions, documented, clear when it refuses, and in
its stored form the same answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

pytest.importorskip("dbt.adapters.duckdb")

import yaml
from jinja2 import Environment, nodes

import inlay
from inlay.client.connection import Connection
from inlay.functions.definitions import all_definitions
from inlay.store.calls import call_file
from support.dbt_runs import MACROS, Project
from support.macros_alone import Macros, Refused, macro_files
from support.paths import TESTS

CALLED = {spec.name: spec for spec in all_definitions().values() if not spec.is_table}
AI_MACROS = sorted(name for base in CALLED for name in (base, f"try_{base}"))

GENERATED = MACROS / "generated"
FILES = {file.stem: file for file in macro_files(MACROS)}

# What a macro takes beyond its SQL function: a cast that SQL writes behind the call.
ONLY_IN_DBT = {"ai_embed": ["dim"]}


def arguments_of(file: Path) -> dict[str, list[str]]:
    """Macro name → argument names, for each macro of a file."""
    parsed = Environment(extensions=["jinja2.ext.do"]).parse(file.read_text("utf-8"))
    return {macro.name: [argument.name for argument in macro.args] for macro in parsed.find_all(nodes.Macro)}


DOCUMENTED = {entry["name"]: entry for entry in yaml.safe_load((GENERATED / "macros.yml").read_text("utf-8"))["macros"]}


@pytest.mark.parametrize("name", AI_MACROS)
def test_a_macro_takes_what_its_sql_function_takes(name: str) -> None:
    spec = CALLED[name.removeprefix("try_")]
    expected = [argument.name for argument in (*spec.args, *spec.options)] + ONLY_IN_DBT.get(name, [])
    assert arguments_of(FILES[name]) == {
        name: expected,
        f"default__{name}": expected,
        f"duckdb__{name}": expected,
    }


@pytest.mark.parametrize("file", FILES.values(), ids=lambda file: file.stem)
def test_each_file_holds_one_documented_macro(file: Path) -> None:
    macros = arguments_of(file)
    public = [name for name in macros if not name.startswith(("default__", "duckdb__"))]
    assert public == [file.stem]
    entry = DOCUMENTED[file.stem]
    assert entry["description"].strip()
    assert [argument["name"] for argument in entry["arguments"]] == macros[file.stem]
    assert all(argument["type"] and argument["description"].strip() for argument in entry["arguments"])
    if file.stem.startswith("_"):
        assert entry["docs"] == {"show": False}


def test_no_macro_is_documented_that_does_not_exist() -> None:
    tests = {f"test_{file.stem}" for file in (MACROS / "tests").glob("*.sql")}
    assert set(DOCUMENTED) == set(FILES) | tests


@pytest.mark.parametrize("name", AI_MACROS)
def test_each_macro_is_used_in_the_test_project_and_refuses_elsewhere_under_its_own_name(name: str) -> None:
    used = [
        TESTS / "dbt" / "project" / "models" / f"{model}.sql"
        for model in ("every_macro", "language_models", "per_group")
    ]
    assert any(f"inlay.{name}(" in file.read_text("utf-8") for file in used)
    macro = FILES[name].read_text("utf-8")
    assert f"adapter.dispatch('{name}', 'inlay')" in macro
    assert f"inlay._unsupported('{name}')" in macro
    assert f"inlay._call('{name}'" in macro


REFUSALS = {
    "adapt_incremental": "adapt moves the labels towards the texts of each run",
    "a_view": "'a_view' would become a view that calls inlay",
    "an_aggregate_view": "'an_aggregate_view' would become a view that calls inlay",
    "an_ephemeral": "'over_ephemeral_view' would become a view that calls inlay",
    "failures_as_a_view": "'failures_as_a_view' would become a view that calls inlay",
    "dim_text": "inlay.ai_embed: dim is 'many'; it must be the width",
    "empty_labels": "inlay.ai_classify: labels is empty",
    "field_of_yaml": "inlay.ai_extract: field 2 of schema is 'True'; it must be text",
    "label_misspelt": "inlay.ai_classify_multi: label 1 is '{'name': 'bug'}'",
    "label_of_yaml": "inlay.ai_classify: label 2 is 'False'",
    "labels_mapping": "inlay.ai_classify: labels is '{'bug': 'does not work'}'; it must be a list",
    "model_number": "inlay.ai_embed: model is '3'; it must be text",
    "predicate_missing": "inlay.ai_filter: predicate is 'None'; it must be text",
    "schema_number": "inlay.ai_extract: schema is '3'; it must be a mapping of fields to questions",
    "text_missing": "inlay.ai_embed: argument 1 is 'None'; it must be a SQL expression",
    "threshold_text": "inlay.ai_filter: threshold is '0.5'; it must be a number",
    "words_text": "inlay.ai_summarize: max_words is '5'; it must be a whole number",
}


def test_a_wrong_argument_or_a_view_stops_its_model_with_a_message_that_helps(tmp_path: Path) -> None:
    run = Project(TESTS / "dbt" / "refusals", tmp_path).dbt("build")
    assert run.code == 1
    for name, message in REFUSALS.items():
        # dbt reports an ephemeral model's error where it was read, and only in the log
        found = run.nodes[name]["message"] if name in run.nodes else run.output
        assert message in found, name
    assert "put {{ config(materialized='table') }}, or 'incremental', at the top of 'a_view'" in run.output
    assert set(run.nodes) == set(REFUSALS) - {"an_ephemeral"} | {"over_ephemeral_view"}
    assert set(run.statuses().values()) == {"error", "skipped"}


WRONG_ARGUMENTS: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("ai_extract", ("body", None), {}, "schema is 'None'; it must be a mapping"),
    ("ai_extract", ("body", {}), {}, "schema is '{}'; it must be a mapping"),
    ("try_ai_extract_json", ("body", " "), {}, "inlay.try_ai_extract_json: schema is ' '; it must be a mapping"),
    ("ai_extract", ("body", []), {}, "schema is '[]'; it must be a mapping"),
    ("ai_extract", ("body", ["who", 3]), {}, "text 2 of schema is '3'; it must be text"),
    ("ai_complete", ("body",), {"schema": 3}, "schema is '3'; it must be a mapping"),
    ("ai_complete", ("body",), {"stop": "END"}, "stop is 'END'; it must be a list of texts, e.g. stop=['…', '…']"),
    ("ai_complete", ("body",), {"stop": [False]}, "text 1 of stop is 'False'; it must be text. In YAML"),
    ("ai_complete", ("body",), {"system": 3}, "system is '3'; it must be text"),
    ("ai_complete", ("body",), {"max_tokens": "9"}, "type: max_tokens=(value | int)"),
    ("ai_complete", ("body",), {"max_tokens": True}, "max_tokens is 'True'; it must be a whole number"),
    ("ai_decide", ("body", ["a"]), {}, "questions is '['a']'; it must be a mapping of names to questions"),
    ("ai_classify", ("body", ["a"]), {"adapt": "yes"}, "adapt is 'yes'; it must be true or false"),
    ("ai_classify", ("body", ["a"]), {"examples": []}, "examples is '[]'; it must be a list that is not empty"),
    ("ai_score", ("body", "a"), {"examples": [{"text": "a"}]}, "example 1 is '{'text': 'a'}'; it must be a mapping"),
    ("ai_complete", ("body",), {"seed": 1.5}, "seed is '1.5'; it must be a whole number"),
    ("ai_complete", ("body",), {"temperature": "1"}, "temperature is '1'; it must be a number, e.g. temperature=0.3"),
    ("ai_sentiment_by_aspect", ("body", None), {}, "aspects is 'None'; it must be a list of texts"),
    ("ai_sentiment_by_aspect", ("body", "price"), {}, "aspects is 'price'; it must be a list of texts"),
    ("ai_redact", ("body",), {"categories": []}, "categories is empty; give at least one text"),
    ("ai_detect_pii", ("body",), {"categories": {"email": 1}}, "categories is '{'email': 1}'; it must be a list"),
    ("ai_translate", ("body", None), {}, "language is 'None'; it must be text"),
    ("ai_agg", ("body", 3), {}, "instruction is '3'; it must be text"),
    ("ai_summarize_agg", (None,), {}, "argument 1 is 'None'; it must be a SQL expression"),
]


@pytest.mark.parametrize(("name", "arguments", "options", "message"), WRONG_ARGUMENTS)
def test_a_wrong_argument_is_refused_once_there_is_something_to_render(
    name: str, arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused) as refused:
        getattr(Macros(), name)(*arguments, **options)
    assert message in str(refused.value)
    assert str(refused.value).startswith("inlay.")
    # while dbt parses, what comes from a query is none, and no mistake
    assert getattr(Macros(execute=False), name)(*arguments, **options) == ""


def test_adapt_is_written_as_sql_and_has_no_stored_form() -> None:
    call = ("body", ["late", "broken"])
    assert Macros().ai_classify(*call, adapt=True).endswith(", adapt := true)")
    assert Macros().ai_classify(*call, adapt=False).endswith(", adapt := false)")
    with pytest.raises(Refused, match="adapt needs a call"):
        Macros({"inlay_form": "stored"}).ai_classify(*call, adapt=True)


NESTED = {
    "type": "object",
    "properties": {
        "zeta": {"type": "integer", "minimum": 0, "maximum": 5},
        "alpha": {"type": ["string", "null"], "description": 'n\'est pas "ça", 日本 \\n'},
        "sizes": {"type": "array", "items": {"type": "number", "minimum": 0.5, "maximum": 3.0}},
    },
    "required": ["zeta", "alpha", "sizes"],
}
QUESTIONS = {"who": "Who's it, 日本?", "any": None}
DESCRIBED = [{"label": "late", "description": "hasn't come"}, "broken"]

# Every function, every option, and every way to write a schema.
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("ai_embed", ("body",), {"task": "query"}),
    ("ai_similarity", ("body", "'où est mon colis ?'"), {}),
    ("ai_classify", ("body", DESCRIBED), {"template": "It's {label}…"}),
    ("ai_classify", ("body",), {"model": "fake-classify"}),
    ("ai_classify", ("body", ["a", "b"]), {"calibration": "sure", "accuracy": 0.05}),
    ("ai_filter", ("body", "late"), {"calibration": "late"}),
    ("ai_classify", ("body", ["late", "a"]), {"other": "it's neither", "threshold": 0.6}),
    ("ai_classify", ("body", ["late", "it's"]), {"examples": [{"text": "où ?", "label": "it's"}]}),
    ("ai_classify_multi", ("body", ["a", "b"]), {"threshold": -1}),
    ("ai_filter", ("body", "it's late"), {"threshold": 0.25}),
    ("ai_filter", ({"it's": "body", "id": "id"}, "{it's} is no. {id} of {{it}}, isn't {it's}?"), {"threshold": 0.1}),
    ("ai_filter", ("body", "late"), {"examples": [{"text": f"{i}", "label": i > 2} for i in range(5)]}),
    ("ai_score", ("body", "urgent"), {"examples": [{"text": f"{i}", "label": i / 5} for i in range(6)]}),
    ("ai_score", ("body", "urgent"), {}),
    ("ai_score", ("body", "urgent"), {"levels": ["not at all", "it's so"]}),
    ("ai_decide", ("body", {"team": {"choice": ["a", "it's"]}, "how": {"levels": ["no", "yes"]}}), {}),
    ("ai_decide", ("body", '{"late": "it is late"}'), {"model": "fake-nli"}),
    ("ai_sentiment", ("body",), {"levels": 4, "on_error": "null", "on_blank": "answer"}),
    ("ai_sentiment", ("body",), {"on_blank": "skip"}),
    ("ai_rerank", ("'parcel'", "body"), {"model": "fake-rerank"}),
    ("ai_count_tokens", ("body",), {}),
    ("ai_predict", ("body", "kinds"), {}),
    ("ai_predict", ("body", "kinds"), {"accuracy": 0.05}),
    ("ai_complete", ("body",), {}),
    (
        "ai_complete",
        ("'Say: ' || body",),
        {"system": "it's", "max_tokens": 20, "temperature": 0.7, "stop": [".", "'"], "seed": 3},
    ),
    ("ai_complete", ("body",), {"schema": QUESTIONS, "temperature": 1, "max_tokens": 400}),
    ("ai_complete", ("body",), {"schema": ("who", "any"), "temperature": 1e-7}),
    ("ai_complete", ("body",), {"schema": NESTED, "model": "fake-generate"}),
    ("ai_complete", ("body",), {"schema": json.dumps(NESTED, ensure_ascii=False)}),
    ("ai_extract", ("body", QUESTIONS), {}),
    ("ai_extract", ("body", dict(reversed(QUESTIONS.items()))), {}),
    ("ai_extract", ("body", {"only": None}), {}),
    ("ai_extract", ("body", ["who", "any"]), {"max_tokens": 400, "verbatim": False}),
    ("ai_extract", ("body", NESTED), {"instructions": "don't guess"}),
    ("ai_extract", ("body", NESTED["properties"]), {}),
    ("ai_extract", ("body", {"type": "integer"}), {}),
    ("ai_extract", ("body", "sent DATE, \"a b\" STRUCT(n INT[], cost DECIMAL(5, 2)), kind ENUM('x', 'y')"), {}),
    ("ai_extract_json", ("body", QUESTIONS), {}),
    ("ai_extract_json", ("body", NESTED), {}),
    ("ai_sentiment_by_aspect", ("body", ["price", "the lamp's light"]), {}),
    ("ai_summarize", ("body",), {"max_words": 5}),
    ("ai_translate", ("body", "German"), {"source": "French"}),
    ("ai_fix_grammar", ("body",), {"max_tokens": 300}),
    ("ai_fix_grammar", ("body",), {"on_blank": "answer"}),
    ("ai_redact", ("body",), {"categories": ["email", "phone"]}),
    ("ai_detect_pii", ("body",), {}),
    ("ai_agg", ("lower(body)", "what's it about?"), {}),
    ("ai_summarize_agg", ("body",), {"max_words": 9}),
]
ROWS = """
    create table raw as select i as id, body, i % 2 as g from (values
        (1, 'My parcel, jo@example.com'), (2, 'où ? 日本 it''s "x"'), (3, 'My parcel, jo@example.com'), (4, null),
        (5, 'a lamp'), (7, ''), (9, ' ')
    ) t(i, body)
"""


@pytest.fixture(scope="module")
def databases(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Connection, duckdb.DuckDBPyConnection, Path]]:
    """The same rows with inlay and without it, and the store that the former writes and the latter reads."""
    store = tmp_path_factory.mktemp("stored") / "kept"
    heads = str(store.parent / "heads")
    with (
        inlay.connect(model="fake", language_model="fake-generate", store=store, heads=heads) as with_inlay,
        duckdb.connect() as plain,
    ):
        with_inlay.execute(ROWS)
        kinds = "select 'word ' || i as body, i % 2 = 0 as kind from range(40) as r(i)"
        inlay.train_head(with_inlay, "kinds", kinds, text="body", label="kind", method="centroid")
        kinds = "select 'word ' || i as body, ['a', 'b'][1 + i % 2] as kind, i % 3 = 0 as late from range(40) as r(i)"
        inlay.calibrate(with_inlay, "sure", kinds, call="ai_classify(body, ['a', 'b'])", label="kind")
        inlay.calibrate(with_inlay, "late", kinds, call="ai_filter(body, 'late')", label="late")
        plain.execute(ROWS)
        yield with_inlay, plain, store


def test_every_function_is_tried_in_both_forms() -> None:
    assert {name for name, _, _ in CALLS} == set(CALLED)
    # targets are kept by a cascade, which asks about rows and stores what its exact model said
    # the labels of a call with adapt are known with its rows; the stored form refuses it
    targets = {"recall", "precision", "agreement", "probability", "proxy", "adapt"}
    tried = {option for _, _, options in CALLS for option in options}
    assert tried == {option.name for spec in CALLED.values() for option in spec.options} - targets


@pytest.mark.parametrize(("name", "arguments", "options"), CALLS)
def test_the_stored_form_finds_what_the_call_answered(
    name: str,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    databases: tuple[Connection, duckdb.DuckDBPyConnection, Path],
) -> None:
    with_inlay, plain, store = databases
    form = {"inlay_form": "stored", "inlay_store": str(store)}
    select, rows = "select id, ", " as v from raw order by id"
    if CALLED[name].kind == "aggregate":
        select, rows = "select g, ", " as v from raw group by g order by g"
    for called in (name, f"try_{name}"):
        asked = with_inlay.execute(select + getattr(Macros(), called)(*arguments, **options) + rows)
        expected, types = asked.fetchall(), [column[1] for column in asked.description]
        lookup = getattr(Macros(form, query=lambda sql: plain.execute(sql).fetchall()), called)(*arguments, **options)
        found = plain.execute(select + lookup + rows)
        assert [column[1] for column in found.description] == types
        if called != name:
            assert {row[1]["cached"] for row in expected if row[1]} == {True}  # the plain call asked
        assert found.fetchall() == expected
        assert any(row[1] is not None for row in expected)


def test_fields_keep_their_order_whatever_was_asked_before(
    databases: tuple[Connection, duckdb.DuckDBPyConnection, Path],
) -> None:
    for schema in ({"first": None, "second": "Which?"}, {"second": "Which?", "first": None}):
        sql = f"select {Macros().ai_extract_json(repr('a lamp'), schema)}"
        ((answer,),) = databases[0].execute(sql).fetchall()
        assert list(json.loads(answer)) == list(schema)


def test_another_order_of_fields_is_another_call() -> None:
    asked, text = {"a": "A?", "b": "B?"}, '{"a": "A?", "b": "B?"}'
    turned = dict(reversed(asked.items()))
    as_setting = [Macros()._call_text("ai_extract", {}, ("schema", schema)) for schema in (asked, text, turned)]
    as_option = [Macros()._call_text("ai_complete", {"schema": schema}, None) for schema in (asked, text, turned)]
    for same, also, other in (as_setting, as_option):
        assert call_file(same) == call_file(also) != call_file(other)


STANDIN = """
from dbt.adapters.base import AdapterPlugin
from dbt.adapters.duckdb import DuckDBAdapter, DuckDBConnectionManager, DuckDBCredentials
from dbt.include import duckdb

class Credentials(DuckDBCredentials):
    type = "standin"

class ConnectionManager(DuckDBConnectionManager):
    TYPE = "standin"

class Adapter(DuckDBAdapter):
    ConnectionManager = ConnectionManager

Plugin = AdapterPlugin(adapter=Adapter, credentials=Credentials, include_path=duckdb.PACKAGE_PATH)
"""


def test_another_warehouse_is_refused_until_the_project_brings_its_own_form(tmp_path: Path) -> None:
    # No other adapter need be installed: this one is DuckDB under a name that no macro of ours dispatches to.
    adapter = tmp_path / "site" / "dbt" / "adapters" / "standin"
    adapter.mkdir(parents=True)
    (adapter / "__init__.py").write_text(STANDIN, "utf-8")
    (adapter / "__about__.py").write_text('version = "1.0.0"\n', "utf-8")
    project = Project(TESTS / "dbt" / "project", tmp_path)
    profile = project.folder / "profiles.yml"
    profile.write_text(profile.read_text("utf-8").replace("type: duckdb", "type: standin"), "utf-8")
    path = {"PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}

    refused = project.dbt("compile", "--no-populate-cache", "--select", "own_labels", **path)
    assert refused.code == 2
    assert "inlay.ai_classify: target type 'standin' is not supported; use a duckdb target." in refused.output

    (project.folder / "macros").mkdir()
    options = ", ".join(f"{name}=none" for name in arguments_of(FILES["ai_classify"])["ai_classify"][1:])
    (project.folder / "macros" / "standin__ai_classify.sql").write_text(
        f"{{% macro standin__ai_classify(text, {options}) -%}}\n"
        "    NATIVE_CLASSIFY({{ text }})\n"
        "{%- endmacro %}\n",
        "utf-8",
    )
    with (project.folder / "dbt_project.yml").open("a", encoding="utf-8") as file:
        file.write("\ndispatch:\n  - {macro_namespace: inlay, search_order: [inlay_tests, inlay]}\n")
    brought = project.dbt("compile", "--no-populate-cache", "--select", "own_labels", **path)
    assert brought.code == 0, brought.output
    assert "NATIVE_CLASSIFY(body) as label" in project.compiled("own_labels")
