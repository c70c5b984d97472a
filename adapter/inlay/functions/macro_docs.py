"""The docs of the dbt macros, macros.yml: those of generated macros from the SQL functions' definitions, those of
macros written by hand from the TOML header in their first comment.

    {#-
    description = "A SQL string literal with its quotes doubled."
    arguments = [["value", "any", "the text"]]
    -#}

A macro written by hand for a SQL function has its description from the definition, and in its header only the arguments
that it takes beyond those of the function.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inlay.errors import ConfigError
from inlay.functions.dbt_macros import form_of
from inlay.functions.spec import Argument, FunctionSpec

_HEADER = re.compile(r"\A\{#-(?P<toml>.*?)-#\}", re.DOTALL)


@dataclass(frozen=True)
class MacroDocs:
    """One entry of macros.yml. arguments: name, type as dbt names it, and description of each."""

    name: str
    description: str
    arguments: tuple[tuple[str, str, str], ...]


def header_docs(path: Path) -> MacroDocs:
    """The docs in the header of a macro that is written by hand."""
    match = _HEADER.match(path.read_text(encoding="utf-8"))
    try:
        header: dict[str, Any] = tomllib.loads(match["toml"]) if match else {}
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: the header is not TOML: {error}.") from error
    if "arguments" not in header:
        raise ConfigError(f"{path}: expected a comment {{#- … -#}} with a TOML header: description and arguments.")
    rows = tuple((name, kind, note) for name, kind, note in header["arguments"])
    return MacroDocs(path.stem, header.get("description", ""), rows)


def function_docs(spec: FunctionSpec, name: str) -> MacroDocs:
    """The docs of a SQL function's macro. name: the function's own, or its try_ twin."""
    if name == spec.name:
        description = f"{spec.summary} Gives {spec.gives}. {spec.nulls[0].upper()}{spec.nulls[1:]}."
    else:
        row = "group" if spec.kind == "aggregate" else "row"
        json_value = "value is JSON, and " if spec.typed else ""
        description = (
            f"{spec.name} that tells why: gives {spec.try_returns}; {json_value}a {row} that fails has its reason in "
            "error."
        )
    rows = tuple(_row(spec, argument) for argument in (*spec.args, *spec.options))
    return MacroDocs(name, description, rows)


def macros_yml(functions: Iterable[MacroDocs], by_hand: Mapping[str, MacroDocs]) -> str:
    """The whole file. by_hand: docs in headers, by the macro's name."""
    entries = {entry.name: entry for entry in functions}
    for name, header in by_hand.items():
        function = entries.get(name)
        if function is not None:
            header = MacroDocs(name, function.description, (*function.arguments, *header.arguments))
        entries[name] = header
    lines = ["# Written by `make docs` from the headers in udfs/ and macros/; edit there.", "version: 2", "", "macros:"]
    # What people call comes first.
    for entry in sorted(entries.values(), key=lambda entry: (entry.name.startswith("_"), entry.name)):
        lines += _entry_lines(entry)
    return "\n".join(lines)


def _row(spec: FunctionSpec, argument: Argument) -> tuple[str, str, str]:
    form = form_of(spec, argument)
    note = "; ".join(part for part in (argument.note, form.note) if part)
    if argument.name in spec.quoted:
        note = f"{note}; the macro quotes it"
    elif argument in spec.args and not argument.is_setting:
        note = f"SQL expression of type {argument.type} (a constant needs SQL quotes): {note}"
    return argument.name, form.dbt_type if argument.default is None else f"optional[{form.dbt_type}]", note


def _entry_lines(entry: MacroDocs) -> list[str]:
    lines = [f"  - name: {entry.name}", f"    description: {_text(entry.description)}"]
    if entry.name.startswith("_"):
        lines += ["    docs: {show: false}"]
    if not entry.arguments:
        return [*lines, "    arguments: []", ""]
    rows = [
        f"      - {{name: {name}, type: {_text(kind)}, description: {_text(note)}}}"
        for name, kind, note in entry.arguments
    ]
    return [*lines, "    arguments:", *rows, ""]


def _text(text: str) -> str:
    """A JSON string is one of YAML as well."""
    return json.dumps(text, ensure_ascii=False)
