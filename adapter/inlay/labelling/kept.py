"""Where the labels that people give are kept: a table of a database, or a CSV file, such as a seed of dbt.

Each answer is on disk before the next row is asked about, so a process that is killed has lost none. Both have the
columns text, label and labelled_at (in UTC), and one row for each text.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import duckdb

from inlay.errors import ConfigError, InlayError
from inlay.parsing.quoting import literal

COLUMNS = ("text", "label", "labelled_at")


class Kept(Protocol):
    """name: as people call it. source: what stands behind FROM."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str: ...

    def labels(self) -> dict[str, str]:
        """By text; none where the place is not there yet."""
        ...

    def make(self) -> None:
        """Makes the place where there is none."""
        ...

    def put(self, text: str, label: str) -> None: ...

    def remove(self, text: str) -> None: ...

    def close(self) -> None: ...


class TableLabels:
    """A table of a database."""

    def __init__(self, con: duckdb.DuckDBPyConnection, table: str) -> None:
        """con: for these labels alone; requests of one page come from several threads. Raises ConfigError for a table
        with other columns, and what DuckDB says of a name that is none."""
        self._con, self.name, self.source = con, table, table
        try:
            there = [column[0] for column in con.execute(f"FROM {table} LIMIT 0").description]
        except duckdb.CatalogException:
            self._is_there = False
            return
        self._is_there = True
        if missing := [name for name in COLUMNS if name not in there]:
            raise ConfigError(
                f"label: table {table} has no column {missing[0]!r}; labels are kept in a table with the columns "
                f"{', '.join(COLUMNS)}. Name another: it is made."
            )

    def labels(self) -> dict[str, str]:
        if not self._is_there:
            return {}
        return dict(self._con.execute(f"SELECT text, label FROM {self.source} WHERE label IS NOT NULL").fetchall())

    def make(self) -> None:
        columns = "text VARCHAR NOT NULL, label VARCHAR NOT NULL, labelled_at TIMESTAMP"
        self._con.execute(f"CREATE TABLE IF NOT EXISTS {self.source} ({columns})")
        self._is_there = True

    def put(self, text: str, label: str) -> None:
        update = f"UPDATE {self.source} SET label = ?, labelled_at = ? WHERE text = ?"
        changed = self._con.execute(update, [label, _now(), text]).fetchall()
        if not changed[0][0]:
            self._con.execute(
                f"INSERT INTO {self.source} (text, label, labelled_at) VALUES (?, ?, ?)", [text, label, _now()]
            )

    def remove(self, text: str) -> None:
        self._con.execute(f"DELETE FROM {self.source} WHERE text = ?", [text])

    def close(self) -> None:
        self._con.close()


class CsvLabels:
    """A CSV file with a title line. Other columns than ours stay as they are."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError for a file without the columns text and label, and InlayError for one that cannot be
        read."""
        self._path, self.name = path, str(path)
        self.source = literal(self.name)
        try:
            self._titles, _ = self._read()
        except OSError as error:
            raise InlayError(f"{path} cannot be read: {error.strerror}.") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise InlayError(f"{path} is no CSV file in UTF-8: {error}.") from error
        if missing := [name for name in COLUMNS[:2] if name not in self._titles]:
            raise ConfigError(
                f"label: {path} has no column {missing[0]!r}; its first line must name text and label. Name another "
                "file: it is made."
            )

    def labels(self) -> dict[str, str]:
        text, label = map(self._titles.index, COLUMNS[:2])
        return {row[text]: row[label] for row in self._read()[1] if len(row) > max(text, label) and row[label]}

    def make(self) -> None:
        """Raises InlayError where it cannot be written."""
        try:
            if not self._path.exists() or not self._path.stat().st_size:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._append(self._titles)
            self._mend()
        except OSError as error:
            raise InlayError(f"{self._path} cannot be written: {error.strerror}.") from error

    def put(self, text: str, label: str) -> None:
        given = {"text": text, "label": label, "labelled_at": _now().isoformat(sep=" ")}
        row = [given.get(title, "") for title in self._titles]
        if text in self.labels():
            self._write([*self._without(text), row])
        else:
            self._append(row)

    def remove(self, text: str) -> None:
        self._write(self._without(text))

    def close(self) -> None:
        pass

    def _without(self, text: str) -> list[list[str]]:
        place = self._titles.index("text")
        return [row for row in self._read()[1] if len(row) <= place or row[place] != text]

    def _read(self) -> tuple[list[str], list[list[str]]]:
        if not self._path.exists():
            return list(COLUMNS), []
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            titles, *rows = [row for row in csv.reader(file) if row] or [list(COLUMNS)]
        return titles, rows

    def _mend(self) -> None:
        """A last line without an end is whole, or what a crash left of one."""
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            ended = file.read() == b"\n"
        if not ended:
            _, rows = self._read()
            self._write([row for row in rows if row is not rows[-1] or len(row) >= len(self._titles)])

    def _append(self, row: Sequence[str]) -> None:
        with self._path.open("ab") as file:
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())

    def _write(self, rows: Sequence[Sequence[str]]) -> None:
        """The whole file anew, in the place of the other at once."""
        new = self._path.with_name(f".{self._path.name}.new")
        with new.open("wb") as file:
            file.write(b"".join(map(_line, [self._titles, *rows])))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def _line(row: Sequence[str]) -> bytes:
    made = io.StringIO()
    csv.writer(made, lineterminator="\n").writerow(row)
    return made.getvalue().encode("utf-8", "surrogatepass")


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
