"""How a setting is declared: a field of a dataclass, annotated with its type, its bounds and what it means.

    concurrency: Annotated[int | None, Range(min=1), Doc("requests under way at once", unset="32")] = None

Everything else follows from the annotation: the check, the environment variable, docs/settings.md and the JSON Schema.
Annotations are read as objects, so a file of declarations does without `from __future__ import annotations`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from inlay.settings.check import (
    Declaration,
    Entry,
    Flag,
    Hidden,
    Kind,
    ListOf,
    Matches,
    Number,
    OneOf,
    Range,
    Table,
    Text,
)


class Doc:
    """What a key means, in one line. unset: what holds where it is left out, if its default does not say."""

    def __init__(self, text: str, unset: str = "") -> None:
        self.text, self.unset = text, unset


class Short:
    """The key of a table that is meant where a text stands for the table."""

    def __init__(self, key: str) -> None:
        self.key = key


def entry_of(declared: type, *, short: str | None = None) -> Entry:
    """The keys that a dataclass declares: its fields that have a Doc."""
    keys = {}
    for field in fields(declared):
        notes = {type(note): note for note in getattr(field.type, "__metadata__", ())}
        if Doc in notes:
            default = None if field.default is MISSING else field.default
            keys[field.name] = Declaration(kind_of(field.type), notes[Doc].text, default, notes[Doc].unset)
    return Entry(keys, short=short)


def kind_of(annotation: Any, notes: Mapping[type, Any] | None = None) -> Kind:
    """The kind of value that an annotation declares. None is no value: it means that a key was left out."""
    notes = notes or {}
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_of(arguments[0], {**{type(note): note for note in arguments[1:]}, **notes})
    if origin is Literal:
        return OneOf(arguments)
    if NoneType in arguments:
        return kind_of(next(argument for argument in arguments if argument is not NoneType), notes)
    if origin is not None:
        return _several(origin, arguments)
    if is_dataclass(annotation):
        short = notes.get(Short)
        return entry_of(annotation, short=short.key if short else None)  # type: ignore[arg-type]
    return _single(annotation, notes)


def _several(origin: Any, arguments: tuple[Any, ...]) -> Kind:
    if origin is not tuple:
        return Table(kind_of(arguments[1]))
    item = arguments[0]
    return Table(kind_of(get_args(item)[1]), as_pairs=True) if get_origin(item) is tuple else ListOf(kind_of(item))


def _single(annotation: Any, notes: Mapping[type, Any]) -> Kind:
    if annotation is bool:
        return Flag()
    if annotation in (int, float):
        return Number(notes.get(Range, Range()), whole=annotation is int)
    if annotation is Any:
        return Kind()
    return Text(notes.get(Matches), notes.get(Hidden))
