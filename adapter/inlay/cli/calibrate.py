"""`inlay calibrate`: a judging call calibrated from labelled rows."""

from __future__ import annotations

from pathlib import Path

import click

from inlay.cli import options, output
from inlay.cli.sql import duckdb_message, opened
from inlay.errors import InlayError


@click.command("calibrate")
@click.option("-d", "--database", default=":memory:", help="A DuckDB file, which is only read (default: in memory).")
@click.option("--rows", required=True, help="The labelled rows: a table, a file such as rows.csv, or a query.")
@click.option("--label", required=True, help="The column of the right answers.")
@click.option("--group", help="A column whose rows belong together, such as one of a customer.")
@options.store
@options.config
@options.model
@click.argument("name")
@click.argument("call")
def calibrate(
    name: str, call: str, database: str, rows: str, label: str, group: str | None, store: str | None,
    config: Path | None, model: str | None,
) -> None:  # fmt: skip
    """Calibrate a judging call by labelled rows, so that it takes an accuracy.

    NAME is what it is kept under, CALL the call as it is written in SQL: "ai_classify(body, ['bug', 'praise'])".
    """
    import duckdb

    from inlay.client.api import calibrate as calibrate_call

    given = options.given(model=model, store=store)
    with opened(database, read_only=database != ":memory:", config=config, **given) as con:
        relation = f"FROM '{rows}'" if Path(rows).is_file() else rows
        try:
            card = calibrate_call(con, name, relation, call=call, label=label, group=group)
        except duckdb.Error as error:
            raise InlayError(duckdb_message(error)) from error
        finally:
            con._session.context.progress.finish()
    measures = card.measures
    before = measures.get("calibration_error_before")
    off = "" if before is None else f" ({before:.3f} before)"
    output.line(
        f"{card.name}@{card.version}: {card.rows:,} labelled rows, {measures['accuracy']:.1%} of the answers right, "
        f"calibration error {measures['calibration_error']:.3f}{off}"
    )
    share = measures["answered_at_95"]
    if share:
        output.line(f"accuracy := 0.95 answers {share:.1%} of such rows.")
    else:
        output.line("accuracy := 0.95 is more than these rows show. How much they do: FROM inlay_risk()")
