"""inlay.explain, EXPLAIN and inlay.sql: what a statement will ask, told beforehand, and what it then did."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

import inlay
from inlay.backends.fake import CALLS
from inlay.client.connection import Connection
from inlay.errors import ConfigError, NotAttachedError, UnknownModelError
from inlay.execution.records import CallWork
from inlay.explanation.report import WIDTH, Explanation, Stage
from support.installed_versions import DUCKDB

TICKETS = """
create table tickets as
select i as id, 'ticket about ' || ['parcels', 'refunds', 'love'][1 + i % 3] || ' ' || (i % 50) as body,
    ['mail', 'web'][1 + i % 2] as channel
from range(200) r(i)
"""
FILTER = "ai_filter(body, 'a complaint', threshold := 0.1)"


@pytest.fixture
def shop(con: Connection) -> Connection:
    con.execute(TICKETS)
    return con


def expected(said: Explanation) -> list[tuple[int, int, int, int]]:
    """(rows, distinct, known, to infer) of each stage."""
    return [
        (stage.expected.rows, stage.expected.distinct, stage.expected.known, stage.expected.to_infer)
        for stage in said.stages
        if stage.expected
    ]


def actual(said: Explanation) -> list[tuple[int, int, int, int]]:
    return [
        (stage.actual.rows, stage.actual.distinct, stage.actual.known, stage.actual.to_infer)
        for stage in said.stages
        if stage.actual
    ]


def ledger(con: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = con.execute(
        'select "function", "rows", distinct_inputs, known, inferred, tokens from inlay_ledger()'
    ).fetchall()
    return rows


# ------------------------------------------------------------------------------------------------ counted


def test_what_is_counted_is_what_the_statement_then_asks(shop: Connection) -> None:
    sql = "select id, ai_classify(body, ['a', 'b']) as k from tickets where channel = 'web'"
    said = inlay.explain(shop, sql)
    assert expected(said) == [(100, 75, 0, 75)]
    assert [stage.is_counted for stage in said.stages] == [True]
    assert said.reason == ""
    shop.sql(sql).fetchall()
    ((function, rows, distinct, known, inferred, tokens),) = ledger(shop)
    assert (function, rows, distinct, known, inferred) == ("ai_classify", *expected(said)[0])
    assert tokens == said.tokens == said.costs.models[0].all_tokens
    again = inlay.explain(shop, sql)
    assert expected(again) == [(100, 75, 75, 0)]
    assert again.costs.models == ()
    assert "Everything is known: no model runs." in str(again)


def test_nothing_runs_and_no_trace_is_left(shop: Connection, calls: dict[str, int], tmp_path: Path) -> None:
    store = tmp_path / "kept"
    with inlay.connect(model="fake", store=str(store)) as con:
        con.execute(TICKETS)
        con.execute("select ai_embed(body) from tickets limit 3").fetchall()
        before, files, ran = ledger(con), sorted(store.rglob("*")), dict(calls)
        con.explain("select ai_sentiment(body) from tickets where " + FILTER)
        con.execute("explain select ai_sentiment(body) from tickets").fetchall()
        con.explain(f"create table t as select {FILTER} as f from tickets")
        con.explain(f"copy (select {FILTER} from tickets) to '{tmp_path / 'x.csv'}'")
        assert ledger(con) == before
        assert sorted(store.rglob("*")) == files
        assert dict(calls) == ran
        assert not (tmp_path / "x.csv").exists()
        assert con.sql("select table_name from duckdb_tables()").fetchall() == [("tickets",)]
        assert con.sql("from inlay_errors()").fetchall() == []


def test_explaining_leaves_other_statements_of_the_session_alone(shop: Connection) -> None:
    """Whoever runs a statement while another is explained gets answers, not the explanation's guesses."""
    import threading

    stop, wrong = threading.Event(), []
    shop.execute("create table more as select 'text ' || i as body from range(3000) r(i)")

    def explain() -> None:
        cursor = shop.cursor()
        while not stop.is_set():
            cursor.explain("select ai_embed(body) from more")

    thread = threading.Thread(target=explain)
    thread.start()
    try:
        for i in range(20):
            found = shop.execute(f"select count(*) from tickets where ai_embed(body || {i}) is null").fetchall()
            wrong += [n for (n,) in found if n]
    finally:
        stop.set()
        thread.join()
    assert wrong == []


