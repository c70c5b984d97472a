"""CALL inlay_train(…) and inlay_labels(…) on planned connections, inlay.train_head() and freeze_labels() in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import duckdb

from inlay.errors import ConfigError
from inlay.execution.label_sets import FUNCTION as LABELS
from inlay.execution.label_sets import LabelSet, freeze_labels
from inlay.execution.labelled_rows import Training
from inlay.execution.replacement_scan import with_tables
from inlay.execution.session import Session
from inlay.execution.surroundings import surroundings
from inlay.execution.training import FUNCTION, Outcome, train_head
from inlay.functions.spec import FunctionSpec
from inlay.parsing.tokens import Text, closing, first_word, split

if TYPE_CHECKING:
    from inlay.models.head_card import HeadCard

_SHOWN = ("accuracy", "macro_f1", "calibration_error", "r2", "mean_error")


def training_arguments(session: Session, sql: str) -> tuple[str, dict[str, str]] | None:
    """Of CALL inlay_train(…) or inlay_labels(…) which of them, and the SQL of each argument by name; None for any other
    statement. Raises ConfigError for arguments that it does not take."""
    if first_word(sql) != "call":
        return None
    text = Text.of(sql)
    words = text.words
    bracket = next((i for i, word in enumerate(words) if word.text == "("), 0)
    name = words[bracket - 1].text.strip('"').lower() if bracket > 1 else ""
    function = next((each for each in (FUNCTION, LABELS) if name == f"{session.settings.prefix}{each}".lower()), None)
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
    """Trains, and gives what con.execute() or con.sql() gives: one row about the head."""
    selected = ", ".join(f"{value} AS {name}" for name, value in arguments.items())
    values = with_tables(con, f"SELECT {selected}", {}, parameters, "execute", {}).fetchall()[0]
    given = dict(zip(arguments, values, strict=True))
    _complete(session.specs[function], given)
    name, relation = given.pop("name"), given.pop("relation")
    said = Training.read(given) if function == FUNCTION else LabelSet.read(given)
    outcome = _made(train_head if function == FUNCTION else freeze_labels, session, con, name, relation, said)
    card = outcome.card
    numbers = {name: card.measures.get(name) for name in _SHOWN}
    row = {
        "head": card.name, "version": card.version, "kind": card.kind, "method": card.method, "rows": card.rows,
        "classes": len(card.classes), **numbers, "is_new": outcome.is_new,
    }  # fmt: skip
    types = {"rows": "BIGINT", "classes": "INTEGER", "is_new": "BOOLEAN"} | dict.fromkeys(_SHOWN, "DOUBLE")
    columns = ", ".join(f'${name}::{types.get(name, "VARCHAR")} AS "{name}"' for name in row)
    return with_tables(con, f"SELECT {columns}", {}, row, method, dict(options))


def _made(
    make: Callable[..., Outcome], session: Session, con: duckdb.DuckDBPyConnection, name: Any, relation: Any, said: Any
) -> Outcome:
    around = surroundings(con)
    context = session.context_of(around.connection)
    return make(session, con, name, relation, said, context, around.node or "")


def freeze(session: Session, con: duckdb.DuckDBPyConnection, name: str, relation: Any, options: Any) -> HeadCard:
    """The card of labels that moved now, or before towards the same texts."""
    return _made(freeze_labels, session, con, name, relation, LabelSet.read(options)).card


def train(session: Session, con: duckdb.DuckDBPyConnection, name: str, relation: Any, options: Any) -> HeadCard:
    """The card of a head that was trained now, or before from the same rows."""
    return _made(train_head, session, con, name, relation, Training.read(options)).card
