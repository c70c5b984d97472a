"""What a person is told when something is wrong, and that nothing is lost by it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

import inlay
from inlay.backends import fake
from inlay.client.connection import Connection
from inlay.errors import (
    CannotServeError,
    ConfigError,
    ModelNotFoundError,
    RowsFailedError,
    UnknownModelError,
)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            "ai_embed('x', model := 'minlm')",
            UnknownModelError,
            r"ai_embed: no model named 'minlm'.*Did you mean 'minilm'",
        ),
        ("ai_embed('x', {'modle': 'fake'})", ConfigError, r"ai_embed: no option named 'modle'.*Did you mean 'model'"),
        ("ai_embed('x', task := 'both')", ConfigError, r"task is 'both'; it must be 'document' or 'query'"),
        ("ai_embed('x', on_error := 'ignore')", ConfigError, r"on_error is 'ignore'; it must be 'null' or 'raise'"),
        ("ai_embed(['x'])", ConfigError, r"text is of type list.*must be VARCHAR"),
        ("ai_classify('x', [])", ConfigError, r"labels is empty"),
        ("ai_classify('x', NULL)", ConfigError, r"labels is NULL"),
        ("ai_classify('x', 'bug')", ConfigError, r"labels is 'bug'; it must be a list"),
        ("ai_classify('x', ['a', NULL])", ConfigError, r"labels holds None"),
        ("ai_classify('x', ['a', ' '])", ConfigError, r"labels holds ' '"),
        ("ai_classify('x', [1, 2])", ConfigError, r"labels holds 1"),
        ("ai_classify('x', ['a', 'b', 'a'])", ConfigError, r"labels holds 'a' twice"),
        ("ai_classify('x', [{'label': 'a', 'text': 'b'}])", ConfigError, r"a label has the fields label, text"),
        (
            "ai_classify('x', ['a'], template := 'about it')",
            ConfigError,
            r"template is 'about it'; it must contain {label}",
        ),
        (
            "ai_classify('x', ['a'], model := 'fake-classify')",
            CannotServeError,
            r"knows the labels alpha, beta, gamma, not 'a'",
        ),
        ("ai_classify('x', ['a'], model := 'fake-rerank')", CannotServeError, r"ai_classify needs an embedding model"),
        ("ai_classify_multi('x', ['a'])", ConfigError, r"threshold is missing"),
        (
            "ai_classify_multi('x', ['a'], threshold := 7)",
            ConfigError,
            r"threshold is 7; it must be a number from -1 to 1",
        ),
        ("ai_filter('x', 'y')", ConfigError, r"threshold is missing. 'fake' is an embedding model"),
        ("ai_filter('x', 'y', model := 'fake-classify')", CannotServeError, r"ai_filter needs an NLI model"),
        (
            "ai_sentiment('x', model := 'fake-classify')",
            CannotServeError,
            r"labels alpha, beta, gamma.*Use ai_classify",
        ),
        ("ai_rerank('x', 'y')", CannotServeError, r"ai_rerank needs a cross-encoder.*ai_similarity"),
        ("ai_similarity('x', 'y', model := 'fake-nli')", CannotServeError, r"needs an embedding model"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_what_to_type(
    con: Connection, call: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        con.sql(f"select {call}").fetchall()
    # Bad input stops that statement alone.
    assert con.sql("select ai_count_tokens('ab')").fetchall() == [(3,)]


@pytest.mark.parametrize("way", ["sql", "execute"])
@pytest.mark.parametrize(
    ("statement", "message", "place"),
    [
        (
            "select ai_embed('x', modle := 'fake')",
            "ai_embed: no argument named 'modle'. Did you mean 'model'? Known: model, on_blank, on_error, task, text.",
            "ai_embed('x', modle := 'fake')",
        ),
        (
            "select 1,\n  ai_sentiment(ai_sentiment('x', 'a, b')::varchar, ON_EROR => 'raise') as s",
            "ai_sentiment: no argument named 'on_eror'. Did you mean 'on_error'?",
            "ai_sentiment(ai_sentiment('x', 'a, b')::varchar, ON_EROR => 'raise')",
        ),
        (
            "select try_ai_filter('x', 'y', 0.5), inlay.ai_rerank('x', qurey := 'y')",
            "ai_rerank: no argument named 'qurey'. Did you mean 'query'?",
            "inlay.ai_rerank('x', qurey := 'y')",
        ),
        (
            "select ai_similarity('x')",
            "ai_similarity: b must be given. It takes a, b, model, on_error, on_blank.",
            "ai_similarity('x')",
        ),
        (
            "select ai_similarity('x', a := 'y')",
            "ai_similarity: a is given twice, by its place and by its name.",
            "ai_similarity('x', a := 'y')",
        ),
        (
            "select ai_count_tokens('x', 'fake', 'raise', 'ask', 'null')",
            "ai_count_tokens: 5 arguments are given. It takes text, model, on_error.",
            "ai_count_tokens('x', 'fake', 'raise', 'ask', 'null')",
        ),
        ("select own(1, c := 2)", "own: no argument named 'c'. Known: a, group.", "own(1, c := 2)"),
        ("from inlay_ledger(run := 1)", "inlay_ledger takes no arguments.", None),
        ("from inlay_train('x', nmae := 3)", "inlay_train: no argument named 'nmae'. Did you mean 'name'?", None),
    ],
)
def test_a_wrong_argument_is_named_with_those_that_there_are(
    con: Connection, way: str, statement: str, message: str, place: str | None
) -> None:
    con.execute("create macro own(a, \"group\" := ',') as a")
    with pytest.raises(duckdb.BinderException) as caught:
        getattr(con, way)(statement).fetchall()
    first, _, rest = str(caught.value).partition("\n\n")
    assert first.startswith(f"Binder Error: {message}")
    assert way == "sql" or place is None or place in rest  # DuckDB tells no place of a relation, nor of a table macro
    with pytest.raises(duckdb.BinderException, match="Candidate macros"):  # which are these
        con.duckdb.execute(statement)


def test_where_the_text_does_not_tell_the_argument_duckdb_says_what_it_says(con: Connection) -> None:
    con.execute("create macro either(a) as a, (a, b) as b")
    con.execute("create macro around(a) as ai_embed(a)")
    con.execute("create or replace temp macro ai_embed(a, b) as a")
    for statement in ("select either(1, 2, 3)", "select around('x')"):
        with pytest.raises(duckdb.BinderException, match="does not support the supplied arguments"):
            con.sql(statement).fetchall()


def test_a_failed_row_is_null_and_listed_and_its_neighbours_are_answered(con: Connection) -> None:
    con.execute(
        "create table t as select * from (values (1, 'good'), (2, 'x <<fail>>'), (3, NULL), (4, 'fine')) v(id, s)"
    )
    rows = con.sql("select id, ai_classify(s, ['a', 'b']) from t order by id").fetchall()
    assert [value is None for _, value in rows] == [False, True, True, False]
    assert con.sql("from inlay_errors()").fetchall() == [
        ("ai_classify", "fake", "x <<fail>>", "ValueError: the fake model was asked to fail")
    ]
    ledger = con.sql('select "rows", distinct_inputs, inferred, failed from inlay_ledger()').fetchall()
    assert ledger == [(4, 3, 2, 1)]


def test_try_gives_the_reason_beside_the_value(con: Connection) -> None:
    [(answer,)] = con.sql("select try_ai_embed('<<fail>>')").fetchall()
    assert answer == {
        "value": None,
        "error": "ValueError: the fake model was asked to fail",
        "confidence": None,
        "model": "fake",
        "cached": False,
    }


@pytest.mark.parametrize(
    ("sql", "asked"),
    [
        ("select ai_embed(s, on_error := 'raise') from t", 8),
        ("create table u as select ai_classify(s, ['a', 'b'], on_error := 'raise') as v from t", 8),
        ("select count(*) from t where ai_filter(s, 'x', threshold := 0.1, on_error := 'raise')", 8),
        ("select s from t where i < 5 and ai_embed(s, on_error := 'raise') is null", 5),
    ],
)
def test_raise_asks_a_failed_input_once_and_lists_it_once(
    con: Connection, monkeypatch: pytest.MonkeyPatch, sql: str, asked: int
) -> None:
    con.execute("create table t as select i, if(i % 5 = 4, '<<fail>> ', 'text ') || i as s from range(8) r(i)")
    alone: list[str] = []
    work = fake._work

    def noted(texts: Sequence[str], n_tokens: int) -> None:
        alone.extend(texts if len(texts) == 1 else ())
        work(texts, n_tokens)

    monkeypatch.setattr(fake, "_work", noted)
    for times in (1, 2):  # and again, where the statement runs again
        with pytest.raises(RowsFailedError, match="1 distinct input failed: '<<fail>> 4"):
            con.execute(sql).fetchall()
        assert sum(text.startswith("<<fail>> 4") for text in alone) == times
        assert con.execute("select count(*) from inlay_errors()").fetchall() == [(times,)]
        (rows,) = con.execute('select sum("rows") from inlay_ledger()').fetchall()[0]
        assert rows == times * asked


def test_a_row_that_failed_and_is_not_needed_stops_nothing(con: Connection) -> None:
    con.execute("create table t as select i, if(i = 3, '<<fail>> ', 'text ') || i as s from range(8) r(i)")
    query = "select ai_embed(s, on_error := 'raise') is null from t limit 2"
    assert con.execute(query).fetchall() == [(False,), (False,)]


def test_raise_names_up_to_five_of_the_rows(con: Connection) -> None:
    query = "select ai_embed('<<fail>> ' || i, on_error := 'raise') from range(7) t(i)"
    with pytest.raises(
        RowsFailedError, match=r"7 distinct inputs failed.*'<<fail>> 4'.*and 2 more.*inlay_errors\(\)"
    ) as caught:
        con.sql(query).fetchall()
    assert "<<fail>> 5" not in str(caught.value)


def test_a_text_beyond_the_limit_is_cut_and_counted_or_fails_as_declared() -> None:
    models = {
        "cut": {"source": "fake:embed", "backend": "fake", "max_tokens": 4},
        "strict": {"source": "fake:embed", "backend": "fake", "max_tokens": 4, "too_long": "error"},
    }
    with inlay.connect(model="cut", models=models) as con:
        same = con.sql("select ai_embed('abcdef') = ai_embed('abc')").fetchall()
        assert same == [(True,)]
        assert con.sql("select sum(truncated)::int from inlay_ledger()").fetchall() == [(1,)]
        strict = con.sql("select ai_embed('abcdef', model := 'strict'), ai_embed('abc', model := 'strict') is not null")
        assert strict.fetchall() == [(None, True)]
        assert con.sql("select error from inlay_errors()").fetchall() == [
            ("the text has at least 7 tokens; model 'strict' reads 4 and too_long = 'error' is set",)
        ]


def test_a_missing_model_offline_fails_and_says_where_it_looked() -> None:
    with inlay.connect(models={"gone": "hub:nobody/nothing"}) as con, pytest.raises(ModelNotFoundError) as caught:
        con.sql("select ai_embed('x', model := 'gone')").fetchall()
    said = str(caught.value)
    for part in ("'gone'", "nobody/nothing", "HF_HUB_OFFLINE is set", "hf download nobody/nothing"):
        assert part in said


@pytest.mark.weights
def test_nothing_leaves_the_machine_with_a_local_model(tmp_path: Path) -> None:
    # Every way out of a Python process goes through socket.connect or name resolution; both end the process here.
    code = """