def test_a_second_call_over_the_same_texts_will_find_their_numbers(shop: Connection) -> None:
    said = shop.explain("select ai_embed(body), ai_classify(body, ['a', 'b']) from tickets")
    assert expected(said) == [(200, 150, 0, 150), (200, 150, 150, 0)]
    assert said.costs.models[0].inputs == 150 + 10  # two labels in five templates


def test_null_and_empty_tables(shop: Connection) -> None:
    assert expected(shop.explain("select ai_embed(b) from (values (null), (null), ('x')) t(b)")) == [(3, 1, 0, 1)]
    said = shop.explain("select ai_embed(body) from tickets where id < 0")
    assert expected(said) == [(0, 0, 0, 0)]
    assert "no model runs" in str(said)


def test_parameters_and_local_variables(shop: Connection) -> None:
    sql = "select ai_embed(body) from tickets where id < {}"
    assert expected(shop.explain(sql.format("$n"), {"n": 7})) == [(7, 7, 0, 7)]
    assert expected(shop.explain(sql.format("?"), [8])) == [(8, 8, 0, 8)]
    mine = pd.DataFrame({"body": ["a", "a", None]})
    assert expected(shop.explain("select ai_embed(body) from mine")) == [(3, 1, 0, 1)]
    assert len(mine) == 3


# ------------------------------------------------------------------------------------------------ estimated


def test_what_hangs_on_unknown_answers_is_estimated_and_says_by_what(shop: Connection) -> None:
    sql = f"select id, ai_embed(body || '!') from tickets where {FILTER}"
    first, second = shop.explain(sql).stages
    assert first.is_counted
    assert second.basis == ("150 answers of call 1 are not known yet; assumed here: half of them true",)
    assert second.expected is not None
    assert 60 <= second.expected.rows <= 140
    text = str(shop.explain(sql))
    assert re.search(r"2 +ai_embed\(body \|\| '!'\) +~\d+ +~\d+ +~0 +~\d+ +~[\d,]+ +estimated", text)
    assert "  2: 150 answers of call 1" in text
    # the same explanation twice
    assert text == str(shop.explain(sql))


def test_known_answers_speak_for_unknown_ones(shop: Connection) -> None:
    shop.execute(f"create table part as select id, {FILTER} as f from tickets where id < 60")
    ((share,),) = shop.execute("select avg(f::int) from part").fetchall()
    _, second = shop.explain(f"select ai_embed(body || '!') from tickets where {FILTER}").stages
    assert second.basis == ("90 answers of call 1 are not known yet; taken to be like 60 that are",)
    assert second.expected is not None
    assert abs(second.expected.rows / 200 - share) < 0.15  # 90 draws of 150: three standard deviations
    shop.execute(f"create table rest as select {FILTER} as f from tickets")
    ((passed,),) = shop.execute("select count(*) from rest where f").fetchall()
    _, second = shop.explain(f"select ai_embed(body || '!') from tickets where {FILTER}").stages
    assert second.is_counted
    assert second.expected is not None and second.expected.rows == passed


def test_known_texts_say_nothing_of_labels_that_no_model_has_read(shop: Connection) -> None:
    shop.execute("create table v as select ai_embed(body) as v from tickets")
    sql = "select ai_embed(body || '!') from tickets where ai_classify(body, ['new', 'labels']) = 'new'"
    _, second = shop.explain(sql).stages
    assert second.basis == ("150 answers of call 1 are not known yet; assumed here: each label as often as any other",)
    assert second.expected is not None and 60 <= second.expected.rows <= 140


@pytest.mark.parametrize(
    ("condition", "assumed"),
    [
        ("ai_score(body, 'urgent') > 0.5", "spread evenly from 0 to 1"),
        ("ai_sentiment(body) = 'positive'", "each label as often as any other"),
        ("list_contains(ai_classify_multi(body, ['a', 'b'], threshold := 0.1), 'a')", "each label for half of them"),
        ("ai_embed(body) is not null", "NULL"),
        ("try_ai_filter(body, 'x', threshold := 0.1).value", "half of them true"),
    ],
)
def test_assumptions(shop: Connection, condition: str, assumed: str) -> None:
    stages = shop.explain(f"select ai_embed(body || '!') from tickets where {condition}").stages
    assert [basis.rpartition("assumed here: ")[2] for basis in stages[1].basis] == [assumed]


