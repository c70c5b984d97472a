"""Conditions with calls that AND joins: which is asked first, learned from a first sample of the rows.

The rank of a condition is what it costs over what it drops, cost / (1 - share that passes): Hellerstein and
Stonebraker, "Predicate migration", SIGMOD 1993. The share is taken among the rows that pass what was chosen before it,
so conditions that drop the same rows are not paid twice.

Of few rows there is no sample: the condition with the fewest different inputs is asked first, that on the smaller side
of a join among them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from inlay.parsing.blocks import block_at
from inlay.parsing.edits import Edit
from inlay.parsing.marks import number_of
from inlay.parsing.reading import calls_in, node_of, written
from inlay.parsing.statement import Statement
from inlay.parsing.tokens import spliced
from inlay.parsing.unplannable import Unplannable
from inlay.planner.evaluation import conjuncts
from inlay.planner.excerpt import excerpt
from inlay.planner.gather import first_rows_query
from inlay.planner.keyed import arguments_of
from inlay.planner.known import ELEMENTS, Known, block_of
from inlay.planner.rules.order_predicates import cut, outside_brackets
from inlay.planner.rules.run import Run

SAMPLE_ROWS = 256

WORTH_ROWS = 20 * SAMPLE_ROWS
"""Of fewer rows the sample, which is asked every condition, would be too large a part."""


@dataclass(frozen=True)
class Chain:
    """links: the calls of each condition, in the order in which they are written."""

    statement: Statement
    links: list[list[int]]

    @property
    def numbers(self) -> list[int]:
        return [number for link in self.links for number in link]

    def sizes(self) -> str:
        """Marked SELECT of the number of rows that reach the conditions, up to WORTH_ROWS, and of the different inputs
        of each call that are in these; of a call over others' answers those of the others."""
        known, columns, counts = self._known(), list[exp.Expr](), dict[int, str]()
        given = {n: arguments_of(node_of(known.select, n), self.statement, n) for n in self.numbers}
        for number, arguments in given.items():
            if not any(map(calls_in, arguments)):
                names = [f"_inlay_s{len(columns) + i}" for i in range(len(arguments))]
                columns += [
                    exp.alias_(each.copy(), name, copy=False) for each, name in zip(arguments, names, strict=True)
                ]
                counts[number] = " + ".join(f"count(DISTINCT {name})" for name in names)
        for number in given.keys() - counts.keys():
            inside = {each for argument in given[number] for each in calls_in(argument)}
            counts[number] = " + ".join(counts[each] for each in inside if not any(map(calls_in, given[each])))
        first = f"SELECT * FROM ({written(known.core(columns, None))}) AS _inlay_all LIMIT {WORTH_ROWS}"
        asked = ", ".join(counts[number] for number in self.numbers)
        return known.with_ctes(f"SELECT count(*), {asked} FROM ({first}) AS _inlay_core")

    def inputs(self, number: int) -> str:
        """Marked SELECT of the distinct inputs of a call in the sample."""
        return first_rows_query(self.statement, number, SAMPLE_ROWS)

    def sample(self) -> str:
        """Marked SELECT, for each row of the sample, of what each condition said and how long its inputs are."""
        known = self._known()
        # A LIMIT above lookups may cut other rows than it did above the inputs: these are rows that were asked.
        asked = [
            exp.Not(this=exp.Is(this=node_of(known.select, number).copy(), expression=exp.null()))
            for link in self.links
            for number in link
        ]
        columns: list[exp.Expr] = []
        parts = [part for part in conjuncts(known.select.args["where"].this) if calls_in(part)]
        for i, (link, part) in enumerate(zip(self.links, parts, strict=True)):
            columns.append(exp.alias_(part.copy(), f"_inlay_p{i}", copy=False))
            lengths: list[exp.Expr] = []
            for number in link:
                for argument in arguments_of(node_of(part, number), self.statement, number):
                    length = exp.Anonymous(this="length", expressions=[exp.cast(argument.copy(), "VARCHAR")])
                    lengths.append(exp.Coalesce(this=length, expressions=[exp.Literal.number(0)]))
            total = lengths[0]
            for other in lengths[1:]:
                total = exp.Add(this=total, expression=other)
            columns.append(exp.alias_(total, f"_inlay_c{i}"))
        made = known.core(columns, SAMPLE_ROWS, asked)
        names = ", ".join(f"_inlay_p{i} IS TRUE, _inlay_c{i}" for i in range(len(self.links)))
        return known.with_ctes(f"SELECT {names} FROM ({written(made)}) AS _inlay_core")

    def _known(self) -> Known:
        return Known(excerpt(self.statement, self.links[0][0]).select, self.statement, ())

    def arranged(self, order: Sequence[int]) -> Statement | None:
        """The statement with its conditions in this order; None where they cannot be found in the text."""
        statement, words = self.statement, self.statement.words
        at = statement.place(self.links[0][0])
        block = block_at(statement.text, at)
        if block is None or "where" not in block.clauses:
            return None
        span = block.clauses["where"]
        outside = outside_brackets(words, span)
        if any(words[i].lower in ("between", "case", "or") for i in outside):
            return None
        parts = cut(words, span, "and")
        inside = [sorted(n for i in range(*part) if (n := number_of(words[i].text)) is not None) for part in parts]
        if [numbers for numbers in inside if numbers] != self.links:
            return None
        places = [part for part, numbers in zip(parts, inside, strict=True) if numbers]
        texts = [statement.text[words[left].start : words[right - 1].end] for left, right in places]
        start, end = words[span[0]].start, words[span[1] - 1].end
        pieces = [
            (words[left].start - start, words[right - 1].end - start, texts[source])
            for (left, right), source in zip(places, order, strict=True)
        ]
        condition = block_of(statement.node(self.links[0][0]))[0].args["where"].this
        return statement.edited([Edit(start, end, spliced(statement.text[start:end], pieces), condition)])


