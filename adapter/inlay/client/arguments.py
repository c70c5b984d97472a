"""From what DuckDB hands to an Arrow function to a question for the session: row values, labels, options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from inlay.arrays import column_of, joined
from inlay.client.named_rows import with_texts_of_rows
from inlay.engine import signals
from inlay.errors import ConfigError
from inlay.execution.session import Session
from inlay.functions.spec import Argument, FunctionSpec, named_options
from inlay.parsing.named_columns import FUNCTIONS
from inlay.parsing.twins import DATABASE
from inlay.store.codecs import TEXT, codec_of


def answer_call(
    session: Session, spec: FunctionSpec, name: str, args: Sequence[pa.ChunkedArray], detail: bool
) -> pa.Array:
    """The answers to one chunk of rows, as DuckDB hands it to an Arrow function.

    args: the row values, then labels where the function takes them, then perhaps a struct or map of options. Labels
    and options may differ from row to row; rows that have the same are answered together.
    """
    arrays = [_plain(joined(arg)) for arg in args]
    positional, options = _split_arguments(spec, name, arrays)
    if spec.name in FUNCTIONS:
        positional = with_texts_of_rows(spec, positional)
    columns, labels = [], None
    for argument, array in zip(spec.args, positional, strict=False):
        if argument.is_setting:
            labels = array
        else:
            columns.append(_values(name, argument, array))
    settings = [array for array in (labels, options) if array is not None]

    def answers(rows: pa.Array | None) -> pa.Array:
        first = 0 if rows is None else rows[0].as_py()
        own_options = named_options(spec, None if options is None else options[first].as_py())
        connection, statement = own_options.pop("connection", None), own_options.get("statement")
        with signals.inside(connection, None if statement is None else (session.number, statement)):
            return session.answer(
                spec.name,
                columns if rows is None else [column.take(rows) for column in columns],
                None if labels is None else labels[first].as_py(),
                own_options,
                statement=statement,
                detail=detail,
                connection=connection,
            )

    groups = _rows_of_equal_settings(settings, len(arrays[0]))
    if groups is None:
        return answers(None)
    places = pc.sort_indices(pa.concat_arrays(groups))
    return pa.concat_arrays([answers(rows) for rows in groups]).take(places)


def _split_arguments(spec: FunctionSpec, name: str, arrays: list[pa.Array]) -> tuple[list[pa.Array], pa.Array | None]:
    """Arguments, and the struct or map of options if one stands last."""
    options = None
    required = sum(argument.default is None for argument in spec.args)
    if len(arrays) > required and (pa.types.is_struct(arrays[-1].type) or pa.types.is_map(arrays[-1].type)):
        *arrays, options = arrays
    names = [argument.name for argument in spec.args]
    if not required <= len(arrays) <= len(names):
        wants = ", ".join(names)
        example = spec.options[0].name if spec.options else "model"
        raise ConfigError(
            f"{name} takes {wants}; it got {len(arrays)} arguments. Through this cursor DuckDB drops the names of "
            f"options: write {DATABASE}.{name}({wants}, {example} := …), or give them last as a struct: "
            f"{name}({wants}, {{'{example}': …}})."
        )
    return arrays, options


def _rows_of_equal_settings(settings: list[pa.Array], n_rows: int) -> list[pa.Array] | None:
    """Row numbers of each group; None when every row has the same labels and options, which is nearly always."""
    if n_rows <= 1 or all(_is_constant(array) for array in settings):
        return None
    groups: dict[str, list[int]] = {}
    for row, values in enumerate(zip(*(array.to_pylist() for array in settings), strict=True)):
        groups.setdefault(repr(values), []).append(row)
    return [pa.array(rows) for rows in groups.values()]


def _is_constant(array: pa.Array) -> bool:
    if pa.types.is_null(array.type) or len(array) <= 1:
        return True
    return bool(array.slice(1).equals(array.slice(0, len(array) - 1)))


def _values(name: str, argument: Argument, array: pa.Array) -> pa.Array:
    """As the argument's codec holds them. NULL stays NULL; as texts, numbers and dates read as DuckDB writes them, and
    a row of a table, or any other STRUCT, as JSON with its fields' names."""
    codec, kind = codec_of(argument.type), array.type
    if kind == codec.arrow:
        return array
    if pa.types.is_null(kind):
        return pa.nulls(len(array), codec.arrow)
    if codec is TEXT and pa.types.is_struct(kind):
        return row_texts(array)
    is_other = pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    if is_other if codec is TEXT else pa.types.is_string(kind):
        raise _wrong_type(name, argument, kind)
    try:
        return pc.cast(array, codec.arrow)
    except pa.ArrowException as error:
        raise _wrong_type(name, argument, kind) from error


def row_texts(rows: pa.StructArray) -> pa.Array:
    """As to_json() of DuckDB's writes them: of the types that JSON has not, the text."""

    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return float(value)
        return value.hex() if isinstance(value, bytes) else str(value)

    write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=plain).encode
    return column_of([None if row is None else write(row) for row in rows.to_pylist()], pa.string())


def _wrong_type(name: str, argument: Argument, kind: pa.DataType) -> ConfigError:
    return ConfigError(
        f"{name}: {argument.name} is of type {kind}; it must be {argument.type}. "
        f"Cast it: {argument.name}::{argument.type}."
    )


def _plain(array: pa.Array) -> pa.Array:
    """Views, dictionaries and large strings as plain strings, which is what the rest expects."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or array.type == pa.string_view():
        return array.cast(pa.string())
    return array