def test_labels_of_the_models_own(shop: Connection) -> None:
    sql = "select ai_embed(body || '!') from tickets where ai_classify(body, model := 'fake-classify') is not null"
    _, second = shop.explain(sql).stages
    assert second.expected is not None and second.expected.rows == 200


def test_a_call_inside_a_call(shop: Connection) -> None:
    said = shop.explain("select ai_embed(body || ai_classify(body, ['a', 'b'])) from tickets")
    assert [stage.is_counted for stage in said.stages] == [True, False]
    assert expected(said) == [(200, 150, 0, 150), (200, 150, 0, 150)]


def test_stopping_early(shop: Connection) -> None:
    sql = f"select id from tickets where {FILTER} order by id limit 3"
    said = shop.explain(sql)
    assert expected(said) == [(64, 64, 0, 64)]
    assert not said.stages[0].is_counted  # whether 64 are enough hangs on their answers
    assert ("stop_early", "rows are asked in order until 3 pass") in [(rule.what, rule.note) for rule in said.rules]
    assert "EXISTS" not in said.shape
    assert "EXISTS" in said.runs_as
    shop.sql(sql).fetchall()
    assert shop.explain(sql).stages[0].is_counted


def test_which_condition_is_asked_first_may_only_show_when_it_runs(con: Connection) -> None:
    con.execute("create table many as select 'ticket about ' || i as body from range(12000) r(i)")
    sql = f"select body from many where {FILTER} and ai_filter(body || '!', 'in a hurry', threshold := 0.5)"
    said = con.explain(sql)
    assert [stage.is_counted for stage in said.stages] == [False, False]
    assert "decided when it runs, by a sample of rows" in str(said)
    assert str(con.explain(sql)) == str(said)  # in whatever order DuckDB's threads brought the rows
    assert said.stages[1].expected is not None
    assert abs(said.stages[1].expected.rows - 6000) < 300  # five standard deviations of a fair coin
    con.execute(sql).fetchall()
    assert [stage.is_counted for stage in con.explain(sql).stages] == [True, True]


def test_random_draws_are_no_count(shop: Connection) -> None:
    said = shop.explain("select ai_embed(body) from tickets where random() < 0.5")
    assert not said.stages and "picked at random" in said.plain[0].note
    (stage,) = shop.explain("select * from (select ai_embed(body) as v from tickets) where random() < 0.5").stages
    assert stage.is_counted and stage.expected is not None and stage.expected.rows == 200


# ------------------------------------------------------------------------------------------------ plain path


@pytest.mark.skipif(DUCKDB < 2, reason="the sqlglot of its age reads 5!")
def test_a_statement_that_runs_as_it_is_says_why(shop: Connection) -> None:
    said = shop.explain("select 5! as n, ai_classify(body, ['mail', 'web']) as channel from tickets")
    assert str(said).startswith("Not planned: sqlglot does not read the statement")
    assert (said.stages, said.rows, said.runs_as) == ((), 200, said.statement)
    assert "for about 200 rows by DuckDB's estimate" in str(said)
    assert str(shop.explain("select 42")).startswith("Not planned: it calls no function of inlay's.\n\n")


def test_a_call_that_stays_on_the_plain_path_says_why(shop: Connection) -> None:
    said = shop.explain(
        "select list_reduce([body, body], lambda x, y: ai_sentiment(x)) as s, ai_embed(body) as v from tickets"
    )
    assert [(step.what, step.note) for step in said.plain] == [("ai_sentiment(x)", "it is inside a lambda")]
    assert expected(said) == [(200, 150, 0, 150)]
    assert "1 call answered ahead of the statement, by fake; 1 made as rows come" in str(said)


