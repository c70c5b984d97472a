"""The options that the settings give to functions, checked against the functions' definitions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from inlay.errors import ConfigError
from inlay.functions.definitions import all_definitions
from inlay.functions.spec import Argument, FunctionSpec
from inlay.settings.check import Declaration, Entry, Flag, Kind, ListOf, Matches, Number, OneOf, Text
from inlay.settings.schema import DOCUMENT, Settings
from inlay.types import OnBlank

_TEXT = Text(Matches("", "text"))
_KINDS: dict[str, Kind] = {
    "BOOLEAN": Flag(),
    "INTEGER": Number(whole=True),
    "BIGINT": Number(whole=True),
    "FLOAT": Number(),
    "DOUBLE": Number(),
    "VARCHAR": _TEXT,
    "VARCHAR[]": ListOf(_TEXT, single=False),
}


def configured_definitions(settings: Settings) -> dict[str, FunctionSpec]:
    """All definitions by name, the user's too. Raises ConfigError where the settings name a function or an option that
    does not exist, or give an option a value of another type."""
    specs = all_definitions(settings.functions_folders)
    if not settings.functions:
        return specs
    functions = function_options(specs.values())
    for name, options in settings.functions.items():
        place = settings.places.get(f"functions.{name}", "settings")
        if name not in functions.keys:
            error = ConfigError.unknown_option(f"{place}, functions", name, functions.keys, functions.noun)
            raise ConfigError(f"{error} A function of your own needs its folder in functions_folders.")
        # Checked and not replaced: a number's type is part of what answers are stored under.
        functions.keys[name].kind.check(options, f"{place}, options of {name}", "")
    return specs


def function_options(specs: Iterable[FunctionSpec]) -> Entry:
    """The table [functions]: a table of options for each function that has any."""
    return Entry(
        {
            spec.name: Declaration(Entry({option.name: _declaration(option) for option in spec.options}), spec.summary)
            for spec in specs
            if spec.options and not spec.is_table
        },
        noun="function",
    )


def _declaration(option: Argument) -> Declaration:
    if option.name == "on_error":  # the session's key of that name, for one function
        return Declaration(DOCUMENT.keys["on_error"].kind, option.note)
    if option.name == "on_blank":
        return Declaration(OneOf(get_args(OnBlank)), option.note)
    return Declaration(_KINDS.get(option.type, Kind()), option.note)
