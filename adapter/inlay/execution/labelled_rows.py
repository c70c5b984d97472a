"""The labelled rows of a relation, as a head learns from them: which columns, what the labels are, which rows count."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import duckdb
import numpy as np
import pyarrow as pa

from inlay.arrays import relation_table
from inlay.errors import ConfigError
from inlay.execution.call_options import given_options
from inlay.execution.replacement_scan import with_tables
from inlay.models.head_card import Categorical, Columns, Kind, Method, Numeric
from inlay.parsing.quoting import quoted
from inlay.parsing.tokens import QUERY_WORDS, first_word
from inlay.store.inputs import text_inputs
from inlay.store.keys import Keys
from inlay.training.fits import METHODS

LEAST_ROWS = 5
"""Rows that a class must have, one for each fold."""

_NUMBER_TYPES = ("FLOAT", "DOUBLE", "DECIMAL")
_WHOLE_TYPES = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


@dataclass(frozen=True)
class Training:
    """What a call of inlay_train says. text: the columns of texts. group: a column whose rows are never on both sides
    of a fold. levels: the labels from low to high; the head is then ordinal. merge_rare: the class that too small ones
    become. names: whether the names of the classes are examples too."""

    text: tuple[str, ...]
    label: str
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    group: str | None = None
    kind: Kind | None = None
    levels: tuple[str, ...] = ()
    method: Method | None = None
    class_weight: str | None = None
    merge_rare: str | None = None
    names: bool = True
    model: str | None = None

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Training:
        """Raises ConfigError, naming the option and what is allowed."""
        given = given_options("inlay_train", given, cls.__dataclass_fields__)
        for name in ("text", "label"):
            if name not in given:
                raise ConfigError(f"inlay_train: {name} is missing. Name the column: {name} := '…'.")
        for name in ("text", "numeric", "categorical", "levels"):
            if name in given:
                given[name] = _names(name, given[name])
        _one_of("kind", given.get("kind"), get_args(Kind))
        _one_of("method", given.get("method"), get_args(Method))
        _one_of("class_weight", given.get("class_weight"), ("balanced",))
        return cls(**given)

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.text, *self.numeric, *self.categorical)


def _names(option: str, given: Any) -> tuple[str, ...]:
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list | tuple) or not listed or not all(isinstance(each, str | int) for each in listed):
        raise ConfigError(f"inlay_train: {option} is {given!r}; it must be a name or a list of names.")
    return tuple(str(each) for each in listed)


def _one_of(option: str, given: Any, allowed: Sequence[str]) -> None:
    if given is not None and given not in allowed:
        raise ConfigError(f"inlay_train: {option} is {given!r}; it must be one of {', '.join(allowed)}.")


@dataclass
class Labelled:
    """rows: of each labelled row its columns. given: as of Examples. groups: digests of what must not be torn apart.
    keys: of the inputs. written: the label of each row as text. left_out: rows without a label or a text."""

    kind: Kind
    answer: str
    classes: tuple[str, ...]
    columns: Columns
    rows: list[dict[str, Any]]
    given: Any
    groups: list[bytes]
    keys: Keys
    written: list[str]
    left_out: int
    merged: tuple[str, ...] = ()

    def take(self, places: Sequence[int]) -> Labelled:
        where = np.array(places, dtype=np.int64)
        self.rows = [self.rows[i] for i in places]
        self.groups = [self.groups[i] for i in places]
        self.written = [self.written[i] for i in places]
        self.given, self.keys = self.given[where], self.keys[where]
        return self


def read_labelled_rows(con: duckdb.DuckDBPyConnection, relation: Any, training: Training) -> Labelled:
    """relation: the name of a table, a query, or anything that DuckDB reads as a table. Raises what DuckDB says of it,
    and ConfigError for labels that nothing can be learned from."""
    table, label_type = _read(con, relation, training)
    kind, answer = _kind(training, label_type)
    rows = table.select([f"c{i}" for i in range(len(training.columns))]).rename_columns(training.columns).to_pylist()
    labels = table["label"].to_pylist()
    groups = table["grouped"].to_pylist()
    seen, kept = set(), []
    for i, (row, label) in enumerate(zip(rows, labels, strict=True)):
        if label is None or not any(row[name] and row[name].strip() for name in training.text):
            continue
        once = json.dumps([row, label], default=str)
        if once not in seen:
            seen.add(once)
            kept.append(i)
    rows, labels = [rows[i] for i in kept], [_written(labels[i]) for i in kept]
    merged: tuple[str, ...] = ()
    if kind != "regression":
        labels, merged = _merged(labels, kind, training)
    classes = _classes(labels, kind, answer, training)
    given = _given(labels, kind, classes)
    columns = _columns(training, rows)
    keys = text_inputs([row[training.text[0]] for row in rows] if columns.is_plain_text else
                       [json.dumps(row, sort_keys=True, default=str) for row in rows]).keys  # fmt: skip
    grouped = [keys[n].tobytes() if groups[i] is None else str(groups[i]).encode() for n, i in enumerate(kept)]
    written = [json.dumps(label) for label in labels]
    return Labelled(kind, answer, classes, columns, rows, given, grouped, keys, written, len(table) - len(kept), merged)


def check_classes(labelled: Labelled, training: Training) -> None:
    """Raises ConfigError where a class has too few rows, or there are too few at all."""
    counts = class_counts(labelled)
    few = [(name, n) for name, n in zip(labelled.classes, counts, strict=True) if n < LEAST_ROWS]
    if few and labelled.kind in ("single", "multi"):
        shown = ", ".join(f"{name!r} has {n}" for name, n in few[:5])
        more = f" and {len(few) - 5} more classes" if len(few) > 5 else ""
        raise ConfigError(
            f"inlay_train: a class needs {LEAST_ROWS} labelled rows that differ: {shown}{more}. Label more rows, leave "
            "these out with a WHERE, or merge them into one class by name: merge_rare := 'other'."
        )
    if len(labelled.rows) < 4 * LEAST_ROWS or (labelled.kind != "regression" and len(labelled.classes) < 2):
        raise ConfigError(
            f"inlay_train: {len(labelled.rows):,} labelled rows that differ, of {len(labelled.classes)} classes; a "
            f"head needs {4 * LEAST_ROWS} rows and two classes. {labelled.left_out:,} rows were left out: they have no "
            "label or no text, or are there twice."
        )


def class_counts(labelled: Labelled) -> tuple[int, ...]:
    if labelled.kind == "regression":
        return ()
    if labelled.kind == "multi":
        return tuple(int(n) for n in labelled.given.sum(axis=0))
    return tuple(int(n) for n in np.bincount(labelled.given, minlength=len(labelled.classes)))


def source_of(relation: Any) -> tuple[str, dict[str, Any]]:
    """What stands behind FROM for the name of a table, a query or anything that DuckDB reads as a table; and the
    variables that it names."""
    if not isinstance(relation, str):
        return "_inlay_rows", {"_inlay_rows": relation}
    return (f"({relation.strip().rstrip(';')})" if first_word(relation) in QUERY_WORDS else relation), {}


def distinct_texts(con: duckdb.DuckDBPyConnection, relation: Any, column: str) -> list[str]:
    """Of a relation, without NULL and blanks, in an order that no row has a part in."""
    source, tables = source_of(relation)
    text = f"{quoted(column)}::VARCHAR"
    sql = f"SELECT DISTINCT {text} AS t FROM {source} AS _rows WHERE trim({text}) <> ''"
    texts: list[str] = relation_table(with_tables(con, sql, tables, None))["t"].to_pylist()
    return sorted(texts, key=lambda text: text.encode("utf-8", "surrogatepass"))


def _read(con: duckdb.DuckDBPyConnection, relation: Any, training: Training) -> tuple[pa.Table, str]:
    """Columns c0, c1 …, label and grouped; and the type of the label."""
    source, tables = source_of(relation)
    types = {name: "DOUBLE" if name in training.numeric else "VARCHAR" for name in training.columns}
    selected = [f"{quoted(name)}::{types[name]} AS c{i}" for i, name in enumerate(training.columns)]
    group = "NULL" if training.group is None else quoted(training.group)
    label = quoted(training.label)
    selected += [f"{label} AS label", f"typeof({label}) AS kind", f"{group}::VARCHAR AS grouped"]
    sql = f"SELECT {', '.join(selected)} FROM {source} AS _rows"
    table = relation_table(with_tables(con, sql, tables, None))
    return table, table["kind"][0].as_py() if len(table) else "VARCHAR"


def _kind(training: Training, label_type: str) -> tuple[Kind, str]:
    """(kind, SQL type of the answers)."""
    kind = training.kind
    if kind is None:
        kind = "ordinal" if training.levels else "single"
        if label_type.endswith("[]"):
            kind = "multi"
        elif label_type.startswith(_NUMBER_TYPES) and not training.levels:
            kind = "regression"
    if training.method is not None and training.method not in METHODS[kind]:
        raise ConfigError(
            f"inlay_train: method {training.method!r} is not for a head of kind {kind!r}. Methods for it: "
            f"{', '.join(METHODS[kind])}."
        )
    if kind == "regression":
        if not label_type.startswith((*_NUMBER_TYPES, *_WHOLE_TYPES)):
            raise ConfigError(f"inlay_train: label is of type {label_type}; a regression needs numbers.")
        return kind, "DOUBLE"
    if (kind == "multi") != label_type.endswith("[]"):
        raise ConfigError(
            f"inlay_train: label is of type {label_type}, and kind is {kind!r}. A list of labels goes with kind "
            "'multi' and no other."
        )
    if kind == "multi":
        return kind, "VARCHAR[]"
    return kind, "BOOLEAN" if label_type == "BOOLEAN" else "BIGINT" if label_type in _WHOLE_TYPES else "VARCHAR"


def _written(label: Any) -> Any:
    if isinstance(label, list):
        return sorted({_written(each) for each in label if each is not None})
    if isinstance(label, bool):
        return "true" if label else "false"
    return label if isinstance(label, float) else str(label)


def _merged(labels: list[Any], kind: Kind, training: Training) -> tuple[list[Any], tuple[str, ...]]:
    """Labels with too few rows become one, where the call names it."""
    if training.merge_rare is None or kind not in ("single", "multi"):
        return labels, ()
    counts = Counter(name for label in labels for name in (label if isinstance(label, list) else [label]))
    rare = {name for name, n in counts.items() if n < LEAST_ROWS and name != training.merge_rare}
    target = training.merge_rare

    def of(name: str) -> str:
        return target if name in rare else name

    new = [sorted({of(name) for name in label}) if isinstance(label, list) else of(label) for label in labels]
    return new, tuple(sorted(rare))


def _classes(labels: list[Any], kind: Kind, answer: str, training: Training) -> tuple[str, ...]:
    """Sorted, so that answers do not depend on the order of rows; levels in the order given, else by number."""
    if kind == "regression":
        return ()
    names = {name for label in labels for name in (label if isinstance(label, list) else [label])}
    if kind != "ordinal":
        return tuple(sorted(names))
    if training.levels:
        if foreign := sorted(names - set(training.levels)):
            raise ConfigError(
                f"inlay_train: levels are {', '.join(training.levels)}, but a row has {foreign[0]!r}. Add it, or leave "
                "these rows out."
            )
        return training.levels
    if answer != "BIGINT":
        raise ConfigError("inlay_train: kind is 'ordinal', but which level is higher is unknown: levels := ['low', …].")
    return tuple(sorted(names, key=int))


def _given(labels: list[Any], kind: Kind, classes: tuple[str, ...]) -> Any:
    if kind == "regression":
        return np.array([float(label) for label in labels], dtype=np.float64)
    if kind == "multi":
        return np.array([[name in set(label) for name in classes] for label in labels], dtype=np.bool_).reshape(
            len(labels), len(classes)
        )
    places = {name: place for place, name in enumerate(classes)}
    return np.array([places[label] for label in labels], dtype=np.int64)


def _columns(training: Training, rows: list[dict[str, Any]]) -> Columns:
    numeric = []
    for name in training.numeric:
        numbers = np.array([row[name] for row in rows if row[name] is not None], dtype=np.float64)
        numbers = numbers[np.isfinite(numbers)]
        mean, deviation = (float(numbers.mean()), float(numbers.std())) if len(numbers) else (0.0, 1.0)
        numeric.append(Numeric(name, mean, deviation or 1.0))
    categorical = [
        Categorical(name, tuple(sorted({row[name] for row in rows if row[name] is not None})))
        for name in training.categorical
    ]
    return Columns(training.text, tuple(numeric), tuple(categorical))