def test_rows_behind_a_call_on_the_plain_path_cannot_be_told(shop: Connection, calls: dict[str, int]) -> None:
    sql = """
        with t as (select *, list_reduce([body, body], lambda x, y: ai_sentiment(x)) as s from tickets)
        select ai_embed(body) from t where s = 'positive'
    """
    (stage,) = shop.explain(sql).stages
    assert stage.expected is None
    assert stage.basis == ("its input rows depend on ai_sentiment(x), which is called while the rows come",)
    assert re.search(r"1 +ai_embed\(body\) +\? +\? +\? +\? +\? +unknown", str(shop.explain(sql)))
    assert not calls


@pytest.mark.parametrize(
    "sql",
    [
        """
        select count(*) from tickets, (select 'web' as channel) w
        where tickets.channel = w.channel and ai_sentiment(ai_classify(body, ['a', 'b'])) = 'positive'
        and ai_sentiment(body || '!') = 'negative'
        """,
        """
        with q as (select ai_sentiment(body) as body, count(*) as n from tickets group by body)
        select ai_classify(body, ['a', 'b']) from q
        """,
    ],
    ids=["of another's answer, over a join", "by the name of what it groups by"],
)
def test_calls_that_stay_calls_are_not_made(shop: Connection, calls: dict[str, int], sql: str) -> None:
    said = shop.explain(sql)
    assert not calls
    assert "which is called while the rows come" in said.stages[-1].basis[0]
    assert "ai_sentiment(" in said.shape


def test_mistakes_are_told_as_running_would(shop: Connection) -> None:
    with pytest.raises(duckdb.BinderException, match="nope"):
        shop.explain("select ai_embed(nope) from tickets")
    with pytest.raises(duckdb.CatalogException, match="nope"):
        shop.explain("select ai_embed(body) from nope")
    with pytest.raises(duckdb.ParserException):
        shop.explain("select ai_embed(")
    with pytest.raises(UnknownModelError, match="no model named 'nope'"):
        shop.explain("select ai_embed(body, model := 'nope') from tickets")
    with pytest.raises(ConfigError, match="takes one statement; this text has 2"):
        shop.explain("select 1; select 2")


# ------------------------------------------------------------------------------------------------ analyze


def test_analyze_sets_what_was_done_beside_what_was_expected(shop: Connection) -> None:
    sql = f"create table t as select id, ai_embed(body || '!') as v from tickets where {FILTER}"
    said = shop.explain(sql, analyze=True)
    assert said.ran
    assert actual(said)[0] == expected(said)[0] == (200, 150, 0, 150)
    ((n,),) = shop.execute("select count(*) from t").fetchall()
    assert actual(said)[1][0] == n
    assert [(row[0], row[1]) for row in ledger(shop)] == [("ai_filter", 200), ("ai_embed", n)]
    assert sum(stage.actual.tokens for stage in said.stages if stage.actual) == sum(row[-1] for row in ledger(shop))
    assert re.search(r"\n +200 +150 +0 +150 +[\d,]+ +<?[\d.]+ s +actual\n", str(said))
    assert said.actual == CallWork() or said.actual is None or said.actual.rows == 0
    assert [key for key, _ in said.plans] == ["analyzed_plan"]


@pytest.mark.skipif(DUCKDB < 2, reason="the sqlglot of its age reads 5!")
def test_analyze_of_calls_that_were_made_as_rows_came(shop: Connection) -> None:
    said = shop.explain("select 5! as n, ai_classify(body, ['mail', 'web']) as channel from tickets", analyze=True)
    assert said.actual is not None
    assert (said.actual.rows, said.actual.to_infer) == (200, 150)
    assert "as rows came: 200 rows, 150 distinct, 0 known, 150 inferred" in str(said)


def test_of_a_statement_that_writes_the_query_inside_is_planned_and_the_whole_shown(shop: Connection) -> None:
    before = shop.sql("from tickets order by all").fetchall()
    said = shop.explain("update tickets set channel = ai_classify(body, ['mail', 'web']) where body is not null")
    assert [stage.call for stage in said.stages] == ["ai_classify(body, ['mail', 'web'])"]
    assert said.shape.startswith("update tickets set channel = answer_1(body)")
    assert shop.sql("from tickets order by all").fetchall() == before


