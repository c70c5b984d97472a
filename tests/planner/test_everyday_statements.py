"""Statements with calls in every clause, drawn from a seed: planned, each has the rows, names, types, tables and class of
error of the plain path, and hardly one asks a model for more."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest

from support.everyday_statements import begin_anew, connections, statement
from support.outcomes import asks_more, both_outcomes, contents, difference
from support.splice_figures import Figures, planning_ms

N_STATEMENTS = int(os.environ.get("INLAY_N_STATEMENTS", "180"))
SEED = os.environ.get("INLAY_SEED", "everyday")
N_OF_A_TEST = 30


@pytest.mark.parametrize("first", range(0, N_STATEMENTS, N_OF_A_TEST))
def test_planned_is_plain(first: int, record_property: Any) -> None:
    pair, figures, others, more = connections(), Figures(), list[str](), list[str]()
    for seed in range(first, min(first + N_OF_A_TEST, N_STATEMENTS)):
        sql, changes = statement(Random(f"{SEED} {seed}"))
        plain, planned = both_outcomes(pair, sql)
        found = difference(plain, planned)
        if found is None and changes and plain.error is None and contents(pair[0]) != contents(pair[1]):
            found = "tables differ"
        if found is not None:
            others.append(f"{SEED} {seed}: {sql}\n    {found}")
        elif asks_more(plain, planned):
            more.append(f"{SEED} {seed}: {sql}\n    {planned.inferred}, not {plain.inferred}")
        figures.add(sql, plain, planned, found)
        if changes:
            begin_anew(pair)
        elif planned.error is None:
            figures.planned_in(sql, planning_ms(pair[1], sql))
    for con in pair:
        con.close()
    record_property("figures", figures.as_property())
    assert not others, "\n" + "\n".join(others)
    assert figures.n_more <= 2, "\n".join(more)
    assert figures.n_ahead >= 0.7 * figures.n_asking
