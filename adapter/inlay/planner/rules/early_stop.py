"""`SELECT … WHERE <call> [ORDER BY …] LIMIT n`: rows are asked in the order of the result until n of them pass.

The statement itself then looks only at rows whose answers are known, and checks that they are enough: if others
changed the rows in between, it stops with an error and no wrong result comes out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp

from inlay.parsing.blocks import block_at
from inlay.parsing.edits import Edit
from inlay.parsing.marks import number_of, replaced
from inlay.parsing.reading import calls_in, written
from inlay.parsing.statement import Statement
from inlay.parsing.tokens import Word
from inlay.parsing.unplannable import Unplannable
from inlay.planner import reasons
from inlay.planner.evaluation import all_of, conjuncts
from inlay.planner.excerpt import excerpt
from inlay.planner.gather import first_rows_query
from inlay.planner.known import ELEMENTS, Known, block_of
from inlay.planner.lookups import CHANGED, Answers
from inlay.planner.rules.order_predicates import cut, outside_brackets
from inlay.planner.rules.run import Run

MOST_ROWS = 10_000
"""A larger LIMIT is asked for as any other statement is."""


@dataclass(frozen=True)
class EarlyStop:
    """numbers: the calls of the WHERE. wanted: rows that must pass."""

    statement: Statement
    numbers: list[int]
    wanted: int

    def inputs(self, number: int, first: int, answered: Collection[int]) -> str:
        """Marked SELECT of the distinct inputs of a call among the first rows that pass what costs nothing, and the
        conditions of what is answered."""
        return first_rows_query(self.statement, number, first, answered)

    def passed(self, first: int) -> str:
        """Marked SELECT of (rows, rows that pass) among the first."""
        select, known = self._block()
        unknown = [part for part in conjuncts(select.args["where"].this) if calls_in(part)]
        made = known.core([exp.alias_(all_of(unknown, copy=True), "_inlay_passed")], first)
        text = f"SELECT count(*), count(*) FILTER (_inlay_passed) FROM ({written(made)}) AS _inlay_core"
        return known.with_ctes(text)

    def _block(self) -> tuple[exp.Select, Known]:
        select = excerpt(self.statement, self.numbers[0]).select
        return select, Known(select, self.statement, ())

    def guarded(self, answers: Mapping[int, Answers]) -> Statement:
        """The statement, looking at rows with known answers alone."""
        statement = self.statement
        words = statement.words
        at = statement.place(self.numbers[0])
        block = block_at(statement.text, at)
        if block is None or "where" not in block.clauses or "from" not in block.clauses:
            raise Unplannable(reasons.WHERE_NOT_FOUND)
        parts = []
        for left, right in _conditions(words, block.clauses["where"]):
            text = statement.text[words[left].start : words[right - 1].end]
            inside = [n for i in range(left, right) if (n := number_of(words[i].text)) is not None]
            known = [condition for n in inside if (condition := _is_known(statement, text, answers[n]))]
            parts.append(f"({' AND '.join([*known, f'({text})'])})" if inside else text)
        where = " AND ".join(parts)
        enough = (
            f"(SELECT CASE WHEN count(*) >= {self.wanted} THEN TRUE ELSE error('{CHANGED}') END FROM "
            f"(SELECT 1 FROM {block.text(block.clauses['from'])} WHERE {where} LIMIT {self.wanted}))"
        )
        first, last = block.clauses["where"]
        condition = block_of(statement.node(self.numbers[0]))[0].args["where"].this
        return statement.edited([Edit(words[first].start, words[last - 1].end, f"{where} AND {enough}", condition)])


def early_stops(statement: Statement, stages: Collection[int]) -> Iterator[EarlyStop]:
    """The SELECTs of a statement that may stop early."""
    for select in statement.tree.find_all(exp.Select):
        wanted = _wanted(select)
        where = select.args.get("where")
        if wanted is None or where is None or not calls_in(where):
            continue
        inside = calls_in(where)
        blocks = {n: block_of(statement.node(n)) for n in stages if n in inside}
        numbers = [n for n, (around, clause) in blocks.items() if around is select and clause != ELEMENTS]
        if len(numbers) < len(inside):
            continue
        if any(select.args.get(name) for name in ("distinct", "group", "having", "qualify", "sample")):
            continue
        if any(item.find(exp.AggFunc, exp.Window) for item in select.expressions):
            continue
        if any(calls_in(join) for join in select.args.get("joins") or []):
            continue
        order = select.args.get("order")
        if order is not None:
            known = Known(select, statement, ())
            by = [part.this for part in order.expressions]
            if any(
                isinstance(part, exp.Literal) or not known.is_known(part) or part.name.lower() == "all" for part in by
            ):
                continue
        yield EarlyStop(statement, numbers, wanted)


def _wanted(select: exp.Select) -> int | None:
    """LIMIT and OFFSET together, where they are numbers."""
    total = 0
    for name in ("limit", "offset"):
        part = select.args.get(name)
        if part is None:
            continue
        if not isinstance(part.expression, exp.Literal) or not part.expression.is_int:
            return None
        total += int(part.expression.this)
    return total if select.args.get("limit") and 0 < total <= MOST_ROWS else None


def _conditions(words: list[Word], span: tuple[int, int]) -> list[tuple[int, int]]:
    """What AND joins; the whole where the parts cannot be found in the text."""
    if any(words[i].lower in ("between", "case", "or") for i in outside_brackets(words, span)):
        return [span]
    return cut(words, span, "and")


def _is_known(statement: Statement, text: str, found: Answers) -> str:
    """That the answer to a call is at hand, as marked SQL; '' where it is the same for every row."""
    known: list[str] = []

    def take(at: int, arguments: list[str]) -> str:
        if at == found.call.number and (where := found.where(arguments)):
            known.append(f"EXISTS (SELECT 1 FROM {found.table} WHERE {where})")
        return f"{statement.mark(at)}({', '.join(arguments)})"

    replaced(text, take)
    return known[0] if known else ""


Note = Callable[[EarlyStop, int, int], str]
"""Of a stop, the rows that were asked and those that passed, what people read."""


def apply(run: Run) -> None:
    _apply(run, lambda stop, seen, passed: f"{seen:,} rows asked until {passed:,} passed")


def estimate(run: Run) -> None:
    def note(stop: EarlyStop, seen: int, passed: int) -> str:
        return f"rows are asked in order until {stop.wanted:,} pass{'es' * (stop.wanted == 1)}"

    _apply(run, note)


def _apply(run: Run, note: Note) -> None:
    for stop in early_stops(run.statement, run.stages):
        with contextlib.suppress(Unplannable):
            if _answered(run, stop, note):
                run.done |= set(stop.numbers)
                run.stopped = True
                return  # the text has changed, and another SELECT of its kind is rare


def _answered(run: Run, stop: EarlyStop, note: Note) -> bool:
    """Answers rows until enough of them pass. False where the rows came to an end before: all answers are there."""
    first = max(64, 4 * stop.wanted)
    while True:
        for place, number in enumerate(stop.numbers):
            run.stage(number, [stop.inputs(number, first, stop.numbers[:place])])
            # DuckDB computes columns before it cuts: rows beyond the first must not be asked for by the lookup.
            run.answers[number] = replace(run.answers[number], complete=True)
        seen, passed = run.rows(stop.passed(first))[0]
        if passed >= stop.wanted or seen < first:
            break
        first *= 4
    run.depends(stop.numbers)
    # With on_error 'raise', the statement itself must meet the rows that failed.
    if passed >= stop.wanted and not any(map(run.failed, stop.numbers)):
        run.unguarded = run.statement
        run.changed(stop.guarded(run.answers), "stop_early", note(stop, seen, passed))
        return True
    run.answers.update({number: replace(run.answers[number], complete=False) for number in stop.numbers})
    return bool(seen < first)
