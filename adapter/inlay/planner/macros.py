"""The user's own macros that call a model, written out where a statement uses them, so that their calls are planned
with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from inlay.functions.spec import FunctionSpec
from inlay.parsing.statement import Call, Specs, Statement
from inlay.parsing.tokens import Text, closing
from inlay.planner.evaluation import is_given
from inlay.planner.lookups import named_columns
from inlay.planner.macro import Macro

_DEPTH = 8
"""Macros over macros over macros: deeper ones are called as they are."""

_SHORTEST = 3
"""Characters of a name that the planner can mark."""


def macros_written_out(sql: Text, macros: Mapping[str, Sequence[Macro]], column_name: Callable[[str], str]) -> Text:
    """The statement with the macros' bodies in their places. macros: by lower-case name, one for each number of
    parameters. column_name: how DuckDB names a column of that text. A macro whose arguments cannot be put in the place
    of its parameters stays."""
    specs: Specs = {name: (_spec(name), False) for name in macros if len(name) >= _SHORTEST}
    for _ in range(_DEPTH):
        lower = sql.lower()
        if not any(name in lower for name in specs):
            break
        statement = Statement.read(sql, specs)
        pieces = list(_pieces(statement, macros))
        if not pieces:
            break
        statement = named_columns(statement, column_name)
        text = Text(statement.text.spliced(_pieces(statement, macros)))
        sql = Statement(text, statement.calls, statement.names).plain
    return sql


def _spec(name: str) -> FunctionSpec:
    return FunctionSpec(
        name=name, summary="", args=(), options=(), returns="", nulls="", cost="", example="", kind="scalar",
        macro="", path=Path(),
    )  # fmt: skip


def _pieces(statement: Statement, macros: Mapping[str, Sequence[Macro]]) -> Iterator[tuple[int, int, str]]:
    """The outermost uses of macros: (start, end, what they stand for)."""
    words, after = statement.words, -1
    for number, call in sorted(statement.calls.items(), key=lambda each: statement.place(each[0])):
        at = statement.place(number)
        if at < after:
            continue
        last = closing(words, at + 1)
        body = next((b for m in macros[call.spec.name] if (b := _body(m, call)) is not None), None)
        if body is None or last == len(words) or call.written.lower().rpartition(".")[0] not in ("", "main"):
            continue
        after = last
        named = words[last + 1].lower if last + 1 < len(words) else ""
        is_named = named == "as" or (named.isidentifier() and named not in _AFTER_A_TABLE)
        alias = f" AS {call.spec.name}" if _is_table(macros[call.spec.name]) and not is_named else ""
        yield words[at].start, words[last].end, f"({body}){alias}"


_AFTER_A_TABLE = {
    "where", "group", "having", "window", "qualify", "order", "limit", "offset", "join", "inner", "left", "right",
    "full", "cross", "natural", "asof", "positional", "semi", "anti", "on", "using", "union", "except", "intersect",
    "tablesample", "returning", "select", "pivot", "unpivot",
}  # fmt: skip


def _is_table(macros: Sequence[Macro]) -> bool:
    return any(macro.is_table for macro in macros)


def _body(macro: Macro, call: Call) -> str | None:
    """The body with the arguments in the place of the parameters; None where that is not what DuckDB does."""
    names = [name.lower() for name in macro.parameters]
    given = dict(zip(names, call.arguments, strict=False)) | dict(call.options)
    if len(call.arguments) + len(call.options) != len(names) or set(given) != set(names):
        return None  # another macro of that name, or a default, which DuckDB does not tell
    text = Text(macro.body)
    words, pieces = text.words, []
    # Inside a query a name is that of a column there first, which it is not in the place of the call.
    if any(word.lower in ("select", "from") for word in words) and not all(map(is_given, given.values())):
        return None
    for i, word in enumerate(words):
        name = word.text.strip('"').lower()
        if name not in given or (i and words[i - 1].text == ".") or (i + 1 < len(words) and words[i + 1].text == "("):
            continue
        before = words[i - 1].lower if i else ""
        if before in ("as", "from", "join", "lambda") or (i + 1 < len(words) and words[i + 1].text in ("->", ":=")):
            return None  # a name of its own
        pieces.append((word.start, word.end, f"({given[name]})"))
    return str(text.spliced(pieces))
