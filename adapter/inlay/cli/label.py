"""`inlay label`: a page that asks people for the labels of the rows that are most worth one."""

from __future__ import annotations

import csv as csv_files
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inlay.cli import options, output
from inlay.cli.sql import duckdb_message, opened
from inlay.errors import ConfigError, InlayError

if TYPE_CHECKING:
    from inlay.labelling.served import LabelPage


@click.command("label")
@click.argument("relation")
@click.argument("text")
@click.option("--labels", help="What to choose from: a,b,c. May be left out with a model that has labels of its own.")
@click.option("-d", "--database", default=":memory:", help="A DuckDB file (default: in memory).")
@click.option("--into", metavar="TABLE", help="Keep the labels in a table of the file; it is made.")
@click.option("--csv", type=options.FILE, help="Keep the labels in a CSV file, such as a seed; it is made.")
@click.option("--n", type=click.IntRange(1), default=50, help="How many rows to ask about (default: 50).")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Of the page (default: one that is free).")
@click.option("--no-open", is_flag=True, help="Open no browser; print the address alone.")
@options.store
@options.config
@options.model
def label(
    relation: str, text: str, labels: str | None, database: str, into: str | None, csv: Path | None, n: int, port: int,
    no_open: bool, store: str | None, config: Path | None, model: str | None,
) -> None:  # fmt: skip
    """Label the rows that are most worth it, in a page on this machine.

    RELATION is a table, a file such as rows.csv, or a query; TEXT its column. Each answer is kept at once; texts that
    have one are not asked about again. Ctrl-C ends.
    """
    import duckdb

    _check_place(database, into, csv)
    names = next(csv_files.reader([labels], skipinitialspace=True)) if labels else None
    given = options.given(model=model, store=store)
    with opened(database, read_only=csv is not None and database != ":memory:", config=config, **given) as con:
        try:
            page = _page(con, relation, text=text, labels=names, into=into, csv=csv, n=n, model=model, port=port)
        except duckdb.Error as error:
            raise InlayError(duckdb_message(error)) from error
        finally:
            con._session.context.progress.finish()
        if csv is not None:
            con.close()  # nobody else has to wait for the file meanwhile
        _wait(page, opens=not no_open)


def _check_place(database: str, into: str | None, csv: Path | None) -> None:
    if into is None and csv is None:
        raise ConfigError(
            "label: say where the labels are kept: --csv seeds/labelled.csv, or --into labelled for a table of the "
            "database."
        )
    if into is not None and csv is None and database == ":memory:":
        raise ConfigError(f"label: table {into} would be in memory alone. Name a file: --database shop.duckdb")
    if ":" not in database and not Path(database).exists():  # DuckDB would make it
        raise ConfigError(f"label: there is no file {database}.")


def _page(con: Any, relation: str, **given: Any) -> LabelPage:
    from inlay.client.api import label as label_rows

    return label_rows(con, f"FROM '{relation}'" if Path(relation).is_file() else relation, **given)


def _wait(page: LabelPage, *, opens: bool) -> None:
    output.line(page.address)
    output.note(f"{page.desk.summary}. Ctrl-C ends.")
    try:
        if opens:
            webbrowser.open(page.address)
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        page.close()
        output.sentence(f"{page.desk.summary}. Then: {page.desk.advice}")