def test_targets_are_an_upper_bound_and_their_proxy_is_told_apart(con: Connection) -> None:
    con.execute("create table many as select 'ticket about ' || i as body from range(2000) r(i)")
    condition = """ai_filter(body, 'angry', model := 'fake-nli', recall := 0.9, "precision" := 0.9)"""
    said = con.explain(f"select body from many where {condition}", analyze=True)
    (stage,) = said.stages
    assert stage.model == "fake-nli"
    assert not stage.is_counted
    assert "no more" in stage.basis[0]
    assert stage.expected is not None and stage.actual is not None
    assert stage.actual.to_infer <= stage.expected.to_infer == 2000
    assert [model for model, _ in stage.beside] == ["fake"]
    assert "by the proxy fake" in str(said)


# ------------------------------------------------------------------------------------------------ EXPLAIN


@pytest.mark.parametrize("word", ["explain", "/* why */ EXPLAIN", "Explain Analyze"])
def test_explain_in_sql(shop: Connection, word: str) -> None:
    sql = f"{word} select ai_embed(body) from tickets"
    keys, texts = zip(*shop.execute(sql).fetchall(), strict=True)
    plan = "analyzed_plan" if "nalyze" in word else "physical_plan"
    assert keys == ("inlay", plan)
    assert texts[0].startswith("Planned: 1 call answered ahead of the statement, by fake.")
    relation = shop.sql(sql)
    assert relation.columns == ["explain_key", "explain_value"]
    assert [row[0] for row in relation.fetchall()] == ["inlay", plan]
    assert repr(relation).startswith("Planned: 1 call")
    assert "<table" in relation._repr_mimebundle_()["text/html"]


