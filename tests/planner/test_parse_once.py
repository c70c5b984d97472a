"""A statement is tokenised and parsed once while it is planned, whatever the rules make of it; so is each view it reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from test_rules import fixtures

import inlay
from inlay.parsing.reading import parsed
from inlay.parsing.statement import Statement
from inlay.parsing.tokens import Text, words
from inlay.planner.lookups import named_columns
from inlay.planner.rules import RULES, TextRule
from support.plain_and_planned import make_tables

# Longer than any piece of text that a rule makes, so that lengths tell a whole statement from a part of one.
FILLER = f"select {', '.join(f'{i} as number_{i}' for i in range(400))}"
KINDS = "['bug', 'praise']"

STATEMENTS = {
    "one call": "select i, ai_sentiment(s) as mood from t where k = 1",
    "a column without a name": "select i, ai_sentiment(s) from t where i < 9",
    "several calls": f"select i, ai_sentiment(s) as m, ai_classify(s, {KINDS}) as c, ai_similarity(s, w) as d from t "
    "where ai_filter(s, 'long?', threshold := 0.0) and k = 1",
    "a call in a call": "select ai_embed(s || ai_sentiment(s))[1] as e from t where i < 9",
    "CTEs": "select b.i, b.l from (select a.i, length(a.m) as l from (select i, ai_sentiment(s) as m from t) a "
    "where a.i > 5) b where b.l > 3 order by b.i",
    "a join": "select t.i, ai_sentiment(t.s) as m from t join small on small.i = t.i",
    "a subquery that is joined": "select q.i, q.m from (select i, ai_sentiment(s) as m from t) q join small using (i)",
    "a call in ON": "select t.i from t join small on small.i = t.i and ai_similarity(t.s, t.w) > 0.1",
    "a join by a call": "select a.w, b.n from (select distinct w from t) a join (select distinct n from t) b "
    "on ai_similarity(a.w, b.n) > 0.5",
    "UNION": "select i, ai_sentiment(s) as m from t where k = 0 union all select i, ai_sentiment(w) from t where k = 1 "
    "limit 5",
    "LIMIT": "select i, ai_sentiment(s) as m from t order by i limit 7",
    "LIMIT with an early stop": "select i, ai_sentiment(w) as m from t where ai_filter(s, 'x', threshold := -1.0) "
    "order by i limit 7",
    "conditions in another order": "select i from t where ai_sentiment(w) = 'negative' or k = 1",
    "two conditions with calls": "select i, ai_sentiment(s) as m from t where ai_sentiment(w) = 'negative' "
    "and ai_filter(s, 'x', threshold := 0.0)",
    "an aggregate": "select k, ai_agg(s, 'what do they say?') as m from t where i < 100 group by k",
    "a schema": "select i, ai_extract(s, schema := 'a VARCHAR') as e from t where i < 50",
    "a schema that varies": "select i, ai_extract(s, schema := w || ' VARCHAR') as e from t where i < 5",
}


@pytest.fixture(scope="module")
def con() -> Iterator[Any]:
    with inlay.connect(model="fake", language_model="fake-generate", progress="off") as connection:
        make_tables(connection, 6_000)
        connection.execute(f"create view moods as with filler as ({FILLER}) select i, ai_sentiment(s) as mood from t")
        connection.execute("create view liked as select * from moods where mood = 'positive'")
        yield connection


class Counts:
    """How many whole statements were tokenised and parsed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tokenised = self.parsed = 0
        tokenize, parse = duckdb.tokenize, Dialect.parse

        def counted_tokenize(sql: str) -> Any:
            self.tokenised += len(sql) >= len(FILLER)
            return tokenize(sql)

        def counted_parse(dialect: Any, sql: str, **options: Any) -> Any:
            self.parsed += len(sql) >= len(FILLER)
            return parse(dialect, sql, **options)

        monkeypatch.setattr(duckdb, "tokenize", counted_tokenize)
        monkeypatch.setattr(Dialect, "parse", counted_parse)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    return Counts(monkeypatch)


