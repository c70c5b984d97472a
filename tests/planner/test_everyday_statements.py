"""Statements with calls in every clause, drawn from a seed: planned, each has the rows, names, types, tables and class of
error of the plain path."""

from __future__ import annotations

import os
from random import Random

import pytest

import inlay
from support.everyday_statements import TABLES, statement
from support.outcomes import Pair, both_outcomes, contents, difference

N_STATEMENTS = int(os.environ.get("INLAY_N_STATEMENTS", "180"))
SEED = os.environ.get("INLAY_SEED", "everyday")
N_OF_A_TEST = 30


def connections() -> Pair:
    made = []
    for _ in range(2):
        con = inlay.connect(model="fake", language_model="fake-generate", progress="off")
        con.execute(TABLES)
        made.append(con)
    return made[0], made[1]


@pytest.mark.parametrize("first", range(0, N_STATEMENTS, N_OF_A_TEST))
def test_planned_is_plain(first: int) -> None:
    pair = connections()
    others: list[str] = []
    n_plain = n_planned = n_answered = n_ahead = 0
    for seed in range(first, min(first + N_OF_A_TEST, N_STATEMENTS)):
        sql, changes = statement(Random(f"{SEED} {seed}"))
        plain, planned = both_outcomes(pair, sql)
        found = difference(plain, planned)
        if found is None and changes and contents(pair[0]) != contents(pair[1]):
            found = "tables differ"
        if found is not None:
            others.append(f"{SEED} {seed}: {sql}\n    {found}")
        elif plain.error is None:
            n_plain, n_planned = n_plain + plain.inferred, n_planned + planned.inferred
            n_answered, n_ahead = n_answered + 1, n_ahead + (planned.by_calls == 0)
        if changes:
            for con in pair:
                con.close()
            pair = connections()
    for con in pair:
        con.close()
    assert not others, "\n" + "\n".join(others)
    assert n_ahead >= 0.6 * n_answered
    assert n_planned <= 1.3 * n_plain
