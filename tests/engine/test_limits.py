"""What a session may spend: limits belong to the session, not to the settings that were given last."""

from __future__ import annotations

import duckdb
import pytest

import inlay
from inlay.errors import BudgetExceededError


def embed(con: duckdb.DuckDBPyConnection, prefix: str, n: int) -> int:
    sql = f"select count(ai_embed('{prefix} ' || i)) from range({n}) r(i)"
    return int(con.execute(sql).fetchall()[0][0])


def test_what_was_spent_counts_after_another_attach() -> None:
    # A notebook cell that attaches with a limit is run twice; the dbt plugin attaches with options each time.
    with inlay.connect(model="fake", max_rows=10) as con:
        assert embed(con, "a", 8) == 8
        inlay.attach(con, model="fake", max_rows=10)
        with pytest.raises(BudgetExceededError, match=r"max_rows.*10"):
            embed(con, "b", 8)
        assert embed(con, "c", 2) == 2


def test_a_higher_limit_leaves_what_is_left_of_it() -> None:
    with inlay.connect(model="fake", max_rows=10) as con:
        embed(con, "a", 8)
        inlay.attach(con, model="fake", max_rows=12)
        assert embed(con, "b", 4) == 4
        with pytest.raises(BudgetExceededError):
            embed(con, "c", 1)


def test_attaching_without_options_leaves_the_limit() -> None:
    with inlay.connect(model="fake", max_rows=10) as con:
        embed(con, "a", 8)
        inlay.attach(con)
        with pytest.raises(BudgetExceededError):
            embed(con, "b", 8)