def whole(sql: str) -> str:
    return f"with filler as ({FILLER}) {sql}"


@pytest.mark.parametrize("sql", STATEMENTS.values(), ids=STATEMENTS)
@pytest.mark.parametrize("way", ["execute", "sql"])
def test_once(con: Any, counts: Counts, way: str, sql: str) -> None:
    con._session.cache.clear()
    getattr(con, way)(whole(sql)).fetchall()
    assert (counts.tokenised, counts.parsed) == (1, 1)


@pytest.mark.parametrize(
    "sql", ["select i, ai_sentiment(s) as m from t where k = ? and i > ?", "select ai_sentiment($1) as m"]
)
def test_once_with_parameters(con: Any, counts: Counts, sql: str) -> None:
    con.execute(whole(sql), [1, 5] if "?" in sql else ["a"]).fetchall()
    assert (counts.tokenised, counts.parsed) == (1, 1)


def test_once_where_a_table_is_made(con: Any, counts: Counts) -> None:
    con.execute(f"create or replace table made as {whole(STATEMENTS['one call'])}")
    assert (counts.tokenised, counts.parsed) == (1, 1)


@pytest.mark.parametrize("sql", STATEMENTS.values(), ids=STATEMENTS)
def test_explain_too(con: Any, counts: Counts, sql: str) -> None:
    con.execute(f"explain {whole(sql)}").fetchall()
    assert counts.tokenised <= 2 and counts.parsed == 1


def test_each_view_once(con: Any, counts: Counts) -> None:
    con.execute(whole("select i, mood from moods where i < 100")).fetchall()
    assert counts.parsed == 2
    con.execute(whole("select a.i from liked a join small on small.i = a.i")).fetchall()
    assert counts.parsed == 4


@pytest.mark.parametrize("rule", [rule for rule in RULES if isinstance(rule, TextRule)], ids=lambda rule: rule.name)
def test_what_is_handed_on_is_what_would_be_read_anew(con: Any, rule: Any) -> None:
    """Words, tree and positions that went through a rule are those of the text that came out."""
    kept = 0
    for of, before, *_ in (each.values for each in fixtures()):
        if of is rule:
            statement = named_columns(Statement.read(before, con._session.called), lambda column: column)
            changed = rule.apply(statement)
            if changed is not None:
                kept += "tree" in changed[0].__dict__
                _assert_as_read_anew(changed[0])
    assert kept


def _assert_as_read_anew(statement: Statement) -> None:
    anew = parsed(str(statement.text))
    assert statement.tree == anew, statement.text
    for node, other in zip(_names(statement.tree), _names(anew), strict=True):
        if (where := statement.position(node)) is not None:
            assert where == (other.meta["start"], other.meta["end"] + 1), (node, statement.text)
    assert statement.words == words(str(statement.text))


def _names(tree: exp.Expr) -> list[exp.Identifier]:
    return list(tree.find_all(exp.Identifier))


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([(7, 8, "(x + 'y, z')")], "select (x + 'y, z'), b -- c\nfrom t"),
        ([(10, 11, 'b AS "c d"'), (7, 7, "distinct ")], 'select distinct a, b AS "c d" -- c\nfrom t'),
        ([(8, 8, "_json")], "select a_json, b -- c\nfrom t"),  # runs on into the word before it
        ([(7, 8, ""), (23, 23, " limit 1")], "select , b -- c\nfrom t limit 1"),
    ],
)
def test_words_of_a_spliced_text(pieces: list[tuple[int, int, str]], expected: str) -> None:
    text = Text("select a, b -- c\nfrom t")
    assert text.words
    made = text.spliced(pieces)
    assert made == expected
    assert made.words == words(expected)


def test_a_numbered_parameter_is_two_words_under_every_duckdb() -> None:
    assert [word.text for word in words("f($1, $22, $name, '$3')")] == [
        "f", "(", "$", "1", ",", "$", "22", ",", "$", "name", ",", "'$3'", ")",
    ]  # fmt: skip
