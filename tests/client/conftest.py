"""What the tests of connections share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import inlay


@pytest.fixture
def attached() -> Iterator[duckdb.DuckDBPyConnection]:
    """A plain DuckDB connection with inlay attached."""
    with duckdb.connect() as con:
        inlay.attach(con, model="fake")
        yield con


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "shop.duckdb")
