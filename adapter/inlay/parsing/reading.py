"""sqlglot's reading of a text, and the calls in it. Calls are marked, see marks.py."""

from __future__ import annotations

import logging

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from inlay.parsing.dialect import as_duckdb_reads
from inlay.parsing.marks import GATHERING, MARK, number_of
from inlay.parsing.unplannable import READ_OTHERWISE, STATEMENT_KIND, Unplannable, not_read


def _is_of_others(record: logging.LogRecord) -> bool:
    """sqlglot warns of statements that it does not read; of those with our marks it is Unplannable that says so."""
    return MARK not in (message := record.getMessage()) and GATHERING not in message


logging.getLogger("sqlglot").addFilter(_is_of_others)


def parsed(text: str) -> exp.Expr:
    """sqlglot's reading of one statement or expression."""
    try:
        found = sqlglot.parse_one(text, dialect="duckdb")
    except (SqlglotError, RecursionError) as error:
        raise Unplannable(not_read(str(error).split("\n")[0])) from None
    if isinstance(found, exp.Command):
        raise Unplannable(STATEMENT_KIND)
    return as_duckdb_reads(found, text)


def written(tree: exp.Expr, copy: bool = True) -> str:
    """SQL of a tree, for queries of the planner's own. copy: False for a tree that is thrown away."""
    return tree.sql(dialect="duckdb", normalize_functions=False, comments=False, copy=copy)


def call_at(node: exp.Expr) -> int | None:
    """The number of the call that a node is."""
    return number_of(node.name) if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) else None


def node_of(tree: exp.Expr, number: int) -> exp.Expr:
    """A call in a copy of a statement's tree, or in a part of one; of one that is written twice the outermost, then the
    first."""
    for node in tree.find_all(exp.Anonymous, exp.AnonymousAggFunc):
        if call_at(node) == number:
            return node
    raise Unplannable(READ_OTHERWISE)


def part_of(select: exp.Expr, node: exp.Expr) -> exp.Expr:
    """The part of a SELECT, a column or a clause, that a node inside of it is in."""
    while node.parent is not None and node.parent is not select:
        node = node.parent
    return node


def calls_in(tree: exp.Expr) -> list[int]:
    """Numbers of the calls inside, in no order."""
    nodes = tree.find_all(exp.Anonymous, exp.AnonymousAggFunc)
    return [number for node in nodes if (number := call_at(node)) is not None]