def test_explain_shows_itself(shop: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    shop.sql("explain select ai_embed(body) from tickets").show()
    assert capsys.readouterr().out.startswith("Planned: 1 call")


def test_explain_of_other_statements_is_duckdbs(shop: Connection) -> None:
    assert [key for key, _ in shop.execute("explain select 42").fetchall()] == ["physical_plan"]
    ((key, text),) = shop.execute("explain (format json) select ai_embed(body) from tickets").fetchall()
    assert (key, text.strip()[0]) == ("physical_plan", "[")


def test_explain_after_other_statements_and_with_parameters(shop: Connection) -> None:
    text = shop.execute("create table u as from tickets; explain select ai_embed(body) from u").fetchall()[0][1]
    assert "200" in text
    (first, _) = shop.execute("explain select ai_embed(body) from tickets where id < ?", [5]).fetchall()
    assert re.search(r"ai_embed\(body\) +5 +5 +0 +5", first[1])


# ------------------------------------------------------------------------------------------------ what is read


def test_text_is_aligned_and_fits(shop: Connection) -> None:
    said = shop.explain(
        "select id, ai_classify(body, ['a', 'b', 'c', 'd'], template := 'a text about {label}, of all things') as k, "
        "ai_classify(body, model := 'fake-classify') as s from tickets "
        f"where {FILTER} and not ai_filter(body || channel, 'this is rather long and will be cut', threshold := 0.2)"
    )
    head, _, rest = str(said).partition("\n\nRuns as\n")
    lines = head.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert "…" in head
    table = [line for line in lines if line.endswith(("counted", "estimated"))]
    assert len(table) == 4
    assert len({line.rindex("  ") for line in table}) == 1  # the last column begins where it begins
    assert "fake-classify" in head
    assert "answer_1(" in rest


def test_a_notebook_gets_a_tree_of_escaped_text() -> None:
    said = Explanation(
        statement="s", runs_as="select '<script>alert(1)</script>' & \"x\"", shape="answer_1('<b>')",
        stages=(Stage(1, "ai_filter(body, '<img src=x>')", "<i>m</i>", CallWork(1, 1, 0, 1), ("<u>",)),),
        plans=(("physical_plan", "<pre>"),), ran=True,
    )  # fmt: skip
    page = said._repr_html_()
    tags: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert {name for name, _ in attrs} <= {"style", "open"}

        def handle_endtag(self, tag: str) -> None:
            assert tags.pop() == tag

    Parser().feed(page)
    assert not tags
    assert not re.search(r"<(script|img|i|u|b)\b", page)
    # Colours are the page's: neither black on black nor white on white.
    assert not re.search(r"(?<!-)color:(?!inherit)|background:(?!none)|#[0-9a-f]{3}", page)


def test_seconds_by_earlier_runs_and_limits(tmp_path: Path) -> None:
    with inlay.connect(model="fake", store=str(tmp_path / "kept"), max_rows=500) as con:
        con.execute("create table t as select 'text ' || i as body from range(2000) r(i)")
        assert con.explain("select ai_embed(body) from t limit 5").costs.models[0].seconds is None
        con.execute("select ai_embed(body) from t limit 400").fetchall()
        con._session.close_account()
        said = con.explain("select ai_embed(body || '!') from t")
        assert said.costs.models[0].seconds is not None
        assert said.costs.models[0].source.startswith("by earlier runs on this machine")
        assert "would stop: max_rows is 500" in str(said)


# ------------------------------------------------------------------------------------------------ inlay.sql


@pytest.fixture
def plain() -> Any:
    with duckdb.connect() as con:
        inlay.attach(con, model="fake")
        con.execute(TICKETS)
        yield con


def test_sql_plans_on_a_plain_connection(plain: duckdb.DuckDBPyConnection) -> None:
    CALLS.clear()
    sql = f"select id from tickets where channel = 'web' and {FILTER} order by id limit 3"
    assert len(inlay.sql(plain, sql).fetchall()) == 3
    assert CALLS["rows"] == 64 + 1  # the criterion
    inlay.sql(plain, "create table t as select ai_embed(body) as v from tickets")
    assert inlay.sql(plain, "select count(v) from t").fetchall() == [(200,)]
    assert inlay.sql(plain, "select ai_embed(body) is null from tickets where id = $i", params={"i": 1}).fetchall() == [
        (False,)
    ]


def test_sql_reads_the_callers_variables_wherever_it_runs(plain: duckdb.DuckDBPyConnection) -> None:
    def made(sql: str) -> Any:
        mine = pd.DataFrame({"body": ["a", "a", None]})
        assert len(mine) == 3
        return inlay.sql(plain, sql)

    assert made("select count(*) from mine").fetchall() == [(3,)]
    relation = made("select ai_embed(body) is null from mine")
    assert relation.fetchall() == [(False,), (False,), (True,)]
    assert "false" in repr(relation)
    assert plain.sql("select count(*) from relation").fetchall() == [(3,)]


def test_sql_on_cursors_and_on_inlays_own_connection(plain: duckdb.DuckDBPyConnection, con: Connection) -> None:
    sql = "select ai_classify('x', ['x', 'y'], model := 'fake')"
    with plain.cursor() as cursor:
        assert inlay.sql(cursor, sql).fetchall() == [("x",)]
        assert inlay.explain(cursor, sql).stages[0].is_counted
    assert inlay.sql(con, sql, alias="t").alias == "t"


def test_sql_says_what_is_missing() -> None:
    with duckdb.connect() as con:
        with pytest.raises(NotAttachedError, match=r"sql: .* Type first: inlay.attach\(con\)"):
            inlay.sql(con, "select 1")
        with pytest.raises(NotAttachedError, match="explain: "):
            inlay.explain(con, "select 1")
    with pytest.raises(ConfigError, match="'str' object is not a DuckDB connection"):
        inlay.sql("shop.duckdb", "select 1")


def test_language_models_are_explained_without_asking_them(calls: dict[str, int]) -> None:
    prices = {"cost_per_million_tokens": 2.0, "cost_per_million_output_tokens": 8.0}
    settings = {"language_model": "gpt", "models": {"gpt": {"source": "fake:generate", **prices}}}
    with inlay.connect(model="fake", **settings) as con:
        con.execute("create table t as select i, 'text ' || i % 200 as s from range(2000) r(i)")
        said = str(
            inlay.explain(
                con,
                "select i, ai_extract(s, ['a', 'b']).a, ai_classify(s, ['x', 'y'], model := 'gpt') k, "
                "ai_sentiment_by_aspect(s, ['price']) p, ai_summarize(s) from t "
                "where ai_filter(s, 'good', model := 'gpt') order by i limit 50",
            )
        )
        assert not calls["rows"]
        for call in ("ai_extract", "ai_classify", "ai_sentiment_by_aspect", "ai_summarize", "ai_filter"):
            assert call in said
        assert "ost" in said  # money, by both prices
