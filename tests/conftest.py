"""What every test shares: no network, no progress output, versions in the header."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import metadata

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["INLAY_PROGRESS"] = "off"
os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"

import pytest

import inlay
from inlay.backends.fake import CALLS
from inlay.client.connection import Connection


def pytest_report_header() -> str:
    packages = ("duckdb", "pyarrow", "torch", "transformers", "sentence-transformers", "dbt-core", "dbt-duckdb")
    return "versions: " + ", ".join(f"{name} {_version(name)}" for name in packages)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test is named alike in every process, or pytest-xdist stops: a set's text and an address are not."""
    for item in items:
        values = (
            item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
        )
        if " at 0x" in item.name or any(
            isinstance(value, set | frozenset) and str(value) in item.name for value in values
        ):
            raise pytest.UsageError(f"{item.nodeid} is named after a set or an address: give it ids of its own")


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No inlay.toml above a test's working folder, nor a variable of the developer's shell, decides a result."""
    for name in [name for name in os.environ if name.startswith("INLAY_") and name != "INLAY_PROGRESS"]:
        monkeypatch.delenv(name)


@pytest.fixture
def con() -> Iterator[Connection]:
    """An in-memory connection on the fake embedding model."""
    with inlay.connect(model="fake") as connection:
        yield connection


@pytest.fixture
def calls() -> Iterator[dict[str, int]]:
    """What the fake models ran during the test: 'batches', 'rows', 'tokens'."""
    CALLS.clear()
    yield CALLS
