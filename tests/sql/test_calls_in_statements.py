"""Where a statement calls inlay's functions, and when what it asks of its models has changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

import inlay
from inlay.execution.session import Session
from inlay.explanation.call_digests import calls_digest, configured_model
from inlay.parsing.calls import find_calls, guarded
from inlay.settings.read import read_settings

NAMES = {"ai_embed", "try_ai_embed", "ai_classify", "ai_filter"}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select ai_embed(body) from t", ["ai_embed(body)"]),
        ("select AI_Embed( body ) , id from t", ["AI_Embed( body )"]),
        ("select ai_embed (body) from t", ["ai_embed (body)"]),
        ("select ai_embed\r\n\t(\r\n body\r\n)\r\nfrom t", ["ai_embed\r\n\t(\r\n body\r\n)"]),
        ("select ai_embed(\rbody\r)", ["ai_embed(\rbody\r)"]),
        ("select ((ai_embed(lower(trim(a)))))[1], (b)", ["ai_embed(lower(trim(a)))"]),
        ("select ai_embed(a), x(ai_embed(b)) from t", ["ai_embed(a)", "ai_embed(b)"]),
        # the outermost call alone: it is the one that is guarded
        ("select ai_embed(ai_classify(body, ['a', 'b'])) from t", ["ai_embed(ai_classify(body, ['a', 'b']))"]),
        # not a call
        ("select ai_embed, my_ai_embed(x), ai_embedded(x), 'ai_embed(x)' from ai_embed", []),
        ("-- ai_embed(a)\nselect 1 /* ai_embed(b) */", []),
        ("select $$ ai_embed(x) $$, $q$ ai_embed(y) $$ $q$", []),
        # a bracket or a quote that is none
        ("select ai_embed(a -- ( it's\n, task := 'query'), (b)", ["ai_embed(a -- ( it's\n, task := 'query')"]),
        ("select ai_embed /* ( ' */ (a), (b)", ["ai_embed /* ( ' */ (a)"]),
        ("select ai_filter(a, 'is it :) -- or :( ?'), (b)", ["ai_filter(a, 'is it :) -- or :( ?')"]),
        ("select ai_filter(a, 'it''s (fine'), (b)", ["ai_filter(a, 'it''s (fine')"]),
        (r"select ai_filter(a, E'it\'s (fine'), (b)", [r"ai_filter(a, E'it\'s (fine')"]),
        ("select ai_filter(a, $$it's (fine$$), (b)", ["ai_filter(a, $$it's (fine$$)"]),
        ("select ai_filter(a, $q$ $$ (( $q$), (b)", ["ai_filter(a, $q$ $$ (( $q$)"]),
        ('select ai_embed("a (b"), "c)"', ['ai_embed("a (b")']),
        ('select ai_embed("say ""(hi"), "c)"', ['ai_embed("say ""(hi")']),
        # text whose characters are longer than a byte, before, in and after it
        (
            "select 'æ😀', ai_filter(\"spaltë\", 'größer (als)'), 'ß' from \"tä\"",
            ["ai_filter(\"spaltë\", 'größer (als)')"],
        ),
        # quoted names, schemas
        ('select "ai_embed"(a), inlay.ai_embed(b)', ['"ai_embed"(a)', "inlay.ai_embed(b)"]),
        ('select "inlay"."main".ai_embed(b)::float[8]', ['"inlay"."main".ai_embed(b)']),
        ("select try_ai_embed(a).value, t.id", ["try_ai_embed(a)"]),
        ("select {'x': ai_embed(a)}, [ai_embed(b)]", ["ai_embed(a)", "ai_embed(b)"]),
        # a bracket too few reaches to the end, one too many ends nothing else
        ("select ai_embed(lower(a) from t", ["ai_embed(lower(a) from t"]),
        ("select ai_embed(a)) from t", ["ai_embed(a)"]),
        ("select ai_embed(", ["ai_embed("]),
        ("ai_embed", []),
        ("", []),
    ],
)
def test_find_calls(sql: str, expected: list[str]) -> None:
    found = find_calls(sql, NAMES)
    assert [call.text for call in found] == expected
    assert [sql[call.start : call.end] for call in found] == expected


def test_find_calls_names_the_function() -> None:
    calls = find_calls('select inlay.AI_EMBED(a), "try_ai_embed"(b)', NAMES)
    assert [call.function for call in calls] == ["ai_embed", "try_ai_embed"]


def test_a_guarded_call_is_made_where_the_condition_holds_and_nowhere_else() -> None:
    asked: list[str] = []

    def ai_embed(text: str) -> dict[str, str]:
        asked.append(text)
        return {"value": text.upper()}

    sql = """
        -- it's (all) ai_embed(
        select id, 'ü (' as mark, ai_embed(body).value as whole, ai_embed(lower(body)).value[1:2] as part,
            $$ ai_embed(body) $$ as quoted
        from (values (1, 'one'), (2, 'two'), (3, 'three')) t(id, body)
        order by id
    """
    with duckdb.connect() as con:
        con.create_function("ai_embed", ai_embed, ["VARCHAR"], "STRUCT(value VARCHAR)", side_effects=True)
        found = con.sql(guarded(sql, "id >= 2", NAMES)).fetchall()
    quoted = " ai_embed(body) "
    assert found == [
        (1, "ü (", None, None, quoted),
        (2, "ü (", "TWO", "TW", quoted),
        (3, "ü (", "THREE", "TH", quoted),
    ]
    assert sorted(asked) == ["three", "three", "two", "two"]
    assert guarded("select 1 -- ai_embed(x)", "id >= 2", NAMES) == "select 1 -- ai_embed(x)"


BASE = "select id, ai_classify(body, ['late', 'broken'], template := 'It is {label}.') as topic from t where id > 3"


def session(**options: Any) -> Session:
    return Session(read_settings({"model": "fake", **options}, environment={}))


@pytest.mark.parametrize(
    "sql",
    [
        BASE.replace("where id > 3", "where id > 4 and 'ai_classify(x)' <> ''"),
        BASE.replace("id, ", "id, upper(title) as title, "),
        BASE.replace("'broken'], ", "'broken'],\r\n\t   "),
        BASE.replace("'broken'], ", "'broken'] /* of two */ , -- that's (it\n"),
        "-- said anew\n" + BASE.replace("as topic", "as subject"),
    ],
    ids=["where", "columns", "white space", "comments", "alias"],
)
def test_the_digest_stays(sql: str) -> None:
    assert calls_digest(session(), sql) == calls_digest(session(), BASE)


@pytest.mark.parametrize(
    "sql",
    [
        BASE.replace("'late'", "'delayed'"),
        BASE.replace("'late'", "'late  '"),
        BASE.replace("'late', 'broken'", "'broken', 'late'"),
        BASE.replace("It is", "It  is"),
        BASE.replace("'It is {label}.'", "'It is {label}. -- really'"),
        BASE.replace(", template := 'It is {label}.'", ""),
        BASE.replace(".')", ".', model := 'fake-nli')"),
        BASE.replace("body", "lower(body)"),
        BASE.replace("ai_classify", "try_ai_classify"),
        BASE.replace("as topic", "as topic, ai_embed(body) as e"),
        "select id from t",
    ],
    ids=[
        "label", "white space in a label", "order of labels", "white space in an option", "what looks like a comment",
        "an option less", "model", "argument", "function", "a call more", "no call",
    ],
)  # fmt: skip
def test_the_digest_changes_with_a_call(sql: str) -> None:
    assert calls_digest(session(), sql) != calls_digest(session(), BASE)


@pytest.mark.parametrize(
    "options",
    [
        {"model": "fake-nli"},
        {"models": {"fake": {"source": "fake:nli"}}},
        {"models": {"fake": {"max_tokens": 64}}},
        {"models": {"fake": {"template": "About {label}"}}},
        {"models": {"fake": {"too_long": "error"}}},
        {"models": {"fake": {"prompts": {"query": "q: "}}}},
        {"functions": {"ai_classify": {"model": "fake-nli"}}},
        {"functions": {"ai_classify": {"template": "About {label}"}}},
    ],
    ids=str,
)
def test_the_digest_changes_with_what_is_behind_a_call(options: dict[str, Any]) -> None:
    assert calls_digest(session(**options), BASE) != calls_digest(session(), BASE)


@pytest.mark.parametrize(
    "options",
    [
        {"models": {"fake-nli": {"max_tokens": 64}}},
        {"functions": {"ai_embed": {"model": "fake"}}},
        {"device": "cpu"},
        {"memory_mb": 1},
        {"models": {"other": {"source": "fake:embed"}}, "model": "other"},  # another name for the same
    ],
    ids=str,
)
def test_the_digest_stays_with_what_is_not_behind_a_call(options: dict[str, Any]) -> None:
    assert calls_digest(session(**options), BASE) == calls_digest(session(), BASE)


def test_the_digest_knows_the_models_of_nested_calls() -> None:
    sql = "select ai_embed(ai_classify(body, ['a', 'b'], model := 'fake-nli'), model := 'fake') from t"
    for name in ("fake", "fake-nli"):
        changed = session(models={name: {"max_tokens": 64}})
        assert calls_digest(changed, sql) != calls_digest(session(), sql), name


@pytest.fixture(scope="module")
def named() -> Iterator[Session]:
    with inlay.connect(model="fake", functions={"ai_rerank": {"model": "fake-rerank"}}) as con:
        yield con._session


@pytest.mark.parametrize(
    ("call", "model"),
    [
        ("ai_embed(body)", "fake"),
        ("ai_rerank('q', body)", "fake-rerank"),
        ("try_ai_rerank('q', body, model := 'o''ther')", "o'ther"),
        ("ai_embed(body, MODEL => 'other')", "other"),
        ("ai_embed(body, /* model := 'no' */ model :='other')", "other"),
        ("ai_filter(body, 'model := ''fooled''')", "fake"),
        ("ai_embed(ai_classify(body, ['a'], model := 'inner'))", "fake"),
        ("ai_embed(ai_classify(body, ['a'], model := 'inner'), model := 'outer')", "outer"),
    ],
)
def test_the_model_that_a_call_means(named: Session, call: str, model: str) -> None:
    (found,) = find_calls(f"select {call}", {"ai_embed", "ai_filter", "ai_rerank", "try_ai_rerank", "ai_classify"})
    assert configured_model(named, found) == model


def test_a_prefix_belongs_to_the_name() -> None:
    prefixed = session(prefix="my_")
    plain = calls_digest(prefixed, "select 1")
    assert calls_digest(prefixed, "select ai_embed(body)") == plain
    assert calls_digest(prefixed, "select my_ai_embed(body)") != plain
    assert calls_digest(prefixed, "select MY_TRY_AI_EMBED(body)") != plain


@pytest.mark.parametrize(
    ("prefix", "sql", "calls", "needs_macros"),
    [
        ("", "select Ai_Embed(body)", True, True),
        ("", 'select inlay."try_AI_EMBED" \n(body)', True, True),
        ("", "CALL INLAY_TRAIN('intents', t)", True, True),
        ("", "from inlay_ledger()", False, True),
        ("", "select lower(body) from ai_embeddings", False, True),  # needlessly
        ("", "select embed(body), İ from t", False, False),
        ("My_", "select MY_ai_embed(body)", True, True),
        ("My_", "select my_TRY_AI_embed(body)", True, True),
        ("My_", "select ai_embed(body)", False, False),
    ],
)
def test_what_may_call_a_function_is_told_from_its_text(prefix: str, sql: str, calls: bool, needs_macros: bool) -> None:
    mentions = session(prefix=prefix).mentions
    assert (mentions.may_call(sql), mentions.may_need_macros(sql)) == (calls, needs_macros)
