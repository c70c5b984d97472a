"""A call whose rows are those of one table, which DuckDB hands it all."""

from __future__ import annotations

from sqlglot import exp

from inlay.parsing.reading import written
from inlay.parsing.statement import Statement
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.excerpt import excerpt
from inlay.planner.guards import guards_of
from inlay.planner.keyed import arguments_of, keyed
from inlay.planner.known import Known, block_of


def table_of(statement: Statement, number: int) -> str:
    """The table of whose rows DuckDB itself asks a call, and of no others than the statement needs: that of a column
    over one table. Raises Unplannable elsewhere."""
    select, clause = block_of(statement.node(number))
    reduces = ("with_", "joins", "laterals", "having", "qualify", "limit", "offset", "distinct", "windows", "pivots")
    is_whole = select.parent is None or isinstance(select.parent, exp.Create | exp.Insert)
    from_ = select.args.get("from_")
    if (
        clause != "expressions"
        or not is_whole
        or from_ is None
        or not isinstance(from_.this, exp.Table)
        or any(select.args.get(part) for part in reduces)
        or select.find(exp.Window)
    ):
        raise Unplannable(reasons.ROWS_LEFT_OUT)
    return written(from_.this)


def inputs_query(statement: Statement, number: int) -> str:
    """SELECT of the inputs of a call, row by row. Raises Unplannable where table_of() does."""
    table_of(statement, number)
    part = excerpt(statement, number)
    node = part.node
    block = Known(part.select, statement, ())
    return written(block.core(keyed(arguments_of(node, statement, number)), None, guards_of(node, block.is_known)))
