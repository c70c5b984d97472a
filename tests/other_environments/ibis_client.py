"""ibis' DuckDB backend. ibis 12 does not run on duckdb 2.0, so `make test-ibis` runs this beside duckdb 1.5."""

from __future__ import annotations

import ibis

import inlay


@ibis.udf.scalar.builtin
def ai_classify(body: str, labels: list[str]) -> str:  # type: ignore[empty-body]
    """The function of inlay that DuckDB knows by this name."""


def test_a_function_as_an_ibis_expression_and_in_raw_sql() -> None:
    connection = ibis.duckdb.connect()
    inlay.attach(connection.con, model="fake")
    connection.raw_sql("create table reviews as select * from (values ('love it'), (null)) v(body)")
    reviews = connection.table("reviews")
    answers = reviews.mutate(kind=ai_classify(reviews.body, ["bug", "praise"])).to_pyarrow().to_pylist()
    assert answers[0]["kind"] in ("bug", "praise")
    assert answers[1]["kind"] is None
    raw = connection.raw_sql("select ai_classify(body, ['bug', 'praise'], model := 'fake') from reviews").fetchall()
    assert [kind for (kind,) in raw] == [row["kind"] for row in answers]
    assert connection.raw_sql("select count(*) from inlay.inlay_ledger()").fetchall() == [(2,)]
