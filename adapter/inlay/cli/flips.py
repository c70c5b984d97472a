"""`inlay flips`: one query answered by two models, and which rows get another answer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inlay.cli import options, output
from inlay.cli.export import copy_to, form_of
from inlay.cli.sql import account, opened, split_statements, statements_of
from inlay.errors import ConfigError, InlayError, closest
from inlay.parsing.quoting import literal, quoted
from inlay.tables import Table

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_SHOWN = 20
_NUMBERS = ("FLOAT", "DOUBLE")


@click.command("flips")
@click.option("-f", "--file", type=options.FILE, help="Read the query from a file.")
@click.option("-d", "--database", default=":memory:", help="A DuckDB file, which is only read (default: in memory).")
@click.option("--key", required=True, help="The query's column that tells its rows apart.")
@click.option("--before", required=True, help="The model of today.")
@click.option("--after", required=True, help="The model that may replace it.")
@click.option(
    "--setting", type=click.Choice(["model", "language_model"]), default="model",
    help="Which setting the two models are given to (default: model).",
)  # fmt: skip
@click.option("-o", "--out", type=options.FILE, help="Write the rows that flip to a .csv, .json or .parquet file.")
@options.store
@options.config
@click.argument("query", required=False)
def flips(
    query: str | None, file: Path | None, database: str, key: str, before: str, after: str, setting: str,
    out: Path | None, store: str | None, config: Path | None,
) -> None:  # fmt: skip
    """Answer a query with two models and show which rows get another answer.

    Calls that name their model keep it. With a result store, answers that are known cost nothing.
    """
    form = form_of(None, out) if out is not None else None
    statement = _one_statement(statements_of(file) if file else query)
    given = options.given(store=store)
    import duckdb

    with duckdb.connect() as both:
        for name, model in (("before", before), ("after", after)):
            with opened(
                database, read_only=database != ":memory:", config=config, **given, **{setting: model}
            ) as answering:
                rows = _rows(answering, statement, key)
                output.note(f"{model}\n{account(answering)}".rstrip())
            both.register(f"{name}_rows", rows)
            _check_key(both, f"{name}_rows", key)
        compared, left_out = _compared(both.table("before_rows"), both.table("after_rows"), key)
        _lay_out(both, compared, key)
        _show(both, compared, left_out, before, after)
        if form is not None and out is not None:
            copy_to(both.execute, "flips", form, out)


def _one_statement(text: str | None) -> str:
    statements = split_statements(text or "")
    if len(statements) != 1:
        raise ConfigError(f"expected one query, got {len(statements)}. Give it in quotes, or in a file: -f query.sql")
    return statements[0][1]


def _rows(con: Any, statement: str, key: str) -> pa.Table:
    import duckdb

    from inlay.arrays import relation_table

    try:
        *_, parsed = con.duckdb.extract_statements(statement)  # of PIVOT, DuckDB below 2 makes two
        if parsed.type != duckdb.StatementType.SELECT:
            raise ConfigError("only a query can be answered twice; this statement is none. Give a SELECT.")
        relation = con.sql(statement)
        if key not in relation.columns:  # known before a model is asked
            raise ConfigError(f"the query has no column {key!r} for --key.{closest(key, relation.columns)}")
        return relation_table(relation)
    except duckdb.Error as error:
        raise InlayError(str(error)) from error
    finally:
        con._session.context.progress.finish()


def _check_key(con: duckdb.DuckDBPyConnection, table: str, key: str) -> None:
    name = quoted(key)
    repeated = con.execute(
        f"select {name}::varchar, count(*) from {table} group by {name} having count(*) > 1 or {name} is null limit 1"
    ).fetchone()
    if repeated:
        value = "NULL" if repeated[0] is None else repr(repeated[0])
        raise ConfigError(f"--key {key}: {value} is in {repeated[1]:,} rows. The key must tell the rows apart.")


def _compared(before: duckdb.DuckDBPyRelation, after: duckdb.DuckDBPyRelation, key: str) -> tuple[list[str], list[str]]:
    """Columns to compare, and those that are not: numbers and vectors differ between any two models."""
    columns = [name for name in before.columns if name != key]
    kinds = dict(zip(before.columns, map(str, before.types), strict=True))
    left_out = [name for name in columns if any(number in kinds[name] for number in _NUMBERS)]
    return [name for name in columns if name not in left_out and name in after.columns], left_out


def _lay_out(con: duckdb.DuckDBPyConnection, columns: list[str], key: str) -> None:
    """The table `pairs`: column, key and both answers as text; and `flips`, those that differ."""
    name = quoted(key)
    selects = [
        f"select {i} as i, {literal(column)} as column_name, {name} as key, "
        f"b.{quoted(column)}::varchar as before, a.{quoted(column)}::varchar as after "
        f"from before_rows b join after_rows a using ({name})"
        for i, column in enumerate(columns)
    ]
    if not selects:
        raise ConfigError("the query has no column to compare beside the key, numbers and vectors.")
    con.execute("create table pairs as " + " union all ".join(selects))
    con.execute(
        "create table flips as select column_name, key, before, after from pairs "
        "where before is distinct from after order by i, key"
    )


def _show(con: duckdb.DuckDBPyConnection, columns: list[str], left_out: list[str], before: str, after: str) -> None:
    summary = con.execute("""
        select
            column_name, count(*), count(*) filter (before is distinct from after),
            count(*) filter (before is null and after is not null),
            count(*) filter (before is not null and after is null)
        from pairs group by i, column_name order by i
    """).fetchall()
    rows = [
        (column, n_rows, n_flips, f"{_share(n_flips, n_rows)}", gained, lost)
        for column, n_rows, n_flips, gained, lost in summary
    ]
    titles = ("column", "rows", "flip", "share", "first answer", "answer lost")
    output.table(Table(titles, rows, (1, 2, 3, 4, 5)))
    common = con.execute(f"""
        select column_name, coalesce(before, 'NULL'), coalesce(after, 'NULL'), count(*) from flips
        group by all order by 4 desc, 1, 2, 3 limit {_SHOWN}
    """).fetchall()
    if common:
        output.line("")
        output.table(Table(("column", before, after, "rows"), common, (3,)))
    if left_out:
        output.note(f"not compared, because numbers differ between any two models: {', '.join(left_out)}")


def _share(part: int, whole: int) -> str:
    """Rounded up to a tenth of a percent, so that a flip never reads as none."""
    return f"{math.ceil(1000 * part / whole) / 10:.1f} %" if whole else ""
