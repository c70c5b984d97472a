"""From a relation to a page that asks for its labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from inlay.arrays import column_of
from inlay.errors import ConfigError
from inlay.execution.to_label import Proposals
from inlay.labelling.desk import Desk
from inlay.labelling.kept import CsvLabels, Kept, TableLabels
from inlay.labelling.served import LabelPage

TABLE = "labelled"
"""Where labels are kept that nobody has named a place for."""


def keep_labels(con: duckdb.DuckDBPyConnection, into: str | None, csv: str | Path | None) -> Kept:
    """Where answers go. con: of which a cursor is kept for a table."""
    if into is not None and csv is not None:
        raise ConfigError(f"label: labels are kept in one place, a table ({into}) or a CSV file ({csv}). Name one.")
    return CsvLabels(Path(csv)) if csv is not None else TableLabels(con.cursor(), into or TABLE)


def relation_of(labels: Mapping[str, str]) -> pa.Table | None:
    """What is labelled already, as inlay_to_label takes it."""
    columns = {"text": list(labels), "label": list(labels.values())}
    return pa.table({name: column_of(values, pa.string()) for name, values in columns.items()}) if labels else None


def names_of(labels: Any) -> list[str] | None:
    """Of labels as ai_classify takes them; None where they are the model's own, or not as they should be."""
    if not isinstance(labels, list | tuple):
        return None
    return [str(each.get("label") if isinstance(each, dict) else each) for each in labels]


def check_labels(labels: Mapping[str, str], names: Sequence[str], kept: Kept) -> None:
    """Raises ConfigError where labels that are kept are none of those that are asked for."""
    if foreign := sorted(set(labels.values()) - set(names)):
        raise ConfigError(
            f"label: {kept.name} has the label {foreign[0]!r}, which is none of {', '.join(names)}. Add it to the "
            "labels, or keep these in another place."
        )


def opened(
    proposals: Proposals, names: Sequence[str] | None, kept: Kept, about: str, port: int, rows: Callable[[], Any]
) -> LabelPage:
    """names: of the labels, in the order in which people see them; None for the model's own."""
    names = names or proposals.classes
    check_labels(kept.labels(), names, kept)
    kept.make()
    places = [proposals.classes.index(name) for name in names]
    desk = Desk(proposals.texts, names, proposals.shares[:, places], kept, about, proposals.n_labelled)
    return LabelPage(desk, port, rows)
