"""Types of answers: what a header writes, as Arrow. DuckDB says the same of each, in both directions."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inlay.errors import ConfigError
from inlay.functions.arrow_types import SCALARS, arrow_type
from inlay.functions.definitions import all_definitions

SPECS = [spec for spec in all_definitions().values() if not spec.is_table]
WRITTEN = sorted({kind for spec in SPECS for kind in (spec.returns, spec.try_returns)})
NAMES = st.sampled_from(["a", "B", "start", '"from"', '"two words"', '"6"" long"', '"(,)[]"', '"日本"'])


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        yield con


def assert_duckdb_agrees(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    relation = con.sql(f"select null::{sql} as v")
    table = relation.to_arrow_table() if hasattr(relation, "to_arrow_table") else relation.fetch_arrow_table()
    assert table.schema.field("v").type == arrow_type(sql)
    empty = pa.table({"v": pa.nulls(1, arrow_type(sql))})
    assert con.from_arrow(empty).types == relation.types


@pytest.mark.parametrize("sql", [*WRITTEN, *SCALARS, "DECIMAL", "decimal( 5 ,2 )", "varchar [ ]", "DECIMAL(38)"])
def test_duckdb_means_the_same_type(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert_duckdb_agrees(con, sql)


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    fields = st.lists(st.tuples(NAMES, inner), min_size=1, max_size=3, unique_by=lambda field: field[0].lower())
    return st.one_of(
        inner.map("{}[]".format),
        st.builds("{}[{}]".format, inner, st.integers(1, 9)),
        st.builds("MAP({}, {})".format, inner, inner),
        fields.map(lambda each: f"STRUCT({', '.join(f'{name} {kind}' for name, kind in each)})"),
    )


DECIMALS = st.integers(1, 38).flatmap(lambda p: st.integers(0, p).map(lambda s: f"DECIMAL({p}, {s})"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.recursive(st.one_of(st.sampled_from(sorted(SCALARS)), DECIMALS), nested, max_leaves=6))
def test_duckdb_means_the_same_type_however_deep(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert_duckdb_agrees(con, sql)


@pytest.mark.parametrize(
    "text",
    ["", "SPAM", "VARCHAR VARCHAR", "VARCHAR[", "VARCHAR[n]", "STRUCT()", "STRUCT(a)", "STRUCT(a VARCHAR", "MAP(VARCHAR)",
     "MAP(VARCHAR, DATE, DATE)", "DECIMAL(39, 0)", "DECIMAL(2, 3)", "VARCHAR; DROP TABLE t", "TIMESTAMPTZ", "[]"],
)  # fmt: skip
def test_what_is_no_type_is_refused_with_the_types_that_there_are(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no type that a function can return. Types: BOOLEAN, TINYINT"):
        arrow_type(text)
