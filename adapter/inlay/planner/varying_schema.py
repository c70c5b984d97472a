"""Calls whose answers have a type of their own for each schema, where the schema differs from row to row.

DuckDB gives an expression one type, so such a call gives JSON: it becomes a call of the twin that does.
"""

from __future__ import annotations

from inlay.parsing.statement import Specs, Statement
from inlay.parsing.tokens import Text
from inlay.parsing.unplannable import Unplannable
from inlay.planner.evaluation import is_constant_text

JSON = "_json"
"""What the name of the twin ends in."""


def as_json_where_varying(sql: str, specs: Specs) -> Text:
    """The statement with ai_extract(…) as ai_extract_json(…) where its schema is no constant. Whatever cannot be read
    is left as it is: DuckDB will say what is wrong with it."""
    sql = sql if isinstance(sql, Text) else Text(sql)
    typed = {name: kind for name, kind in specs.items() if kind[0].typed and f"{name}{JSON}" in specs}
    if not any(name in sql.lower() for name in typed):
        return sql
    try:
        statement = Statement.read(sql, typed)
        names = []
        for number, call in statement.calls.items():
            setting = call.spec.setting
            text = None if setting is None else call.settings.get(setting)
            if text is not None and not is_constant_text(text):
                names.append(statement.words[statement.place(number)])
    except Unplannable:
        return sql
    # A mark is as long as the name that it stands for, so positions are those of the user's text.
    return sql.spliced((name.start, name.end, f"{sql[name.start : name.end]}{JSON}") for name in names)
