"""CALL inlay_train(…) and other statements about labelled rows on planned connections; inlay.train_head(),
freeze_labels(), calibrate(), mislabelled() and to_label() in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from inlay.errors import ConfigError
from inlay.execution.calibrating import FUNCTION as CALIBRATE
from inlay.execution.calibrating import Calibrating, calibrate
from inlay.execution.label_sets import FUNCTION as LABELS
from inlay.execution.label_sets import LabelSet, freeze_labels
from inlay.execution.labelled_rows import Training
from inlay.execution.mislabelled import FUNCTION as MISLABELLED
from inlay.execution.mislabelled import mislabelled
from inlay.execution.replacement_scan import with_tables
from inlay.execution.session import Session
from inlay.execution.surroundings import surroundings
from inlay.execution.to_label import FUNCTION as TO_LABEL
from inlay.execution.to_label import Proposals, ToLabel, to_label
from inlay.execution.training import FUNCTION, Outcome, train_head
from inlay.functions.spec import FunctionSpec
from inlay.parsing.tokens import Text, closing, first_word, split

_SHOWN = ("accuracy", "macro_f1", "calibration_error", "answered_at_95", "r2", "mean_error")

_WAYS: Mapping[str, tuple[Callable[..., Outcome], Callable[[Mapping[str, Any]], Any]]] = {
    FUNCTION: (train_head, Training.read),
    LABELS: (freeze_labels, LabelSet.read),
    CALIBRATE: (calibrate, Calibrating.read),
}
"""What makes a head, and how what is said of it is read."""


def training_arguments(session: Session, sql: str) -> tuple[str, dict[str, str]] | None:
    """Of CALL inlay_train(…), or another of the statements that train, which of them, and the SQL of each argument by
    name; None for any other statement. Raises ConfigError for arguments that it does not take."""
    if first_word(sql) != "call":
        return None
    text = Text.of(sql)
    words = text.words
    bracket = next((i for i, word in enumerate(words) if word.text == "("), 0)
    name = words[bracket - 1].text.strip('"').lower() if bracket > 1 else ""
    function = next(
        (each for each in (*_WAYS, *_RELATIONS) if name == f"{session.settings.prefix}{each}".lower()), None
    )
    if function is None:
        return None
    spec = session.specs[function]
    inside = words[bracket + 1 : closing(words, bracket)]
    positional = [argument.name for argument in (*spec.args, *spec.options)]
    given: dict[str, str] = {}
    for place, (first, last) in enumerate(split(inside)):
        part = inside[first:last]
        if not part:
            continue
        if len(part) > 2 and part[1].text in (":=", "=>"):
            key, value = part[0].text.strip('"').lower(), text[part[2].start : part[-1].end]
        elif place < len(positional):
            key, value = positional[place], text[part[0].start : part[-1].end]
        else:
            raise ConfigError(f"{function} takes {len(positional)} arguments; there are more.")
        if key not in positional:
            raise ConfigError.unknown_option(function, key, positional, "argument")
        given[key] = value
    _complete(spec, given)
    return function, given


def _complete(spec: FunctionSpec, given: Mapping[str, Any]) -> None:
    for argument in spec.args:
        if given.get(argument.name) is None:
            raise ConfigError(f"{spec.name}: {argument.name} is missing. Type: {spec.example}")


def call_training(
    session: Session, con: duckdb.DuckDBPyConnection, function: str, arguments: Mapping[str, str], parameters: Any,
    method: str, options: Mapping[str, Any],
) -> Any:  # fmt: skip
    """Trains, and gives what con.execute() or con.sql() gives: one row about the head, or the rows of a
    relation."""
    selected = ", ".join(f"{value} AS {name}" for name, value in arguments.items())
    values = with_tables(con, f"SELECT {selected}", {}, parameters, "execute", {}).fetchall()[0]
    given = dict(zip(arguments, values, strict=True))
    _complete(session.specs[function], given)
    if function in _RELATIONS:
        rows = _RELATIONS[function](session, con, given.pop("relation"), given)
        return with_tables(con, "FROM _inlay_rows", {"_inlay_rows": rows}, None, method, dict(options))
    name, relation = given.pop("name"), given.pop("relation")
    outcome = made(session, con, function, name, relation, given)
    card = outcome.card
    numbers = {name: card.measures.get(name) for name in _SHOWN}
    row = {
        "head": card.name, "version": card.version, "kind": card.kind, "method": card.method, "rows": card.rows,
        "classes": len(card.classes), **numbers, "is_new": outcome.is_new,
    }  # fmt: skip
    types = {"rows": "BIGINT", "classes": "INTEGER", "is_new": "BOOLEAN"} | dict.fromkeys(_SHOWN, "DOUBLE")
    columns = ", ".join(f'${name}::{types.get(name, "VARCHAR")} AS "{name}"' for name in row)
    return with_tables(con, f"SELECT {columns}", {}, row, method, dict(options))


def suspects_of(session: Session, con: duckdb.DuckDBPyConnection, relation: Any, given: Mapping[str, Any]) -> pa.Table:
    """The rows whose label is probably wrong."""
    try:
        training = Training.read(given)
    except ConfigError as error:
        raise ConfigError(str(error).replace(FUNCTION, MISLABELLED)) from None
    around = surroundings(con)
    return mislabelled(session, con, relation, training, session.context_of(around.connection), around.node or "")


def proposals_of(
    session: Session, con: duckdb.DuckDBPyConnection, relation: Any, given: Mapping[str, Any]
) -> Proposals:
    """The rows most worth labelling."""
    said, around = ToLabel.read(given), surroundings(con)
    return to_label(session, con, relation, said, session.context_of(around.connection), around.node or "")


_RELATIONS: Mapping[str, Callable[[Session, duckdb.DuckDBPyConnection, Any, Mapping[str, Any]], pa.Table]] = {
    MISLABELLED: suspects_of,
    TO_LABEL: lambda session, con, relation, given: proposals_of(session, con, relation, given).table(),
}
"""What gives rows and makes nothing."""


def rows_of(
    session: Session, con: duckdb.DuckDBPyConnection, function: str, relation: Any, given: Mapping[str, Any]
) -> pa.Table:
    """What a statement that makes nothing gives."""
    return _RELATIONS[function](session, con, relation, given)


def made(
    session: Session, con: duckdb.DuckDBPyConnection, function: str, name: Any, relation: Any, given: Mapping[str, Any]
) -> Outcome:
    """A head, a label set or a calibration: made now, or before from the same rows."""
    make, read = _WAYS[function]
    said = read(given)
    around = surroundings(con)
    context = session.context_of(around.connection)
    return make(session, con, name, relation, said, context, around.node or "")
