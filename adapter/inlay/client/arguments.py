"""From what DuckDB hands to an Arrow function to a question for the session: row values, labels, options."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from inlay.engine import cancel
from inlay.errors import ConfigError
from inlay.execution.session import Session
from inlay.functions.spec import Argument, FunctionSpec, named_options
from inlay.store.codecs import TEXT, codec_of

DATABASE = "inlay"
"""The attached in-memory database in which macros with named options stand."""


def answer_call(
    session: Session, spec: FunctionSpec, name: str, args: Sequence[pa.ChunkedArray], detail: bool
) -> pa.Array:
    """The answers to one chunk of rows, as DuckDB hands it to an Arrow function.

    args: the row values, then labels where the function takes them, then perhaps a struct or map of options. Labels
    and options may differ from row to row; each setting that occurs is answered for itself.
    """
    arrays = [_plain(arg.combine_chunks() if isinstance(arg, pa.ChunkedArray) else arg) for arg in args]
    n_rows = len(arrays[0])
    positional, options = _split_arguments(spec, name, arrays)
    given = list(zip(spec.args, positional, strict=False))
    labels = next((array for argument, array in given if argument.is_setting), None)
    columns = [_values(name, argument, array) for argument, array in given if not argument.is_setting]
    settings = [array for array in (labels, options) if array is not None]
    results: list[pa.Array] = []
    order: list[pa.Array] = []
    for rows in _rows_of_equal_settings(settings, n_rows):
        first = 0 if rows is None else rows[0].as_py()
        given_options = named_options(spec, options[first].as_py() if options is not None else None)
        statement, connection = given_options.get("statement"), given_options.pop("connection", None)
        key = None if statement is None else (session.number, statement)
        with cancel.inside(connection, key):
            results.append(
                session.answer(
                    spec.name,
                    columns if rows is None else [column.take(rows) for column in columns],
                    None if labels is None else labels[first].as_py(),
                    given_options,
                    statement=statement,
                    detail=detail,
                    connection=connection,
                )
            )
        if rows is None:
            return results[0]
        order.append(rows)
    places = pc.sort_indices(pa.concat_arrays(order))
    return pa.concat_arrays(results).take(places)


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


def _rows_of_equal_settings(settings: list[pa.Array], n_rows: int) -> list[pa.Array | None]:
    """[None] when every row has the same labels and options, which is nearly always; else row numbers by group."""
    if n_rows <= 1 or all(_is_constant(array) for array in settings):
        return [None]
    groups: dict[str, list[int]] = {}
    for row, values in enumerate(zip(*(array.to_pylist() for array in settings), strict=True)):
        groups.setdefault(repr(values), []).append(row)
    return [pa.array(rows) for rows in groups.values()]


def _is_constant(array: pa.Array) -> bool:
    if pa.types.is_null(array.type) or len(array) <= 1:
        return True
    return bool(array.slice(1).equals(array.slice(0, len(array) - 1)))


def _values(name: str, argument: Argument, array: pa.Array) -> pa.Array:
    """As the argument's codec holds them. NULL stays NULL; as texts, numbers and dates read as DuckDB writes them."""
    codec, kind = codec_of(argument.type), array.type
    if kind == codec.arrow:
        return array
    if pa.types.is_null(kind):
        return pa.nulls(len(array), codec.arrow)
    if codec is not TEXT or pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise ConfigError(
            f"{name}: {argument.name} is of type {kind}; it must be {codec.sql_type}. "
            f"Cast it: {argument.name}::{codec.sql_type}."
        )
    try:
        return pc.cast(array, codec.arrow)
    except pa.ArrowException as error:
        raise ConfigError(f"{name}: {argument.name} is of type {kind} and does not read as text: {error}.") from None


def _plain(array: pa.Array) -> pa.Array:
    """Views, dictionaries and large strings as plain strings, which is what the rest expects."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_large_string(array.type) or array.type == pa.string_view():
        return array.cast(pa.string())
    return array
