"""The SQL macro of a function that only hands its arguments on: its options become one struct, behind its arguments."""

from __future__ import annotations

from inlay.functions.reference import signature_text
from inlay.functions.spec import FunctionSpec


def macro_text(spec: FunctionSpec) -> str:
    """CREATE MACRO … without a semicolon. The statement's number, for the ledger, travels with the options."""
    head = f"CREATE MACRO {signature_text(spec)} AS"
    if spec.is_table:
        return f"{head} TABLE\n    SELECT unnest(system.main._{spec.name}(0), recursive := true)"
    values = [argument.name for argument in spec.args]
    if spec.kind == "aggregate":
        # DuckDB has no aggregates in Python: a group's texts are one text, a JSON list that no order of rows changes.
        # coalesce() because DuckDB refuses ORDER BY of a constant.
        texts = values[0]
        values[0] = f"to_json(list({texts} ORDER BY coalesce({texts})) FILTER (WHERE {texts} IS NOT NULL))::VARCHAR"
    options = [f"'{option.name}': {option.in_sql}" for option in spec.options]
    struct = ", ".join([*options, "'statement': hash(txid_current(), current_query())"])
    return f"{head}\n    system.main.{spec.name}({', '.join(values)}, {{{struct}}})"
