"""Types of answers: what a header writes, as Arrow. DuckDB says the same of each, in both directions. And columns of
answers, which are made without pa.array()."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inlay.arrays import column_of
from inlay.errors import ConfigError
from inlay.functions.arrow_types import SCALARS, arrow_type
from inlay.functions.definitions import all_definitions
from support.installed_versions import DUCKDB

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


# Columns of Python values


def values_of(kind: pa.DataType) -> st.SearchStrategy[Any]:
    if pa.types.is_list(kind):
        found: st.SearchStrategy[Any] = st.lists(values_of(kind.value_type), max_size=3)
    elif pa.types.is_map(kind):
        pairs = st.tuples(values_of(kind.key_type).filter(lambda key: key is not None), values_of(kind.item_type))
        found = st.lists(pairs, max_size=3)
    elif pa.types.is_struct(kind):
        found = st.fixed_dictionaries({field.name: values_of(field.type) for field in kind})
    elif pa.types.is_string(kind):
        found = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    elif pa.types.is_boolean(kind):
        found = st.booleans()
    else:
        found = st.floats(width=32, allow_nan=False) if pa.types.is_floating(kind) else st.integers(0, 9)
    return st.none() | found


@pytest.mark.parametrize("sql", [*WRITTEN, "INTEGER", "SMALLINT[]", "UBIGINT", "STRUCT(a FLOAT, b VARCHAR[])[]"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_column_is_the_one_that_arrow_makes(sql: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(values_of(arrow_type(sql)), max_size=5))
    column = column_of(values, arrow_type(sql))
    column.validate(full=True)
    assert column.equals(pa.array(values, arrow_type(sql)))


@pytest.mark.parametrize(("value", "sql"), [("a", "DOUBLE"), (300, "TINYINT"), (1, "VARCHAR"), (1, "VARCHAR[]")])
def test_what_arrow_refuses_is_refused(value: object, sql: str) -> None:
    with pytest.raises((pa.ArrowException, TypeError, ValueError)):
        pa.array([value], arrow_type(sql))
    with pytest.raises((pa.ArrowException, TypeError, ValueError)):
        column_of([value], arrow_type(sql))


FIRST_CALLS = """
import sys
import inlay
with inlay.connect(model="fake", language_model="fake-generate", store=sys.argv[1]) as con:
    for cursor in (con, con.duckdb):
        rows = "(values ('my parcel is late'), ('lovely'), (null), (' '), ('<<fail>>')) t(s)"
        for call in sys.argv[2:]:
            inlay.explain(cursor, f"select {call}, count(*) from {rows} group by all")
            cursor.execute(f"select {call}, try_{call} from {rows}").fetchall()
            assert "pandas" not in sys.modules, call
    con.cursor().execute("select ai_embed(concat('text ', i)) from range(5_000) r(i)").fetchall()
    assert "pandas" not in sys.modules, "a cursor"
print("done")
"""
CALLS = (
    "ai_classify(s, ['bug', 'praise'])", "ai_classify_multi(s, ['bug', 'praise'], threshold := 0.0)", "ai_embed(s)",
    "ai_similarity(s, 'lamp')", "ai_filter(s, 'it is late', threshold := 0.0)", "ai_sentiment(s)", "ai_complete(s)",
    "ai_score(s, 'it is late')", "ai_sentiment_by_aspect(s, ['price'])", "ai_detect_pii(s)", "ai_redact(s)",
    "ai_extract_json(s, {'name': 'Who?'})", "ai_count_tokens(s)", "ai_rerank(s, 'late', model := 'fake-rerank')",
)  # fmt: skip


@pytest.mark.skipif(DUCKDB < 2, reason="DuckDB 1 imports pandas itself")
def test_no_call_imports_pandas(tmp_path: Path) -> None:
    """Which takes a third of a second where it is installed."""
    assert importlib.util.find_spec("pandas") is not None
    for _ in range(2):  # with an empty store, and with answers in it
        done = subprocess.run(
            [sys.executable, "-c", FIRST_CALLS, str(tmp_path / "store"), *CALLS],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.stdout == "done\n", done.stderr
