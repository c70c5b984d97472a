"""udfs/ is the single source: the reference page, the functions, the SQL macros and the dbt package follow it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inlay.errors import ConfigError
from inlay.functions.dbt_macros import macro_file, option_kinds_file
from inlay.functions.definitions import all_definitions, read_definition, shipped_folder
from inlay.functions.generate import generated_files
from inlay.functions.macro_docs import header_docs
from inlay.functions.registry import bind_of
from support.paths import REPOSITORY

SPECS = all_definitions()


@pytest.mark.parametrize("spec", [s for s in SPECS.values() if not s.is_table], ids=lambda spec: spec.name)
def test_every_definition_names_the_function_that_binds_it(spec) -> None:
    assert callable(bind_of(spec))


def test_generated_files_are_fresh_and_none_is_left_over() -> None:
    files = generated_files(REPOSITORY)
    folder = REPOSITORY / "macros" / "generated"
    assert {path.relative_to(REPOSITORY) for path in folder.iterdir()} == {
        path for path in files if path.parts[0] == "macros"
    }
    for path, text in files.items():
        assert (REPOSITORY / path).read_text(encoding="utf-8") == text, f"{path} is stale: make docs"
        assert "Written " in text.splitlines()[0 if path.parts[0] == "macros" else 2]


# Of duckdb 1.4.1: SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'column_name').
NO_PARAMETERS_OF_DUCKDB_1 = set(
    re.findall(
        r"\w+",
        """all analyse analyze and any array as asc asymmetric between bigint bit boolean both case cast char character check
    coalesce collate column columns constraint create dec decimal default deferrable desc describe distinct do else end
    except exists extract false fetch float for foreign from generated group grouping grouping_id having in initially
    inout int integer intersect interval into lambda lateral leading limit map national nchar none not null nullif
    numeric offset on only or order out overlay pivot pivot_longer pivot_wider placing position precision primary
    qualify real references returning row select setof show smallint some struct substring summarize symmetric table
    then time timestamp to trailing treat trim true try_cast union unique unpivot using values varchar variadic when
    where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot
    xmlserialize xmltable""",
    )
)


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_a_macros_parameter_that_an_earlier_duckdb_reads_as_a_keyword_is_quoted(spec) -> None:
    for argument in (*spec.args, *spec.options):
        if argument.name in NO_PARAMETERS_OF_DUCKDB_1:
            assert f'"{argument.name}" :=' in spec.macro
            assert not re.search(rf"(?<![\"'\w]){argument.name}(?![\"'\w])", spec.macro)


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_macro_takes_what_its_header_says(spec) -> None:
    signature = re.match(r"CREATE\s+MACRO\s+\w+\s*\((.*?)\)\s*AS", spec.macro, re.S | re.I)
    assert signature
    said = [part.strip() for part in signature[1].split(",") if part.strip()]
    told = [a.in_sql if a.default is None else f"{a.in_sql} := {a.default}" for a in (*spec.args, *spec.options)]
    assert said == told


@pytest.mark.parametrize("spec", [s for s in SPECS.values() if s.is_scalar], ids=lambda spec: spec.name)
def test_macro_hands_on_every_option(spec) -> None:
    handed = re.findall(r"'(\w+)': (\"?\w+)", spec.macro)
    assert {name for name, _ in handed} == {option.name for option in spec.options} | {"statement"}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.sql"
    path.write_text(text, encoding="utf-8")
    return path


HEADER = '/*\nsummary = "s"\nargs = [["text", "VARCHAR", "t"]]\nreturns = "BOOLEAN"\nnulls = "n"\ncost = "c"\nexample = "e"\n*/\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CREATE MACRO spam(text) AS true;", "expected a comment"),
        ("/* summary = */ CREATE MACRO spam(text) AS true;", "not TOML"),
        ('/* summary = "s" */ CREATE MACRO spam(text) AS true;', "lacks args"),
        (HEADER + "CREATE MACRO other(text) AS true;", "must have the same name"),
        (HEADER, "nothing says what the function does"),
        (HEADER.replace('["text", "VARCHAR", "t"]', '"txet"'), "no argument that functions share is named 'txet'"),
        (HEADER.replace('["text", "VARCHAR", "t"]', '["text", "VARCHAR"]'), "an argument is .name, type, note."),
        (
            HEADER.replace("returns", 'options = [["n", "INTEGER"]]\nreturns'),
            "an option is .name, type, default, note.",
        ),
    ],
)
def test_a_wrong_definition_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_definition(write(tmp_path, "spam", text))


@pytest.mark.parametrize("answer", ["spam", "spam.bind", "classify.spam", "os.system"])
def test_an_answer_that_is_nowhere_is_refused(tmp_path: Path, answer: str) -> None:
    spec = read_definition(write(tmp_path, "spam", HEADER.replace("*/", f'answer = "{answer}"\n*/')))
    with pytest.raises(ConfigError, match=f"answer is '{answer}'; it must name a function of a module"):
        bind_of(spec)


def test_arguments_may_be_named_by_a_word_that_functions_share(tmp_path: Path) -> None:
    args = HEADER.replace('["text", "VARCHAR", "t"]', '"text", "labels"').replace("*/", 'answer = "a.b"\n*/')
    spec = read_definition(write(tmp_path, "spam", args.replace("returns", 'options = ["language_model"]\nreturns')))
    assert [argument.name for argument in (*spec.args, *spec.options)] == ["text", "labels", "model"]
    assert spec.args[1].default == "NULL"
    assert spec.macro.startswith("CREATE MACRO spam(text, labels := NULL, model := NULL) AS\n    system.main.spam(")


def test_the_dbt_macros_refuse_what_they_cannot_write(tmp_path: Path) -> None:
    typed = read_definition(
        write(tmp_path, "spam", HEADER.replace('"VARCHAR"', '"BLOB"') + "CREATE MACRO spam(text) AS 1")
    )
    with pytest.raises(ConfigError, match="text is of type 'BLOB', which the dbt macros cannot write. Types: VARCHAR;"):
        option_kinds_file([typed])
    number = read_definition(
        write(tmp_path, "spam", HEADER.replace('"VARCHAR"', '"DOUBLE"') + "CREATE MACRO spam(text) AS 1")
    )
    # The same name for a value of another kind has its function's name before it.
    assert "'spam.text': 'number'" in option_kinds_file([*all_definitions().values(), number])
    first = HEADER.replace('["text", "VARCHAR", "t"]', '"labels", "text"') + "CREATE MACRO spam(labels, text) AS 1"
    with pytest.raises(ConfigError, match="labels must be the second argument"):
        macro_file(read_definition(write(tmp_path, "spam", first)), "spam")


def test_a_macro_written_by_hand_needs_a_header(tmp_path: Path) -> None:
    for text, message in (("{% macro spam() %}", "expected a comment"), ("{#- spam = -#}", "the header is not TOML")):
        with pytest.raises(ConfigError, match=message):
            header_docs(write(tmp_path, "spam", text))


def test_a_users_file_may_not_replace_a_shipped_one(tmp_path: Path) -> None:
    write(tmp_path, "ai_embed", HEADER + "CREATE MACRO ai_embed(text) AS true;")
    with pytest.raises(ConfigError, match="already defined"):
        all_definitions([tmp_path])


def test_shipped_folder_is_the_repositorys_in_an_editable_install() -> None:
    assert shipped_folder() == REPOSITORY / "udfs"
