"""The plan of `inlay plan`: per dbt model or statement what is known, what is to infer, and what that would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from inlay.engine.executors.counting import Counting
from inlay.execution.ledger import Ledger
from inlay.execution.queries import UNBOUND
from inlay.execution.session import Session
from inlay.execution.statement import runner_of
from inlay.explanation.cost import Costs, costs
from inlay.explanation.guesses import DrawnGuesses
from inlay.parsing.unplannable import Unplannable
from inlay.tables import Table, plain_text


@dataclass(frozen=True)
class Line:
    """One call: rows that reach it, distinct inputs, how many of them are known or to infer, tokens to read."""

    node: str
    function: str
    model: str
    rows: int
    distinct: int
    known: int
    to_infer: int
    tokens: int


@dataclass(frozen=True)
class Plan:
    """notes: what is not counted, and why."""

    lines: list[Line]
    costs: Costs
    notes: Sequence[str] = ()

    @property
    def to_infer(self) -> int:
        return sum(line.to_infer for line in self.lines)


class Planning:
    """Counts what statements would have models do: run them in `context`, then take the plan."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.counting = Counting()
        self.context = session.context.dry(self.counting, DrawnGuesses())

    def count(self, con: duckdb.DuckDBPyConnection, connection: int, sql: str) -> None:
        """Adds what one query would ask; none of its rows is kept."""
        try:
            runner_of(self.session, con, sql, None, {}, self.context).run()
        except (Unplannable, *UNBOUND):
            with self.session.within(connection, self.context):
                relation = con.execute(sql)
                while relation.fetchmany(2_048):
                    pass

    def plan(self, *, measure: bool = False, notes: Sequence[str] = ()) -> Plan:
        """Of all that was counted until now. measure: infer a sample where a model's speed is unknown, and keep it.
        notes: what was not counted."""
        measure_in = self.session.context if measure else None
        return Plan(lines(self.context.ledger), costs(self.session, self.counting, measure_in=measure_in), notes)


def lines(ledger: Ledger) -> list[Line]:
    return [
        Line(
            node=row["node"] or f"statement {row['statement']}",
            function=row["function"], model=row["model"], rows=row["rows"], distinct=row["distinct_inputs"],
            known=row["known"], to_infer=row["inferred"], tokens=row["tokens"],
        )
        for row in ledger.account_rows()
    ]  # fmt: skip


def plan_text(plan: Plan) -> str:
    """The plan as people read it: a line per call, then seconds by model, and cost where there is any."""
    return "\n".join([plain_text(plan_table(plan)), *plan_notes(plan)])


def plan_table(plan: Plan) -> Table:
    """A row per call."""
    rows = [
        (
            line.node.split(".")[-1], line.function, line.model,
            line.rows, line.distinct, line.known, line.to_infer, line.tokens,
        )
        for line in plan.lines
    ]  # fmt: skip
    titles = ("node", "function", "model", "rows", "distinct", "known", "to infer", "tokens")
    return Table(titles, rows, numbers=range(3, 8))


def plan_notes(plan: Plan) -> list[str]:
    """What is below the table."""
    notes = []
    for each in plan.costs.models:
        spent = "unknown" if each.seconds is None else f"about {each.seconds:,.1f} s"
        notes.append(f"{each.model}: {spent} ({each.source})")
    if plan.costs.output_tokens:
        notes.append(f"to write: about {plan.costs.output_tokens:,} tokens")
    if plan.costs.cost:
        notes.append(f"cost: about {plan.costs.cost:,.4f}")
    if not plan.lines and not plan.notes:
        notes.append("Nothing calls a model.")
    elif not plan.to_infer and not plan.notes:
        notes.append("Everything is known: no model would run.")
    return [*notes, *plan.notes]
