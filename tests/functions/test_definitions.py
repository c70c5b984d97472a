"""udfs/ is the single source: the reference page, the functions and the macros follow it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inlay.errors import ConfigError
from inlay.functions.definitions import all_definitions, read_definition, shipped_folder
from inlay.functions.reference import reference_page
from inlay.functions.registry import FUNCTIONS
from support.paths import REPOSITORY

SPECS = all_definitions()


def test_every_scalar_definition_has_a_function_and_the_reverse() -> None:
    assert {name for name, spec in SPECS.items() if not spec.is_table} == set(FUNCTIONS)


def test_reference_page_is_fresh() -> None:
    page = (REPOSITORY / "docs" / "functions.md").read_text(encoding="utf-8")
    assert page == reference_page(SPECS.values()), "stale: make docs"


@pytest.mark.parametrize("spec", SPECS.values(), ids=lambda spec: spec.name)
def test_macro_takes_what_its_header_says(spec) -> None:
    signature = re.match(r"CREATE\s+MACRO\s+\w+\s*\((.*?)\)\s*AS", spec.macro, re.S | re.I)
    assert signature
    said = [part.strip() for part in signature[1].split(",") if part.strip()]
    told = [a.name if a.default is None else f"{a.name} := {a.default}" for a in (*spec.args, *spec.options)]
    assert said == told


@pytest.mark.parametrize("spec", [s for s in SPECS.values() if s.is_scalar], ids=lambda spec: spec.name)
def test_macro_hands_on_every_option(spec) -> None:
    handed = re.findall(r"'(\w+)': (\w+)", spec.macro)
    assert {name for name, _ in handed} == {option.name for option in spec.options} | {"statement"}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.sql"
    path.write_text(text, encoding="utf-8")
    return path


HEADER = '/*\nsummary = "s"\nargs = [["text", "VARCHAR", "t"]]\nreturns = "BOOLEAN"\nnulls = "n"\npure = true\ncost = "c"\nexample = "e"\n*/\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CREATE MACRO spam(text) AS true;", "expected a comment"),
        ("/* summary = */ CREATE MACRO spam(text) AS true;", "not TOML"),
        ('/* summary = "s" */ CREATE MACRO spam(text) AS true;', "lacks args"),
        (HEADER + "CREATE MACRO other(text) AS true;", "must have the same name"),
    ],
)
def test_a_wrong_definition_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_definition(write(tmp_path, "spam", text))


def test_a_users_file_may_not_replace_a_shipped_one(tmp_path: Path) -> None:
    write(tmp_path, "ai_embed", HEADER + "CREATE MACRO ai_embed(text) AS true;")
    with pytest.raises(ConfigError, match="already defined"):
        all_definitions([tmp_path])


def test_shipped_folder_is_the_repositorys_in_an_editable_install() -> None:
    assert shipped_folder() == REPOSITORY / "udfs"
