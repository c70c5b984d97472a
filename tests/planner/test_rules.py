"""Each rule before and after: rules/<rule>.sql, in blocks of a title, a statement, and what the rule makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import inlay
from inlay.parsing.marks import unmarked
from inlay.parsing.statement import Statement
from inlay.planner.lookups import named_columns
from inlay.planner.rules import RULES, TextRule
from support.plain_and_planned import make_tables, same_both_ways

FOLDER = Path(__file__).parent / "rules"
AS_IT_IS = "-- as it is"
TEXT_RULES = [rule for rule in RULES if isinstance(rule, TextRule)]


def fixtures() -> Iterator[Any]:
    for rule in TEXT_RULES:
        for block in (FOLDER / f"{rule.name}.sql").read_text(encoding="utf-8").strip().split("\n\n"):
            title, _, statements = block.partition("\n")
            before, _, after = statements.partition("\n-- after\n")
            yield pytest.param(rule, before, after, id=f"{rule.name}: {title.removeprefix('-- ')}")


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", language_model="fake-generate", progress="off") as connection:
        make_tables(connection, 3_000)
        yield connection


@pytest.mark.parametrize(("rule", "before", "after"), list(fixtures()))
def test_before_and_after(con: Any, rule: Any, before: str, after: str) -> None:
    statement = named_columns(Statement.read(before, con._session.called), lambda column: column)
    changed = rule.apply(statement)
    made = AS_IT_IS if changed is None else unmarked(changed[0].text, changed[0].names)
    assert made == after
    if "w::int" not in before:  # which raises on its rows, as it is to do where a call lets it
        same_both_ways(con, before)
        if changed is not None:
            plain = con.duckdb.execute
            assert sorted(plain(after).fetchall(), key=repr) == sorted(plain(before).fetchall(), key=repr)


def test_every_rule_has_fixtures_where_it_does_something_and_where_it_must_not() -> None:
    assert {path.stem for path in FOLDER.glob("*.sql")} == {rule.name for rule in TEXT_RULES}
    for path in FOLDER.glob("*.sql"):
        afters = [block.rpartition("-- after\n")[2] for block in path.read_text(encoding="utf-8").split("\n\n")]
        assert any(AS_IT_IS in after for after in afters) and any(AS_IT_IS not in after for after in afters)
