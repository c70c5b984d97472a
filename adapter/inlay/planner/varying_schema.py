"""Calls whose answers have a type of their own for each schema, where the schema differs from row to row.

DuckDB gives an expression one type, so such a call gives JSON: it becomes a call of the twin that does.
"""

from __future__ import annotations

from collections.abc import Mapping

from inlay.functions.spec import FunctionSpec
from inlay.parsing.statement import Statement, Unplannable, parsed
from inlay.parsing.tokens import spliced
from inlay.planner.evaluation import is_constant

JSON = "_json"
"""What the name of the twin ends in."""


def as_json_where_varying(sql: str, specs: Mapping[str, tuple[FunctionSpec, bool]]) -> str:
    """The statement with ai_extract(…) as ai_extract_json(…) where its schema is no constant. Whatever cannot be read
    is left as it is: DuckDB will say what is wrong with it."""
    typed = {name: kind for name, kind in specs.items() if kind[0].typed}
    if not any(name in sql.lower() for name in typed):
        return sql
    try:
        statement = Statement.read(sql, typed)
        ends = []
        for number, call in statement.calls.items():
            setting = call.spec.setting
            text = None if setting is None else call.settings.get(setting)
            if text is not None and not is_constant(parsed(text)):
                end = statement.words[statement.place(number)].end
                ends.append((end, end, JSON))
    except Unplannable:
        return sql
    # A mark is as long as the name that it stands for, so positions are those of the person's text.
    return spliced(sql, ends) if ends else sql
