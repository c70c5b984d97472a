"""The dbt macros of a SQL function, written from its definition: ai_x and try_ai_x, and what kind of value each option
takes.

A macro that does more than hand its arguments on is a file in macros/ written by hand; none is generated in its place.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from inlay.errors import ConfigError
from inlay.functions.spec import Argument, FunctionSpec

_WIDTH = 120


@dataclass(frozen=True)
class Form:
    """How a value of some SQL type is written in Jinja. kind: the name by which macros/_sql_option.sql knows it.
    dbt_type: as dbt's docs name it. note: anything else that a user must know."""

    kind: str
    dbt_type: str
    note: str = ""


_FORMS: dict[str, Form] = {
    "VARCHAR": Form("text", "string"),
    "BOOLEAN": Form("flag", "bool"),
    "INTEGER": Form("integer", "int"),
    "DOUBLE": Form("number", "float"),
    "VARCHAR[]": Form("texts", "list[string]"),
    "VARCHAR or VARCHAR[]": Form("texts", "list[string]"),
    "VARCHAR[] or STRUCT(label VARCHAR, description VARCHAR)[]": Form(
        "labels",
        "list[any]",
        "in Jinja a list of texts, a list of mappings with label and description, or a string that is a SQL expression",
    ),
    "STRUCT(text VARCHAR, label VARCHAR)[] or VARCHAR": Form(
        "examples", "any", "in Jinja a list of mappings with text and label, ref('…'), or the text of a query"
    ),
    "STRUCT or VARCHAR": Form(
        "questions", "any", "in Jinja a mapping, or text with the same as JSON, never a SQL expression"
    ),
    "STRUCT, VARCHAR[] or VARCHAR": Form(
        "schema",
        "any",
        "in Jinja JSON Schema may be a mapping too; text is quoted by the macro, so it is never a SQL expression",
    ),
}


def form_of(spec: FunctionSpec, argument: Argument) -> Form:
    """Raises ConfigError for a type that has no form in Jinja."""
    form = _FORMS.get(argument.type)
    if form is None:
        raise ConfigError(
            f"{spec.path}: {argument.name} is of type {argument.type!r}, which the dbt macros cannot write. Types: "
            f"{'; '.join(_FORMS)}."
        )
    return form


def macro_file(spec: FunctionSpec, name: str) -> str:
    """The file of one macro. name: the function's own, or its try_ twin."""
    if spec.setting is not None and spec.args[1].name != spec.setting:
        raise ConfigError(f"{spec.path}: {spec.setting} must be the second argument; macros/_call.sql puts it there.")
    arguments = (*spec.args, *spec.options)
    parameters = [a.name if a.default is None else f"{a.name}=none" for a in arguments]
    handed_on = [a.name if a.default is None else f"{a.name}={a.name}" for a in arguments]
    returns = spec.gives if name == spec.name else spec.try_returns
    dispatch = _call(f"    {{{{ return(adapter.dispatch('{name}', 'inlay')(", handed_on, ")) }}")
    return "\n".join(
        [
            f"{{#- Written by `make docs` from udfs/{spec.path.name}; edit there. -#}}",
            _comment(f"{_call(name + '(', parameters, ')', width=None)}: SQL expression of type {returns}."),
            *_macro(name, parameters, [dispatch]),
            "",
            *_macro(f"default__{name}", parameters, [f"    {{{{ return(inlay._unsupported('{name}')) }}}}"]),
            "",
            *_macro(f"duckdb__{name}", parameters, _body(spec, name)),
            "",
        ]
    )


def option_kinds_file(specs: Iterable[FunctionSpec]) -> str:
    """A macro that gives the kind of each option and setting that is not plain text, by name; one that another function
    means otherwise also has its function's name before it."""
    kinds: dict[str, str] = {}
    for spec in specs:
        for argument in (*spec.args, *spec.options):
            kind = form_of(spec, argument).kind
            if kinds.setdefault(argument.name, kind) != kind:
                kinds[f"{spec.name}.{argument.name}"] = kind
    entries = [f"'{name}': '{kind}'" for name, kind in sorted(kinds.items()) if kind != "text"]
    return "\n".join(
        [
            "{#- Written by `make docs` from the headers in udfs/; edit there. -#}",
            "{#- _option_kinds(): what kind of value each option takes, by its name; one that is not here is text. -#}",
            *_macro("_option_kinds", [], [_call("    {{ return({", entries, "}) }}")]),
            "",
        ]
    )


def _body(spec: FunctionSpec, name: str) -> list[str]:
    texts = [
        f"inlay._sql_option('{name}', '{argument.name}', {argument.name})" if argument.name in spec.quoted
        else argument.name
        for argument in spec.args
        if not argument.is_setting
    ]  # fmt: skip
    call = [f"'{name}'", "arguments", "options"]
    if spec.setting is not None:
        call.append(f"setting=('{spec.setting}', {spec.setting})")
    if spec.kind == "aggregate":
        call.append("is_aggregate=true")
    if spec.blank != "null":
        call.append(f"blank='{spec.blank}'")
    return [
        _call("    {%- set arguments = [", texts, "] -%}"),
        _call("    {%- set options = {", [f"'{option.name}': {option.name}" for option in spec.options], "} -%}"),
        _call("    {{ return(inlay._call(", call, ")) }}"),
    ]


def _macro(name: str, parameters: list[str], body: list[str]) -> list[str]:
    return [_call(f"{{% macro {name}(", parameters, ") -%}"), *body, "{%- endmacro %}"]


def _call(head: str, items: list[str], tail: str, width: int | None = _WIDTH) -> str:
    """On one line, or where that is too long with the items on lines of their own."""
    line = f"{head}{', '.join(items)}{tail}"
    if width is None or len(line) <= width:
        return line
    indent = head[: len(head) - len(head.lstrip())]
    # The spaces inside an item are hidden, so that lines break between items alone.
    text = ", ".join(item.replace(" ", "\0") for item in items)
    inside = textwrap.fill(text, width, initial_indent=f"{indent}    ", subsequent_indent=f"{indent}    ",
                           break_long_words=False, break_on_hyphens=False)  # fmt: skip
    return f"{head}\n{inside}\n{indent}{tail}".replace("\0", " ")


def _comment(text: str) -> str:
    return textwrap.fill(f"{{#- {text} -#}}", _WIDTH, subsequent_indent="    ", break_long_words=False)
