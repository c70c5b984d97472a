"""Every key: its check in every place, its environment variable, its messages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from inlay.errors import ConfigError
from inlay.functions.configured import configured_definitions
from inlay.models.ref import Endpoint
from inlay.settings.declare import entry_of
from inlay.settings.read import read_settings, variable
from inlay.settings.schema import DOCUMENT, ModelSettings, Settings

MODEL_KEYS = entry_of(ModelSettings).keys


def from_file(folder: Path, text: str) -> Settings:
    path = folder / "inlay.toml"
    path.write_text(text, encoding="utf-8")
    settings = read_settings(config=path, environment={})
    configured_definitions(settings)
    return settings


# (what the environment says, what the settings hold)
FROM_ENVIRONMENT: dict[str, tuple[str, Any]] = {
    "model": ("fake", "fake"),
    "language_model": ("fake-generate", "fake-generate"),
    "functions": ("{ai_filter = {threshold = 0.3}}", {"ai_filter": {"threshold": 0.3}}),
    "functions_folders": (os.pathsep.join(["/a", "/b"]), (Path("/a"), Path("/b"))),
    "device": ("cuda:1", "cuda:1"),
    "dtype": ("float32", "float32"),
    "on_error": ("raise", "raise"),
    "progress": ("lines", "lines"),
    "prefix": ("my_", "my_"),
    "memory_mb": ("64", 64),
    "loaded_memory_mb": ("500", 500),
    "heads": ("/heads", "/heads"),
    "prompts_folder": ("/prompts", Path("/prompts")),
    "store": ("/kept", "/kept"),
    "store_mode": ("read-only", "read-only"),
    "store_vectors": ("false", False),
    "store_inputs": ("1", True),
    "max_rows": ("1e3", 1000.0),
    "max_tokens": ("5", 5.0),
    "max_seconds": ("0.5", 0.5),
    "max_cost": ("2", 2.0),
}


@pytest.mark.parametrize(("key", "text", "value"), [(key, *pair) for key, pair in FROM_ENVIRONMENT.items()])
def test_every_key_has_its_environment_variable(key: str, text: str, value: Any) -> None:
    settings = read_settings(environment={f"INLAY_{key.upper()}": text})
    assert getattr(settings, key) == value
    assert settings.places[key] == f"environment variable INLAY_{key.upper()}"


def test_no_key_is_without_an_environment_variable(tmp_path: Path) -> None:
    assert {*FROM_ENVIRONMENT, "models"} == set(DOCUMENT.keys)
    path = tmp_path / "inlay.toml"
    path.write_text('[models.small]\nsource = "fake:embed"\nmax_tokens = 64\n', encoding="utf-8")
    one_key = {"INLAY_MODELS": '{small = {device = "cpu"}, other = "fake:nli"}'}
    models = read_settings(config=path, environment=one_key).models
    assert (models["small"].source, models["small"].max_tokens, models["small"].device) == ("fake:embed", 64, "cpu")
    assert models["other"].source == "fake:nli"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings(environment={"INLAY_MEMORY_MB": "", "INLAY_STORE_VECTORS": ""}) == read_settings(
        environment={}
    )


@pytest.mark.parametrize(
    ("key", "text", "allowed"),
    [
        ("memory_mb", "plenty", "a whole number of at least 0"),
        ("memory_mb", "-5", "a whole number of at least 0"),
        ("store_vectors", "no", "true or false"),
        ("max_cost", "a", "a number of at least 0"),
        ("max_rows", "nan", "a number of at least 0"),
        ("on_error", "ignore", "one of null, raise"),
        ("prefix", "1x", "the beginning of a name"),
        ("models", "small", "a table of tables"),
        ("functions", "{ai_filter = ", "a table of tables"),
    ],
)
def test_a_wrong_environment_variable_is_named(key: str, text: str, allowed: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_settings(environment={variable(key): text})
    assert str(error.value).startswith(f"environment variable {variable(key)}: {key} is ")
    assert f"it must be {allowed}" in str(error.value)


WRONG = [
    ("memory_mb = -5", "memory_mb is -5; it must be a whole number of at least 0"),
    ("memory_mb = true", "memory_mb is True; it must be a whole number"),
    ("memory_mb = 1.5", "memory_mb is 1.5; it must be a whole number"),
    ('memory_mb = "512"', "memory_mb is '512'; it must be a whole number"),
    ("max_rows = -1", "max_rows is -1; it must be a number of at least 0"),
    ("max_rows = nan", "max_rows is nan; it must be a number of at least 0"),
    ('max_cost = "a"', "max_cost is 'a'; it must be a number of at least 0"),
    ("max_seconds = false", "max_seconds is False; it must be a number"),
    ('prefix = "a-b"', "prefix is 'a-b'; it must be the beginning of a name"),
    ('prefix = "1x"', "prefix is '1x'; it must be the beginning of a name"),
    ('prefix = "a\\n"', "it must be the beginning of a name"),
    ('device = "cpu:x"', "device is 'cpu:x'; it must be one of auto, cpu, cuda, mps"),
    ("model = 3", "model is 3; it must be text"),
    ('model = ""', "model is ''; it must be text"),
    ("functions_folders = 3", "functions_folders is 3; it must be a folder"),
    ('functions_folders = ["a", 3]', "functions_folders is 3; it must be a folder"),
    ('stroe = "x"', "no option named 'stroe'. Did you mean 'store'"),
    ("[models]\nm = 3", "models.m is 3; it must be a table, or its source as text"),
    ('[models.m]\nsource = "fake:embed"\nbatch = "no"', "[models.m]: batch is 'no'; it must be true or false"),
    ('[models.m]\nsource = "fake:embed"\nnormalize = "no"', "[models.m]: normalize is 'no'; it must be true or false"),
    ('[models.m]\nsource = "fake:embed"\nmax_tokens = true', "[models.m]: max_tokens is True; it must be a whole number"),
    ('[models.m]\nsource = "fake:embed"\ntimeout_s = 0', "[models.m]: timeout_s is 0; it must be a number above 0"),
    ('[models.m]\nsource = "fake:embed"\ntimeout_s = -1', "timeout_s is -1; it must be a number above 0"),
    ('[models.m]\nsource = "fake:embed"\nretry_s = -1', "retry_s is -1; it must be a number of at least 0"),
    ('[models.m]\nsource = "fake:embed"\nconcurrency = 0', "concurrency is 0; it must be a whole number of at least 1"),
    ('[models.m]\nsource = "fake:embed"\nrequests_per_minute = 0', "requests_per_minute is 0; it must be a number above 0"),
    ('[models.m]\nsource = "fake:embed"\ntask = "chat"', "task is 'chat'; it must be one of embed, classify"),
    ('[models.m]\nsource = "fake:embed"\ntask = "head"', "task is 'head'; it must be one of embed, classify"),
    ('[models.m]\nsource = "fake:embed"\nprompts = {query = 1}', "[models.m]: prompts.query is 1; it must be text"),
    ('[models.m]\nsource = "fake:embed"\nsha256 = "abc"', "sha256 is 'abc'; it must be 64 hexadecimal digits"),
    ('[models.m]\nsource = "fake:embed"\ntemplate = 3', "template is 3; it must be text"),
    ("[models.m]\nsource = 3", "[models.m]: source is 3; it must be text"),
    ('[models.m]\ndtype = "float32"', "[models.m] has no source. Give a folder"),
    ("[functions.ai_fliter]\nthreshold = 1", "no function named 'ai_fliter'. Did you mean 'ai_filter'"),
    ("[functions.ai_filter]\ntreshold = 1", "options of ai_filter: no option named 'treshold'. Did you mean 'threshold'"),
    ('[functions.ai_filter]\nthreshold = "high"', "options of ai_filter: threshold is 'high'; it must be a number"),
    ("[functions.ai_filter]\nmodel = 1", "options of ai_filter: model is 1; it must be text"),
    ('[functions.ai_filter]\non_error = "ignore"', "options of ai_filter: on_error is 'ignore'; it must be one of null, raise"),
    ("[functions.ai_complete]\nmax_tokens = true", "options of ai_complete: max_tokens is True; it must be a whole number"),
    ('[functions.ai_redact]\ncategories = "email"', "categories is 'email'; it must be a list"),
    ("[functions]\nai_filter = 1", "functions.ai_filter is 1; it must be a table"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_wrong_value_names_the_file_the_key_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        from_file(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'inlay.toml'}")
    assert message in str(error.value)


@pytest.mark.parametrize("key", DOCUMENT.keys)
def test_every_key_refuses_a_value_of_another_type(key: str) -> None:
    with pytest.raises(ConfigError, match=f"^keyword arguments: {key} is .*; it must be "):
        read_settings({key: object()}, environment={})


@pytest.mark.parametrize("key", MODEL_KEYS)
def test_every_key_of_a_model_refuses_a_value_of_another_type(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"^keyword arguments, \[models\.m\]: {key} is .*; it must be "):
        read_settings({"models": {"m": {"source": "fake:embed", key: object()}}}, environment={})


def test_an_empty_prefix_a_whole_float_and_no_limit_are_fine(tmp_path: Path) -> None:
    settings = from_file(tmp_path, 'prefix = ""\nmemory_mb = 64.0\nmax_rows = inf\n')
    assert (settings.prefix, settings.memory_mb, settings.max_rows) == ("", 64, float("inf"))
    assert isinstance(settings.memory_mb, int)


def test_none_in_a_keyword_counts_as_left_out() -> None:
    given = {"store": None, "models": {"m": {"source": "fake:embed", "dtype": None}}}
    settings = read_settings(given, environment={"INLAY_STORE": "/kept"})
    assert (settings.store, settings.models["m"].dtype) == ("/kept", None)


def test_a_password_in_an_address_is_not_shown() -> None:
    entry = {"source": "openai:gpt", "base_url": "https://user:secret@x/v1"}
    with pytest.raises(ConfigError, match=r"\[models\.m\]: base_url may not hold") as error:
        read_settings({"models": {"m": entry}}, environment={})
    assert "secret" not in str(error.value)


def test_a_function_of_the_users_own_takes_its_options(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "is_urgent.sql").write_text(
        '/*\nsummary = "s"\nargs = [["text", "VARCHAR", "t"]]\noptions = [["least", "DOUBLE", "NULL", "l"]]\n'
        'returns = "BOOLEAN"\nnulls = "n"\npure = true\ncost = "c"\nexample = "e"\n*/\n'
        "CREATE MACRO is_urgent(text, least := NULL) AS true;",
        encoding="utf-8",
    )
    own = 'functions_folders = "own"\n[functions.is_urgent]\n'
    assert from_file(tmp_path, own + "least = 1").functions == {"is_urgent": {"least": 1}}
    with pytest.raises(ConfigError, match="options of is_urgent: least is 'x'; it must be a number"):
        from_file(tmp_path, own + 'least = "x"')
    with pytest.raises(ConfigError, match="no function named 'is_urgent'.*needs its folder in functions_folders"):
        from_file(tmp_path, "[functions.is_urgent]\nleast = 1")


def test_places_say_where_each_value_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "inlay.toml"
    path.write_text('device = "cpu"\n[models.small]\nsource = "fake:embed"\n', encoding="utf-8")
    settings = read_settings({"dtype": "float32"}, config=path, environment={"INLAY_MODEL": "small"})
    expected = {
        "device": str(path),
        "models.small": str(path),
        "model": "environment variable INLAY_MODEL",
        "dtype": "keyword arguments",
    }
    assert {key: settings.places[key] for key in expected} == expected


def test_the_defaults_of_an_endpoint_are_as_documented() -> None:
    endpoint = Endpoint("https://x/v1", "m")
    documented = {key: MODEL_KEYS[key].unset for key in ("concurrency", "timeout_s", "retry_s", "structured")}
    assert documented == {
        "concurrency": str(endpoint.concurrency),
        "timeout_s": f"{endpoint.timeout_s:g}",
        "retry_s": f"{endpoint.retry_s:g}",
        "structured": f"`{endpoint.structured}`",
    }


def test_reading_settings_imports_little(tmp_path: Path) -> None:
    code = (
        "import sys; from inlay.settings.read import read_settings; read_settings({'model': 'fake'}, environment={})\n"
        "print(sorted({'jsonschema', 'pydantic', 'msgspec', 'tomllib', 'numpy', 'duckdb'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"
