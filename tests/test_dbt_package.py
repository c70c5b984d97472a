"""The dbt package in macros/: same names and arguments as the SQL functions, documented, and clear when it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("dbt.adapters.duckdb")

import yaml
from jinja2 import Environment, nodes

from dbt_runs import MACROS, Project
from inlay.definitions import all_definitions

TESTS = Path(__file__).parent
SCALARS = {spec.name: spec for spec in all_definitions().values() if spec.is_scalar}
AI_MACROS = sorted(name for base in SCALARS for name in (base, f"try_{base}"))

# What a macro takes beyond its SQL function: a cast that SQL writes behind the call.
ONLY_IN_DBT = {"ai_embed": ["dim"]}


def arguments_of(file: Path) -> dict[str, list[str]]:
    """Macro name → argument names, for each macro of a file."""
    parsed = Environment(extensions=["jinja2.ext.do"]).parse(file.read_text("utf-8"))
    return {macro.name: [argument.name for argument in macro.args] for macro in parsed.find_all(nodes.Macro)}


DOCUMENTED = {entry["name"]: entry for entry in yaml.safe_load((MACROS / "macros.yml").read_text("utf-8"))["macros"]}


@pytest.mark.parametrize("name", AI_MACROS)
def test_a_macro_takes_what_its_sql_function_takes(name: str) -> None:
    spec = SCALARS[name.removeprefix("try_")]
    expected = [argument.name for argument in (*spec.args, *spec.options)] + ONLY_IN_DBT.get(name, [])
    assert arguments_of(MACROS / f"{name}.sql") == {
        name: expected,
        f"default__{name}": expected,
        f"duckdb__{name}": expected,
    }


@pytest.mark.parametrize("file", sorted(MACROS.glob("*.sql")), ids=lambda file: file.stem)
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
    assert set(DOCUMENTED) == {file.stem for file in MACROS.glob("*.sql")}


@pytest.mark.parametrize("name", AI_MACROS)
def test_each_macro_is_used_in_the_test_project_and_refuses_elsewhere_under_its_own_name(name: str) -> None:
    used = (TESTS / "dbt_project" / "models" / "every_macro.sql").read_text("utf-8")
    assert f"inlay.{name}(" in used
    macro = (MACROS / f"{name}.sql").read_text("utf-8")
    assert f"adapter.dispatch('{name}', 'inlay')" in macro
    assert f"inlay._unsupported('{name}')" in macro
    assert f"inlay._call('{name}'" in macro


REFUSALS = {
    "a_view": "'a_view' would become a view that calls inlay",
    "an_ephemeral": "'over_ephemeral_view' would become a view that calls inlay",
    "failures_as_a_view": "'failures_as_a_view' would become a view that calls inlay",
    "dim_text": "inlay.ai_embed: dim is 'many'; it must be the width",
    "empty_labels": "inlay.ai_classify: labels is empty",
    "label_misspelt": "inlay.ai_classify_multi: label 1 is '{'name': 'bug'}'",
    "label_of_yaml": "inlay.ai_classify: label 2 is 'False'",
    "labels_mapping": "inlay.ai_classify: labels is '{'bug': 'does not work'}'; it must be a list",
    "model_number": "inlay.ai_embed: model is '3'; it must be text",
    "predicate_missing": "inlay.ai_filter: predicate is 'None'; it must be text",
    "text_missing": "inlay.ai_embed: argument 1 is 'None'; it must be a SQL expression",
    "threshold_text": "inlay.ai_filter: threshold is '0.5'; it must be a number",
}


def test_a_wrong_argument_or_a_view_stops_its_model_with_a_message_that_helps(tmp_path: Path) -> None:
    run = Project(TESTS / "dbt_refusals", tmp_path).dbt("build")
    assert run.code == 1
    for name, message in REFUSALS.items():
        # dbt reports an ephemeral model's error where it was read, and only in the log
        found = run.nodes[name]["message"] if name in run.nodes else run.output
        assert message in found, name
    assert "put {{ config(materialized='table') }}, or 'incremental', at the top of 'a_view'" in run.output
    assert set(run.nodes) == set(REFUSALS) - {"an_ephemeral"} | {"over_ephemeral_view"}
    assert set(run.statuses().values()) == {"error", "skipped"}


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
    project = Project(TESTS / "dbt_project", tmp_path)
    profile = project.folder / "profiles.yml"
    profile.write_text(profile.read_text("utf-8").replace("type: duckdb", "type: standin"), "utf-8")
    path = {"PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}

    refused = project.dbt("compile", "--no-populate-cache", "--select", "own_labels", **path)
    assert refused.code == 2
    assert "inlay.ai_classify: target type 'standin' is not supported; use a duckdb target." in refused.output

    (project.folder / "macros").mkdir()
    (project.folder / "macros" / "standin__ai_classify.sql").write_text(
        "{% macro standin__ai_classify(text, labels=none, template=none, agreement=none, "
        "probability=none, proxy=none, model=none, on_error=none) -%}\n"
        "    NATIVE_CLASSIFY({{ text }})\n"
        "{%- endmacro %}\n",
        "utf-8",
    )
    with (project.folder / "dbt_project.yml").open("a", encoding="utf-8") as file:
        file.write("\ndispatch:\n  - {macro_namespace: inlay, search_order: [inlay_tests, inlay]}\n")
    brought = project.dbt("compile", "--no-populate-cache", "--select", "own_labels", **path)
    assert brought.code == 0, brought.output
    assert "NATIVE_CLASSIFY(body) as label" in project.compiled("own_labels")
