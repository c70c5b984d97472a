"""Which argument of a macro is wrong, in the place of DuckDB's list of candidates.

DuckDB only says that the macro does not take these arguments. The user's text tells which one has a name that the
macro does not know, which one is missing, or that there are too many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import duckdb

from inlay.errors import ConfigError
from inlay.parsing.tokens import Word, closing, split, words

# Of several candidates each may be the one that is meant.
_REFUSED = re.compile(
    r"Binder Error: Macro (?P<name>\w+)\(\) does not support the supplied arguments[^\n]*\n"
    r"Candidate macros:\n\s+(?P<signature>[^\n]*)(?=\n\n|\n?\Z)"
)

_Argument = tuple[str | None, str]
"""The name by which an argument is given, where it is given by name, and its first word, both in lower case."""


def with_wrong_argument(error: duckdb.Error, text: str) -> duckdb.Error:
    """The error, of the same class, with the argument that is wrong in a macro's call. text: what the user wrote."""
    message = str(error)
    refused = _REFUSED.match(message)
    if refused is None:
        return error
    parameters = next(_calls(refused["signature"], refused["name"]))
    known = [name or word for name, word in parameters]
    required = [word for name, word in parameters if name is None]
    for arguments in _calls(text, refused["name"]):
        if said := _wrong(refused["name"], arguments, known, required):
            return type(error)(f"Binder Error: {said}{message[refused.end() :]}")
    return error


def _calls(text: str, name: str) -> Iterator[list[_Argument]]:
    """The arguments of each call of a function, those inside others too."""
    found = words(text)
    for i, word in enumerate(found[:-1]):
        if word.lower.strip('"') == name.lower() and found[i + 1].text == "(":
            inside = found[i + 2 : closing(found, i + 1)]
            yield [_argument(inside[first:last]) for first, last in split(inside) if last > first]


def _argument(part: Sequence[Word]) -> _Argument:
    is_named = len(part) > 2 and part[1].text in (":=", "=>")
    word = part[0].lower.strip('"')
    return word if is_named else None, word


def _wrong(function: str, arguments: list[_Argument], known: list[str], required: list[str]) -> str | None:
    named = [name for name, _ in arguments if name is not None]
    n_by_place = len(arguments) - len(named)
    if arguments and not known:
        return f"{function} takes no arguments."
    if unknown := [name for name in named if name not in known]:
        return str(ConfigError.unknown_option(function, unknown[0], known, "argument"))
    if n_by_place > len(known):
        return f"{function}: {n_by_place} arguments are given. It takes {', '.join(known)}."
    if twice := [name for name in named if name in known[:n_by_place]]:
        return f"{function}: {twice[0]} is given twice, by its place and by its name."
    if missing := [name for name in required[n_by_place:] if name not in named]:
        return f"{function}: {' and '.join(missing)} must be given. It takes {', '.join(known)}."
    return None
