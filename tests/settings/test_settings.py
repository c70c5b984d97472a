"""Settings: precedence, places, messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inlay.errors import ConfigError
from inlay.settings.read import read_settings


def write_toml(folder: Path, text: str) -> Path:
    path = folder / "inlay.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_keyword_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    write_toml(tmp_path, 'model = "fake"\ndevice = "cpu"\ndtype = "float32"\n')
    environment = {"INLAY_MODEL": "fake-nli", "INLAY_DTYPE": "bfloat16"}
    settings = read_settings({"model": "fake-rerank"}, environment=environment, folder=tmp_path)
    assert (settings.model, settings.dtype, settings.device) == ("fake-rerank", "bfloat16", "cpu")
    assert settings.on_error == "null"


def test_the_nearest_file_above_the_working_folder_counts(tmp_path: Path) -> None:
    write_toml(tmp_path, 'model = "fake"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert read_settings(environment={}, folder=below).model == "fake"


def test_a_model_entry_is_merged_key_by_key(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    write_toml(tmp_path, '[models.small]\nsource = "weights"\nmax_tokens = 64\ndtype = "float32"\n')
    settings = read_settings({"models": {"small": {"dtype": "bfloat16"}}}, environment={}, folder=tmp_path)
    small = settings.models["small"]
    assert (small.max_tokens, small.dtype) == (64, "bfloat16")
    # Relative to the file that names it, whatever the working folder.
    assert small.source == str(tmp_path / "weights")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"modle": "fake"}, "no option named 'modle'.*Did you mean 'model'"),
        ({"device": "gpu"}, "device is 'gpu'; it must be one of auto, cpu, cuda, mps"),
        ({"on_error": "ignore"}, "on_error is 'ignore'"),
        ({"memory_mb": "plenty"}, "memory_mb is 'plenty'"),
        ({"models": {"m": {"source": "fake:embed", "poling": "mean"}}}, "no option named 'poling'.*'pooling'"),
        ({"models": {"m": {"source": "fake:embed", "pooling": "middle"}}}, "pooling is 'middle'"),
        ({"models": {"m": {"source": "fake:embed", "max_tokens": 1}}}, "max_tokens is 1"),
        ({"models": {"m": {"dtype": "float32"}}}, "has no source"),
        ({"models": "fake"}, "must be a table"),
    ],
)
def test_a_wrong_setting_names_the_key_and_what_is_allowed(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_settings(given, environment={})


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml does not exist"):
        read_settings(config=tmp_path / "nowhere.toml", environment={})


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = write_toml(tmp_path, "model = ")
    with pytest.raises(ConfigError, match=r"inlay\.toml is not valid TOML"):
        read_settings(config=path, environment={})


def test_a_source_may_stand_for_a_model(tmp_path: Path) -> None:
    settings = read_settings({"model": "hub:owner/name@abc"}, environment={}, folder=tmp_path)
    assert settings.models["hub:owner/name@abc"].source == "hub:owner/name@abc"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"base_url": "ftp://x/v1"}, "base_url is 'ftp://x/v1'; it must be an address"),
        ({"base_url": "https://user:secret@x/v1"}, "may not hold a name or password"),
        ({"base_url": "file:///etc/passwd"}, "it must be an address"),
        ({"concurrency": 0}, "concurrency is 0; it must be a whole number of at least 1"),
        ({"requests_per_minute": "many"}, "requests_per_minute is 'many'; it must be a number"),
        ({"structured": "xml"}, "structured is 'xml'; it must be one of json_schema, json_object, none"),
        ({"api_key": "sk-123"}, "no option named 'api_key'.*api_key_env"),
        ({"api_key_env": 3}, "api_key_env is 3; it must be text"),
    ],
)
def test_a_wrong_setting_of_an_endpoint_is_named(entry: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_settings({"models": {"remote": {"source": "openai:gpt", **entry}}}, environment={})