def chains(statement: Statement, stages: Collection[int]) -> list[Chain]:
    """Every WHERE with several such conditions, whose calls are all answered ahead."""
    found = []
    for select in statement.tree.find_all(exp.Select):
        where = select.args.get("where")
        if where is None:
            continue
        parts = [part for part in conjuncts(where.this) if calls_in(part)]
        links = [sorted(calls_in(part)) for part in parts]
        inside = [n for link in links for n in link]
        if len(links) < 2 or not set(inside) <= set(stages):
            continue
        blocks = [block_of(statement.node(n)) for n in inside]
        if all(around is select and clause != ELEMENTS for around, clause in blocks):
            found.append(Chain(statement, links))
    return found


def cheapest_first(sample: Sequence[Sequence[float]], weights: Sequence[float] | None = None) -> list[int]:
    """The order of the conditions, from rows of (passed, length of the inputs) for each. weights: what a condition's
    models cost for inputs of one length."""
    rows = list(sample)
    n_links = len(rows[0]) // 2 if rows else 0
    left, order = list(range(n_links)), list[int]()
    while left:
        ranks = {}
        for i in left:
            passed = sum(bool(row[2 * i]) for row in rows) / len(rows) if rows else 0.5
            cost = sum(row[2 * i + 1] for row in rows) / len(rows) if rows else 1.0
            # One row more that passes and one that does not: a share of 0 or 1 in a sample is not one of all rows.
            share = (passed * len(rows) + 1) / (len(rows) + 2)
            ranks[i] = (cost + 1) * (1.0 if weights is None else weights[i]) / (1 - share)
        best = min(left, key=lambda i: ranks[i])
        order.append(best)
        left.remove(best)
        rows = [row for row in rows if row[2 * best]]
    return order


def apply(run: Run) -> None:
    if run.stopped:
        return
    for chain in chains(run.statement, run.stages):
        with contextlib.suppress(Unplannable):
            if not _ordered_by_size(run, chain):
                _arrange(run, chain, _by_sample(run, chain, _sampled(run, chain)))
            return  # the text may have changed


def estimate(run: Run) -> None:
    """As far as the answers of the sample are known."""
    if run.stopped:
        return
    for chain in chains(run.statement, run.stages):
        with contextlib.suppress(Unplannable):
            if _ordered_by_size(run, chain):
                return
            sample = _sampled(run, chain)
            if any(map(run.is_guessed, chain.numbers)):
                run.undecided_are(chain.numbers)
                note = f"which of {len(chain.links)} conditions with calls is asked first is decided when it runs"
                run.changed(run.statement, "order_calls", note)
            else:
                _arrange(run, chain, _by_sample(run, chain, sample))
            return


def _ordered_by_size(run: Run, chain: Chain) -> bool:
    """Orders the conditions of few rows by what their different inputs cost; False where there are more rows."""
    n_rows, *n_inputs = run.rows(chain.sizes())[0]
    if n_rows >= WORTH_ROWS:
        return False
    if n_rows > 1 and len(set(n_inputs)) > 1:
        costs = {number: n * run.weight(number) for number, n in zip(chain.numbers, n_inputs, strict=True)}
        of_links = [sum(costs[number] for number in link) for link in chain.links]
        _arrange(run, chain, sorted(range(len(of_links)), key=of_links.__getitem__))
    return True


def _sampled(run: Run, chain: Chain) -> list[tuple[Any, ...]]:
    """What the conditions say of a first sample."""
    before = dict(run.answers)
    for number in run.stages:
        if number in chain.numbers:
            run.stage(number, [chain.inputs(number)])
            run.answers[number] = replace(run.answers[number], complete=True)
    sample = run.rows(chain.sample())
    run.answers = before  # all but the sample is still to be answered
    return sample


def _by_sample(run: Run, chain: Chain, sample: list[tuple[Any, ...]]) -> list[int]:
    return cheapest_first(sample, [sum(map(run.weight, link)) for link in chain.links])


def _arrange(run: Run, chain: Chain, order: list[int]) -> None:
    arranged = chain.arranged(order) if order != sorted(order) else None
    if arranged is None:
        return
    rank = {number: place for place, link in enumerate(order) for number in chain.links[link]}
    places = [i for i, number in enumerate(run.stages) if number in rank]
    # Stable: within a condition a call inside another stays before it.
    ranked = sorted((run.stages[i] for i in places), key=rank.__getitem__)
    for place, number in zip(places, ranked, strict=True):
        run.stages[place] = number
    note = f"of {len(chain.links)} conditions with calls, number {order[0] + 1} is asked first"
    run.changed(arranged, "order_calls", note)