import os, socket, sys
def refuse(*args, **kwargs):
    print("network:", args, file=sys.stderr)
    os._exit(3)
sys.addaudithook(lambda event, args: refuse(event, args)
                 if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname") else None)
import inlay
with inlay.connect(progress="off") as con:
    print(con.sql("select ai_classify('where is my parcel?', ['delivery', 'praise'])").fetchall())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (ran.returncode, ran.stdout) == (0, "[('delivery',)]\n"), ran.stderr


def test_the_guard_of_the_test_above_does_catch_a_connection() -> None:
    events: list[str] = []
    sys.addaudithook(lambda event, args: events.append(event) if event == "socket.connect" else None)
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, socket.create_connection(listener.getsockname()):
        pass
    assert events


@pytest.mark.parametrize(("max_tokens", "n_cut"), [(2, 1), (60, 0)])
def test_a_reply_that_its_caller_limits_is_counted_where_it_is_cut(max_tokens: int, n_cut: int) -> None:
    with inlay.connect(model="fake-generate") as con:
        call = f"ai_complete('What are the colours of a rainbow?', max_tokens := {max_tokens})"
        assert None not in con.execute(f"select {call}").fetchone()
        assert con.execute("select truncated, failed from inlay_ledger()").fetchall() == [(n_cut, 0)]
