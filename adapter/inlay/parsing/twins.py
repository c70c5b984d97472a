"""Twins: macros that stand for inlay's own where a statement is only checked, and reach no model.

Each of inlay's macros has one, in inlay's own database, of the same parameters and type. It calls TWIN, a function
without side effects that returns NULL.
"""

from __future__ import annotations

from inlay.parsing.calls import find_calls

DATABASE = "inlay"
"""The attached in-memory database that holds the macros for every cursor."""

TWIN = "_inlay_twin"

OF_LIST = "_inlay_"
"""What the name of an aggregate's macro that takes the list of a group's texts itself begins with."""

_SCHEMAS: tuple[list[str], ...] = ([], [DATABASE], [DATABASE, "main"])


def twin_macro(name: str) -> str:
    """The name, without its schema, of the twin of a macro."""
    return f"{TWIN}_{name}"


def twin_name(written: str) -> str:
    """The twin of a call's name as it is written. A function in another schema is no macro of ours and has none."""
    *schema, name = (part.strip().strip('"').lower() for part in written.split("."))
    return f"{DATABASE}.main.{twin_macro(name)}" if schema in _SCHEMAS else written


def twin_definition(definition: str, function: str, returns: str) -> str:
    """A macro's parameters and body with TWIN in the place of its function. returns: the function's SQL type."""
    call = next(iter(find_calls(definition, {function})), None)
    if call is None:  # of the user's own: it calls other macros
        return definition
    arguments = call.text[call.text.index("(") :]
    return f"{definition[: call.start]}CAST(system.main.{TWIN}{arguments} AS {returns}){definition[call.end :]}"
