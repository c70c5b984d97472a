"""What a trained head is: a card in JSON beside its arrays, in a folder for each version.

    heads/intents/current.json          {"version": "3f2a9c01b7de"}
    heads/intents/3f2a9c01b7de/card.json
    heads/intents/3f2a9c01b7de/arrays.npz

Contract: a version never changes once it is there. Its name is the beginning of its fingerprint, which is the SHA-256
of everything that can change an answer: the arrays, the classes, the columns and the model whose vectors are read. The
arrays are read without pickle, and only where their digest is the card's.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from inlay.errors import ConfigError, ModelError, ModelNotFoundError, closest
from inlay.models.model_folder import read_json

Kind = Literal["single", "multi", "ordinal", "regression"]
"""One class a row, any number of classes, one of several levels that have an order, a number."""

Method = Literal["logistic", "centroid", "knn", "ridge", "judgement"]
"""The last is no head: the calibration of a function that judges without labelled rows, see Judges."""

FORM = "head/1"
CARD, ARRAYS, CURRENT = "card.json", "arrays.npz", "current.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True)
class Numeric:
    """A column of numbers: what it is moved and divided by."""

    name: str
    mean: float
    deviation: float


@dataclass(frozen=True)
class Categorical:
    """A column of few values, those that it had among the labelled rows."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Columns:
    """What a head reads of a row: texts by their vectors, then numbers, then values. A head of one text and nothing
    else reads the text itself; any other reads a row as JSON."""

    texts: tuple[str, ...]
    numeric: tuple[Numeric, ...] = ()
    categorical: tuple[Categorical, ...] = ()

    @property
    def is_plain_text(self) -> bool:
        return len(self.texts) == 1 and not self.numeric and not self.categorical


@dataclass(frozen=True)
class Judges:
    """What a calibration is of. question: signature of the call, without its accuracy. call: it as it was written.
    statement: the one that was judged, where rows may have others."""

    function: str
    question: str
    call: str
    statement: str | None = None


@dataclass(frozen=True)
class HeadCard:
    """classes: in the order of the head's numbers; of an ordinal head from low to high. rows_per_class: of the labelled
    rows. answer: SQL type of what it answers. base: name of the embedding model, and its fingerprint. arrays: SHA-256
    of their file. learned_from: digest of the labelled rows and of how to learn from them. measures: on held-out folds,
    see training/measures.py. confusion: (label given, answer, rows), most frequent first, without right ones."""

    name: str
    kind: Kind
    method: Method
    answer: str
    classes: tuple[str, ...]
    columns: Columns
    base: str
    base_fingerprint: str
    arrays: str
    fingerprint: str
    learned_from: str
    temperature: float = 1.0
    strength: float = 0.0
    rows: int = 0
    left_out: int = 0
    folds: int = 0
    rows_per_class: tuple[int, ...] = ()
    merged: tuple[str, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    confusion: tuple[tuple[str, str, int], ...] = ()
    trained_at: str = ""
    trained_by: str = ""
    judges: Judges | None = None

    @property
    def version(self) -> str:
        return self.fingerprint[:12]

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{name}</th><td>{value:.4g}</td></tr>" for name, value in self.measures.items())
        return f"<table><caption>head:{self.name}@{self.version}, {self.rows:,} rows</caption>{rows}</table>"


def check_name(name: Any) -> str:
    """Raises ConfigError for what is no name of a head."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for a head. It becomes a folder: letters, digits, _, - and ., such as 'intents'."
        )
    return name


def read_card(heads: Path, reference: str) -> HeadCard:
    """The card of a head. reference: its name, perhaps with @ and a version; without one the current version is meant.
    Raises ModelNotFoundError, or ModelError for a card that cannot be read."""
    name, _, version = reference.partition("@")
    folder = heads / check_name(name)
    if not version:
        if not (folder / CURRENT).is_file():
            raise _not_found(heads, name)
        version = str(read_json(folder / CURRENT, dict).get("version"))
    check_name(version)  # no other folder
    path = folder / version / CARD
    try:
        written = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        known = sorted(each.parent.name for each in folder.glob(f"*/{CARD}"))
        raise ModelNotFoundError(
            f"head {name!r} has no version {version!r} in {folder}. Known: {', '.join(known) or 'none'}."
        ) from None
    return _card(path, written.st_mtime_ns, written.st_size)


def all_cards(heads: Path) -> list[HeadCard]:
    """The current card of every head."""
    return [read_card(heads, path.parent.name) for path in sorted(heads.glob(f"*/{CURRENT}"))]


def judgements(heads: Path) -> list[HeadCard]:
    """The current card of every calibration."""
    return [card for card in all_cards(heads) if card.judges is not None]


def arrays_file(heads: Path, card: HeadCard) -> Path:
    return heads / card.name / card.version / ARRAYS


def write_head(heads: Path, card: HeadCard, arrays: bytes) -> None:
    """Puts a version into its folder and makes it the current one. Raises OSError."""
    folder = heads / card.name / card.version
    if not (folder / CARD).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            (new / ARRAYS).write_bytes(arrays)
            (new / CARD).write_text(
                json.dumps({"form": FORM, **dataclasses.asdict(card)}, indent=1, ensure_ascii=False), "utf-8"
            )
            if not folder.exists():  # another process may have been as far
                new.rename(folder)
    current = folder.parent / f".current.{os.getpid()}"
    current.write_text(json.dumps({"version": card.version}))
    current.replace(folder.parent / CURRENT)


def _not_found(heads: Path, name: str) -> ModelNotFoundError:
    known = sorted(path.parent.name for path in heads.glob(f"*/{CURRENT}"))
    return ModelNotFoundError(
        f"no head named {name!r} in {heads.absolute()}. Known: {', '.join(known) or 'none'}.{closest(name, known)} "
        f"Train it: CALL inlay_train('{name}', 'labelled_rows', text := 'body', label := 'topic'), or say where it is: "
        "heads = '…' in inlay.toml."
    )


@lru_cache(maxsize=64)
def _card(path: Path, written_at_ns: int, n_bytes: int) -> HeadCard:
    """Read once for as long as the file stays as it was: a call means the same version for each of its chunks."""
    read = read_json(path, dict)
    try:
        if read.pop("form") != FORM or read["kind"] not in get_args(Kind) or read["method"] not in get_args(Method):
            raise ValueError("it is of another form")
        columns = read.pop("columns")
        numeric = tuple(Numeric(**each) for each in columns["numeric"])
        categorical = tuple(Categorical(each["name"], tuple(each["values"])) for each in columns["categorical"])
        named: dict[str, Any] = {key: tuple(read.pop(key)) for key in ("classes", "rows_per_class", "merged")}
        confusion = tuple((str(given), str(answer), int(n)) for given, answer, n in read.pop("confusion"))
        judges = read.pop("judges", None)
        return HeadCard(
            columns=Columns(tuple(columns["texts"]), numeric, categorical), confusion=confusion,
            judges=None if judges is None else Judges(**judges), **named, **read,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is no card of a head that this version reads: {error}. Train it again.") from error
