"""docs/settings.md and docs/inlay.schema.json follow the declarations, and the schema agrees with the reader."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from inlay.cli.main import main
from inlay.errors import ConfigError
from inlay.functions.configured import configured_definitions, function_options
from inlay.functions.definitions import all_definitions
from inlay.settings.check import Entry
from inlay.settings.declare import entry_of
from inlay.settings.read import read_settings
from inlay.settings.reference import json_schema, reference_page
from inlay.settings.schema import DOCUMENT, ModelSettings
from support.paths import REPOSITORY

FUNCTIONS = function_options(all_definitions().values())
SCHEMA = json_schema(FUNCTIONS)
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
EXAMPLES = [
    pytest.param(block, id=f"{path.relative_to(REPOSITORY)}-{i}")
    for path in [*sorted((REPOSITORY / "docs").glob("*.md")), REPOSITORY / "README.md"]
    if path.name != "contributing.md"  # whose TOML is a prompt
    for i, block in enumerate(re.findall(r"```toml\n(.*?)```", path.read_text("utf-8"), re.S))
] + [
    pytest.param(path.read_text("utf-8"), id=str(path.relative_to(REPOSITORY)))
    for path in REPOSITORY.rglob("inlay.toml")
]


def reader_accepts(document: dict[str, Any], folder: Path) -> bool:
    try:
        settings = read_settings(document, environment={}, folder=folder)
        if settings.functions:
            configured_definitions(settings)
    except ConfigError:
        return False
    return True


def test_the_page_and_the_schema_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    page, schema = (REPOSITORY / "docs" / name for name in ("settings.md", "inlay.schema.json"))
    assert page.read_text("utf-8") == reference_page(FUNCTIONS), "stale: make docs"
    assert json.loads(schema.read_text("utf-8")) == SCHEMA, "stale: make docs"
    assert main(["settings", "--markdown"]) == 0
    assert capsys.readouterr().out == page.read_text("utf-8")
    assert main(["settings", "--schema"]) == 0
    assert capsys.readouterr().out == schema.read_text("utf-8")


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)


def test_every_key_is_documented() -> None:
    page = reference_page(FUNCTIONS)
    for key, declaration in (*DOCUMENT.keys.items(), *entry_of(ModelSettings).keys.items()):
        assert f"| `{key}` | {declaration.kind.words} |" in page
        assert declaration.text in page.replace("\\|", "|")
    assert all(f"INLAY_{key.upper()}" in page for key in DOCUMENT.keys)


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_are_accepted(text: str, tmp_path: Path) -> None:
    document = tomllib.loads(text)
    VALIDATOR.validate(document)
    assert reader_accepts(document, tmp_path)


def test_the_inline_tables_of_the_page_are_accepted() -> None:
    exported = re.findall(r"export (INLAY_\w+)='(.*)'", reference_page(FUNCTIONS))
    assert [name for name, _ in exported] == ["INLAY_MODELS", "INLAY_FUNCTIONS"]
    settings = read_settings(environment=dict(exported))
    configured_definitions(settings)
    assert settings.models["minilm"].max_tokens == 128


# What someone may type for anything. NaN is left out: JSON has none, so only the reader refuses it.
VALUES: list[Any] = [
    True, False, 0, 1, 2, 3, 512, -1, 0.5, 2.0, -0.5, "", "no", "true", "auto", "cpu", "cuda:1", "raise", "lines", "off",
    "a-b", "1x", "my_", "./models/small", "hub:owner/name", "https://x/v1", "https://u:p@x/v1", "ftp://x", "a" * 64,
    "mean", "generate", "json_object", "truncate", "torch", [], ["mean"], ["mean", 1], ["mean", "no"], [1], {},
    {"query": "q: "}, {"query": 1}, {"m": "fake:embed"}, {"m": {"source": "fake:embed"}}, {"m": {"dtype": "auto"}},
    {"minilm": {"dtype": "float32"}}, {"minilm": {"dtype": "int"}}, {"m": {"source": "fake:embed", "colour": 1}},
    {"m": ""}, {"m": 1}, {"ai_filter": {}}, {"ai_filter": 1}, {"ai_fliter": {}}, {"inlay_models": {}},
]  # fmt: skip


@pytest.mark.parametrize("key", [*DOCUMENT.keys, "modle"])
def test_schema_and_reader_agree_on_every_key(key: str, tmp_path: Path) -> None:
    for value in VALUES:
        document = {key: value}
        assert VALIDATOR.is_valid(document) == reader_accepts(document, tmp_path), document


@pytest.mark.parametrize("key", [*entry_of(ModelSettings).keys, "name", "poling"])
def test_schema_and_reader_agree_on_every_key_of_a_model(key: str, tmp_path: Path) -> None:
    for value in VALUES:
        document = {"models": {"m": {"source": "fake:embed", key: value}}}
        assert VALIDATOR.is_valid(document) == reader_accepts(document, tmp_path), document


@pytest.mark.parametrize("name", FUNCTIONS.keys)
def test_schema_and_reader_agree_on_every_option_of_a_function(name: str, tmp_path: Path) -> None:
    options = FUNCTIONS.keys[name].kind
    assert isinstance(options, Entry)
    for key in (*options.keys, "text", "statement"):
        for value in VALUES:
            document = {"functions": {name: {key: value}}}
            assert VALIDATOR.is_valid(document) == reader_accepts(document, tmp_path), document


def test_the_schema_leaves_functions_of_the_users_own_open() -> None:
    own = {"functions": {"is_urgent": {"least": 1}}}
    assert not VALIDATOR.is_valid(own)
    assert VALIDATOR.is_valid({"functions_folders": ["own"], **own})
    assert not VALIDATOR.is_valid({"functions_folders": ["own"], "functions": {"ai_filter": {"treshold": 1}}})


def test_the_command_prints_values_and_their_places(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "inlay.toml"
    path.write_text('store = ".kept"\n[functions.ai_filter]\nthreshold = 0.3\n', encoding="utf-8")
    monkeypatch.setenv("INLAY_DEVICE", "cpu")
    assert main(["settings", "--config", str(path)]) == 0
    rows = {tuple(re.split(r"\s{2,}", line)) for line in capsys.readouterr().out.splitlines()}
    assert ("store", str(tmp_path / ".kept"), str(path)) in rows
    assert ("functions.ai_filter", "{'threshold': 0.3}", str(path)) in rows
    assert ("device", "cpu", "environment variable INLAY_DEVICE") in rows
    assert ("store_inputs", "false", "default") in rows  # as inlay.toml has it
    path.write_text("memory_mb = -5\n", encoding="utf-8")
    assert main(["settings", "--config", str(path)]) == 1
    assert "memory_mb is -5; it must be a whole number of at least 0" in capsys.readouterr().err
