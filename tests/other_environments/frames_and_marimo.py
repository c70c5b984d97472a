"""polars in and out, and marimo's cells, in an environment of their own: `make test-frames`."""

from __future__ import annotations

from typing import Any

import duckdb
import marimo
import polars as pl
import pytest

import inlay

FRAME = pl.DataFrame({"id": [1, 2, 3, 4], "body": ["late", "late", None, "broken"]})
TOPICS = "select id, ai_classify(body, ['a', 'b']) as topic, ai_embed(body) as vector from frame order by id"


@pytest.mark.parametrize("lazy", [False, True])
def test_polars_in_and_out(lazy: bool) -> None:
    frame = FRAME.lazy() if lazy else FRAME
    with inlay.connect(model="fake") as con:
        answers = con.sql(TOPICS).pl()
        registered = con.sql(
            "select topic from (select ai_classify(body, ['a', 'b']) as topic, id from frame) order by id"
        )
        assert answers["topic"].to_list() == registered.pl(lazy=True).collect()["topic"].to_list()
        rows = con.sql('select "rows", distinct_inputs from inlay_ledger() limit 1').pl().row(0)
    assert frame is not None and rows == (4, 2)
    assert answers["topic"].null_count() == 1 and answers.schema["vector"] == pl.List(pl.Float32)
    assert answers["topic"][0] == answers["topic"][1] and answers["topic"][0] in ("a", "b")


def test_the_default_connection_of_the_module() -> None:
    frame = FRAME
    inlay.attach(duckdb, model="fake")
    try:
        plain = duckdb.sql(TOPICS).pl()
        planned = inlay.sql(duckdb, TOPICS).pl()
        assert plain.equals(planned) and frame is FRAME
        counted = duckdb.sql("select sum(inferred), sum(known) from inlay_ledger() where function = 'ai_classify'")
        assert counted.fetchall() == [(2, 2)]
    finally:
        inlay.detach(duckdb)
    with pytest.raises(duckdb.Error, match="ai_classify"):
        duckdb.sql("select ai_classify('x', ['a'])").fetchall()


def test_cells_of_marimo() -> None:
    app = marimo.App()

    @app.cell
    def begin() -> Any:
        import duckdb
        import marimo as mo
        import polars as pl

        import inlay

        inlay.attach(duckdb, model="fake")
        own = inlay.connect(model="fake").duckdb
        frame = pl.DataFrame({"id": [1, 2, 3], "body": ["late", None, "broken"]})
        return frame, mo, own

    @app.cell
    def default(frame: Any, mo: Any) -> Any:
        topics = mo.sql("select id, ai_classify(body, ['a', 'b']) as topic from frame order by id", output=False)
        return (topics,)

    @app.cell
    def named(mo: Any, own: Any) -> Any:
        label = mo.sql("select ai_classify('late', ['a', 'b'], on_error := 'raise') as topic", output=False, engine=own)
        return (label,)

    _, names = app.run()
    inlay.detach(duckdb)
    topics, label = names["topics"], names["label"]
    assert topics["topic"][1] is None and label["topic"][0] == topics["topic"][0]
