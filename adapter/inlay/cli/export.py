"""Rows as CSV, JSON and Parquet, by DuckDB's own writers, to a file or to standard output."""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from inlay.errors import ConfigError, InlayError
from inlay.parsing.quoting import literal, quoted

Form = Literal["box", "csv", "json", "parquet"]

_SUFFIXES: dict[str, Form] = {
    ".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"
}  # fmt: skip
_OPTIONS = {"csv": "FORMAT csv, HEADER", "json": "FORMAT json", "parquet": "FORMAT parquet"}

_NO_NUMBER = re.compile(r'("(?:[^"\\]|\\.)*")|-?(?:NaN|Infinity)')
"""DuckDB writes these numbers as they are, which no reader of JSON takes. A text may hold them."""


def form_of(form: Form | None, file: Path | None) -> Form:
    """Which form rows are written in: the one that was given, or that of the file's name."""
    if file is None:
        if form == "parquet":
            raise ConfigError("parquet is not printed. Name a file: -o rows.parquet")
        return form or "box"
    named = form or _SUFFIXES.get(file.suffix.lower())
    if named is None or named == "box":
        raise ConfigError(
            f"{file} says no form. Call it .csv, .json or .parquet, or give --format csv, --format json, "
            "--format parquet."
        )
    return named


def write(con: Any, relation: Any, form: Form, file: Path | None) -> None:
    """Writes all rows of a relation. Raises InlayError for a file that cannot be written."""
    if form == "parquet":
        assert file is not None
        _copy(con, relation, form, file)
        return
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder, "rows")
        _copy(con, relation, form, copied)
        con._session.context.progress.finish()
        with copied.open(encoding="utf-8", newline="") as lines, _opened(file) as target:
            for line in lines:
                target.write(_NO_NUMBER.sub(lambda found: found[1] or "null", line) if form == "json" else line)


@contextlib.contextmanager
def _opened(file: Path | None) -> Any:
    if file is None:
        yield sys.stdout
        return
    try:
        with file.open("w", encoding="utf-8", newline="") as target:
            yield target
    except OSError as error:
        raise _not_written(file, error.strerror) from error


def _copy(con: Any, relation: Any, form: str, file: Path) -> None:
    _inlay_rows = relation.answered()
    if form == "csv":  # which has no lists and structs: they are written as JSON
        names = zip(_inlay_rows.columns, _inlay_rows.types, strict=True)
        columns = ", ".join(_as_text(name, kind) for name, kind in names)
        _inlay_rows = _inlay_rows.project(columns)
    copy_to(lambda sql: con._call(con.duckdb.execute, sql), "(FROM _inlay_rows)", form, file)


def copy_to(run: Callable[[str], object], source: str, form: str, file: Path) -> None:
    """Has DuckDB write rows to a file. source: a table or a query in parentheses, as SQL."""
    import duckdb

    try:
        run(f"COPY {source} TO {literal(str(file))} ({_OPTIONS[form]})")
    except duckdb.IOException as error:
        raise _not_written(file, str(error)) from error


def _as_text(name: str, kind: Any) -> str:
    column = quoted(name)
    nested = kind.id in ("list", "struct", "array", "map", "union")
    return f"to_json({column})::VARCHAR AS {column}" if nested else column


def _not_written(file: Path, reason: str | None) -> InlayError:
    return InlayError(f"{file} cannot be written: {reason}.")
