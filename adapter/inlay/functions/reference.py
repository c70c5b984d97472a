"""The function reference of docs/, written from the definitions."""

from __future__ import annotations

from collections.abc import Iterable

from inlay.functions.spec import Argument, FunctionSpec

_BLANKS = {
    "null": "NULL; no model call, unless on_blank is 'answer'",
    "same": "returned as they are; no model call, unless on_blank is 'answer'",
    "ask": "answered like any other",
}


def signature_text(spec: FunctionSpec) -> str:
    """ai_classify(text, labels := NULL, model := NULL, …)"""
    parts = [a.in_sql if a.default is None else f"{a.in_sql} := {a.default}" for a in (*spec.args, *spec.options)]
    return f"{spec.name}({', '.join(parts)})"


def short_signature(spec: FunctionSpec) -> str:
    """ai_classify(text, labels, …): without defaults and options."""
    return f"{spec.name}({', '.join([*(a.name for a in spec.args), *(['…'] if spec.options else [])])})"


def reference_page(specs: Iterable[FunctionSpec]) -> str:
    """The whole page as Markdown; `inlay functions --markdown` prints it, and a test fails when docs/ differs."""
    specs = list(specs)
    lines = [
        "# SQL functions",
        "",
        "Written from the headers in `udfs/` by `make docs`; edit there.",
        "",
        "Every function `ai_x` has a twin `try_ai_x` with the same arguments. It gives a struct of the value, the",
        "error of a row that got no answer, the confidence, the model's name and whether the answer was known.",
        "",
        "A call stops the statement with `UnknownModelError`, with `CannotServeError` where the model is of another",
        "kind than the function needs, and with `RowsFailedError` where a row failed under `on_error := 'raise'`.",
        "",
        "| function | gives | |",
        "|---|---|---|",
        *(f"| [`{spec.name}`](#{spec.name}) | `{spec.gives}` | {_cell(spec.summary)} |" for spec in specs),
        "",
    ]
    for spec in specs:
        lines += [f"## {spec.name}", "", spec.summary, "", "```text", signature_text(spec), "```", ""]
        lines += ["```sql", spec.example, "```", ""]
        if spec.args or spec.options:
            lines += ["| argument | type | default | |", "|---|---|---|---|"]
            lines += [_row(argument) for argument in (*spec.args, *spec.options)]
            lines += [""]
        lines += [
            f"- gives `{spec.gives}`" + ("" if spec.is_table else f"; `{spec.try_name}` gives `{spec.try_returns}`")
        ]
        if not spec.is_table:
            lines += [f"- nulls: {spec.nulls}", f"- blank texts: {_BLANKS[spec.blank]}", f"- cost: {spec.cost}"]
        lines += [""]
    return "\n".join(lines)


def _row(argument: Argument) -> str:
    default = "required" if argument.default is None else f"`{argument.default}`"
    return f"| `{argument.name}` | `{argument.type}` | {default} | {_cell(argument.note)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
