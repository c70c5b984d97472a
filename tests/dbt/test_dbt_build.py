"""dbt commands on whole projects: build, retry, test, show, compile, docs, an incremental model, a Python model.

The model is `fake` but for one test, marked `weights`, that builds example_project as a newcomer does.
"""

from __future__ import annotations

import csv
import re
import signal
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

pytest.importorskip("dbt.adapters.duckdb")

from dbt.adapters.duckdb.environments.local import DuckDBCursorWrapper
from dbt_common.invocation import reset_invocation_id

import inlay
from inlay.backends.fake import CALLS, FAIL
from inlay.dbt.plugin import Plugin
from inlay.engine import cancel
from inlay.errors import ConfigError, InterruptedQueryError, RowsFailedError
from support.dbt_runs import Project, Run
from support.paths import REPOSITORY

EXAMPLE = REPOSITORY / "example_project"

# No model of that name: whoever asks a model fails, so a command that succeeds has asked none.
NO_MODEL = {"TEST_MODEL": "./no-such-model"}


def account(output: str) -> dict[str, dict[str, str]]:
    """The table that log_account prints: function → column → cell."""
    lines = output.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  function "))
    table = {}
    for line in lines[start + 1 :]:
        if not line.startswith(("  ai_", "  inlay_")):
            break
        cells = re.split(r"\s{2,}", line.strip())
        table[cells[0]] = dict(zip(lines[start].split()[1:], cells[1:], strict=True))
    return table


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Run]:
    """The test project after a build with eight threads in which one model stopped at a row that fails."""
    project = Project(Path(__file__).parent / "project", tmp_path_factory.mktemp("dbt"))
    return project, project.dbt("build", "--threads", "8", ON_ERROR="raise")


@pytest.fixture(scope="module")
def repaired(built: tuple[Project, Run]) -> tuple[Project, Run]:
    """… and after the retry."""
    return built[0], built[0].dbt("retry")


@pytest.fixture
def rows(repaired: tuple[Project, Run]) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(repaired[0].folder / "tests.duckdb"), read_only=True) as con:
        yield con


def test_build_runs_seeds_models_tests_and_a_mocked_unit_test(built: tuple[Project, Run]) -> None:
    _, run = built
    assert run.code == 1, run.output
    assert run.statuses() == {
        "texts": "success",
        "kinds": "success",
        "moved": "success",
        "calibrated": "success",
        "every_macro": "success",
        "language_models": "success",
        "per_group": "success",
        "extracted": "success",
        "own_labels": "success",
        "grown": "success",
        "from_python": "success",
        "strict": "error",
        "after_strict": "skipped",
        "similar_to_itself": "pass",
        "unique_own_labels_id": "pass",
        "not_null_own_labels_id": "pass",
        "the_macro_stands_in_for_the_model": "pass",
        "a_struct_stands_in_for_the_model": "pass",
        "inlay_tests-on-run-end-0": "success",
    }
    assert "ai_sentiment: 1 distinct input failed: '<<fail>> this text" in run.nodes["strict"]["message"]
    assert "leaked" not in run.output


def test_the_run_ends_with_an_account(built: tuple[Project, Run]) -> None:
    _, run = built
    table = account(run.output)
    assert set(table) == {
        "ai_agg", "ai_classify", "ai_classify_multi", "ai_complete", "ai_count_tokens", "ai_decide", "ai_detect_pii",
        "ai_embed",
        "ai_extract", "ai_extract_json", "ai_filter", "ai_fix_grammar", "ai_predict", "ai_redact", "ai_rerank",
        "ai_score", "ai_sentiment", "ai_sentiment_by_aspect", "ai_similarity", "ai_summarize", "ai_summarize_agg",
        "ai_translate", "inlay_calibrate", "inlay_labels", "inlay_train",
    }  # fmt: skip
    # six rows each for ai_embed and try_ai_embed in every_macro and for ai_embed in grown
    embed = table["ai_embed"]
    assert embed["rows"] == "18"
    assert int(embed["distinct"]) == int(embed["known"]) + int(embed["inferred"]) + int(embed["failed"])
    assert embed["device"] == "fake"
    assert re.search(r"no answer: \d+ x ai_\w+: ValueError: the fake model was asked to fail", run.output)


def test_retry_runs_what_failed_and_what_waited_for_it(repaired: tuple[Project, Run]) -> None:
    _, run = repaired
    assert run.code == 0, run.output
    assert run.statuses() == {"strict": "success", "after_strict": "success", "inlay_tests-on-run-end-0": "success"}


def test_labels_move_in_a_model_of_their_own(rows: duckdb.DuckDBPyConnection) -> None:
    ((head, kind, classes),) = rows.execute("select head, kind, classes from moved").fetchall()
    assert (head, kind, classes) == ("moved", "single", 2)
    assert rows.execute("select head, method, rows from calibrated").fetchall() == [("calibrated", "judgement", 40)]


def test_macros_answer_as_the_sql_functions_do(rows: duckdb.DuckDBPyConnection) -> None:
    with inlay.connect(model="fake", functions={"ai_rerank": {"model": "fake-rerank"}}) as con:
        con.execute("create table texts (id integer, body varchar)")
        con.executemany("insert into texts values (?, ?)", rows.execute("from texts").fetchall())
        expected = con.sql(
            """
            select
                id,
                ai_embed(body, task := 'query')::float[8],
                ai_similarity(body, 'where is my order?'),
                ai_classify(body, ['delivery', 'defect', 'it''s fine']),
                try_ai_classify(body, ['delivery', 'defect'], template := 'This is about {label}.').scores,
                ai_classify_multi(
                    body,
                    [{'label': 'late', 'description': 'hasn''t come'}, {'label': 'broken', 'description': null}],
                    threshold := -1
                ),
                ai_filter(body, 'the customer isn''t happy', threshold := 0),
                try_ai_filter(body, 'the customer is angry', model := 'fake-nli').value,
                ai_score(body, 'urgent'),
                ai_sentiment(body),
                ai_rerank('parcel', body),
                ai_count_tokens(body)
            from texts order by id
            """
        ).fetchall()
    found = rows.execute(
        """
        select
            id, embedding, similarity, topic, try_topic.scores, tags, is_unhappy, try_is_unhappy.value, urgency,
            sentiment, relevance, n_tokens
        from every_macro order by id
        """
    ).fetchall()
    assert found == expected
    assert rows.execute("select typeof(embedding) from every_macro limit 1").fetchall() == [("FLOAT[8]",)]
    assert found[0][1:] == found[3][1:]  # the same text twice
    assert found[4][1:] == (None,) * 11  # NULL in, NULL out
    assert rows.execute("select try_embedding.error, embedding from every_macro where id = 6").fetchall() == [
        ("ValueError: the fake model was asked to fail", None)
    ]


ASKED_OF_LANGUAGE_MODELS = """
    select
        id,
        ai_complete('Say: ' || body, system := 'it''s urgent', max_tokens := 20, stop := ['.'], seed := 1) as reply,
        try_ai_complete(body, schema := ['b', 'a'], temperature := 0.5) as try_reply,
        ai_extract(body, {'what': 'What''s it about?', 'how': null}) as about,
        ai_extract(body, {'what': 'What''s it about?', 'how': null}).how as how,
        try_ai_extract(body, 'sent DATE, n INTEGER', instructions := 'don''t guess') as try_about,
        ai_extract_json(body, {'type': 'object', 'properties': {'n': {'type': 'integer'}}}) as about_json,
        try_ai_extract_json(body, ['what']) as try_about_json,
        ai_sentiment_by_aspect(body, ['speed', 'the lamp''s light']) as feelings,
        try_ai_sentiment_by_aspect(body, ['speed']) as try_feelings,
        ai_summarize(body, max_words := 5) as summary,
        try_ai_summarize(body, max_tokens := 300) as try_summary,
        ai_translate(body, 'German', source := 'English') as german,
        try_ai_translate(body, 'German') as try_german,
        ai_fix_grammar(body) as mended,
        try_ai_fix_grammar(body) as try_mended,
        ai_redact(body || ', jo@example.com', categories := ['email', 'phone']) as redacted,
        try_ai_redact(body) as try_redacted,
        ai_detect_pii(body || ', jo@example.com') as personal,
        try_ai_detect_pii(body) as try_personal
    from texts order by id
"""
ASKED_OF_GROUPS = """
    select
        id % 3 as rest,
        count(*) as n,
        ai_agg(body, 'what''s asked for most?', max_tokens := 300) as asked,
        try_ai_agg(body, 'What do they have in common?') as try_asked,
        ai_summarize_agg(upper(body), max_words := 9) as summary,
        try_ai_summarize_agg(body) as try_summary
    from texts group by all order by rest
"""


def test_macros_of_language_models_answer_as_the_sql_functions_do(rows: duckdb.DuckDBPyConnection) -> None:
    with inlay.connect(model="fake", language_model="fake-generate") as con:
        con.execute("create table texts (id integer, body varchar)")
        con.executemany("insert into texts values (?, ?)", rows.execute("from texts").fetchall())
        expected = {
            "language_models": con.sql(ASKED_OF_LANGUAGE_MODELS).fetchall(),
            "per_group": con.sql(ASKED_OF_GROUPS).fetchall(),
        }
    for table, answers in expected.items():
        columns = rows.execute(f"describe {table}").fetchall()
        found = rows.execute(f"from {table} order by 1").fetchall()
        assert len(found) == len(answers)
        # whether an answer was known is for each run to say
        assert [without_cached(row) for row in found] == [without_cached(row) for row in answers], table
        assert not [name for i, (name, *_) in enumerate(columns) if all(row[i] is None for row in found)]
    assert rows.execute("select about, how from language_models where id = 1").fetchall()[0][0].keys() == {
        "what",
        "how",
    }
    assert rows.execute("select redacted from language_models where id = 1").fetchall() == [
        ("my parcel is late, [EMAIL]",)
    ]
    assert rows.execute("select asked from per_group where rest = 0").fetchall() == [(None,)]  # a text of it fails
    assert "asked to fail" in rows.execute("select try_asked.error from per_group where rest = 0").fetchall()[0][0]


def test_columns_say_which_call_they_came_from(rows: duckdb.DuckDBPyConnection) -> None:
    comments = rows.execute(
        "select column_name, comment from duckdb_columns() where table_name = 'per_group'"
    ).fetchall()
    said = dict(comments)
    assert said["rest"] is said["n"] is None
    assert said["asked"].startswith(
        "inlay: ai_agg(body, 'what''s asked for most?', max_tokens := 300) by model fake-gen"
    )
    assert said["try_summary"].startswith("inlay: try_ai_summarize_agg(body) by model fake-generate")


def without_cached(row: tuple[Any, ...]) -> list[Any]:
    return [{**value, "cached": None} if isinstance(value, dict) and "cached" in value else value for value in row]


def test_a_python_model_calls_the_functions(rows: duckdb.DuckDBPyConnection) -> None:
    topics = dict(rows.execute("select id, topic from from_python").fetchall())
    assert set(topics) == {1, 2, 3, 4, 5, 6}
    assert {topics[1], topics[2], topics[3]} <= {"delivery", "defect"}
    assert topics[5] is None


def test_an_incremental_model_asks_for_new_rows_alone(repaired: tuple[Project, Run]) -> None:
    project, _ = repaired
    with (project.folder / "seeds" / "texts.csv").open("a", encoding="utf-8") as file:
        file.write("7,a new one\n")
    run = project.dbt("build", "--select", "texts", "grown")
    assert run.code == 0, run.output
    assert account(run.output)["ai_embed"]["rows"] == "1"


def test_data_tests_alone(repaired: tuple[Project, Run]) -> None:
    run = repaired[0].dbt("test", "--select", "similar_to_itself")
    assert run.code == 0, run.output
    assert run.statuses()["similar_to_itself"] == "pass"
    assert set(account(run.output)) == {"ai_similarity"}


def test_show_inline(repaired: tuple[Project, Run]) -> None:
    inline = "select id, {{ inlay.ai_count_tokens('body') }} > 0 as counted from {{ ref('texts') }} where id = 1"
    run = repaired[0].dbt("show", "--inline", inline)
    assert run.code == 0, run.output
    assert re.search(r"\|\s+1 \|\s+True \|", run.output)
    asked = repaired[0].dbt("show", "--inline", inline, **NO_MODEL)
    assert asked.code == 2
    assert "no-such-model" in asked.output


def test_compile_and_docs_ask_no_model(repaired: tuple[Project, Run]) -> None:
    project, _ = repaired
    run = project.dbt("docs", "generate", **NO_MODEL)  # compiles everything first
    assert run.code == 0, run.output
    assert "what this run asked" not in run.output
    sql = project.compiled("every_macro")
    for expected in (
        "cast(ai_embed(body, task := 'query', model := 'fake') as FLOAT[8]) as embedding,",
        "ai_classify(body, ['delivery', 'defect', 'it''s fine']) as topic,",
        "try_ai_classify(body, ['delivery', 'defect'], template := 'This is about {label}.') as try_topic,",
        "ai_classify_multi(body, [{'label': 'late', 'description': 'hasn''t come'}, "
        "{'label': 'broken', 'description': NULL}], threshold := -1) as tags,",
        "ai_filter(body, 'the customer isn''t happy', threshold := 0.0) as is_unhappy,",
        "ai_rerank('parcel', body) as relevance,",
    ):
        assert f"    {expected}\n" in sql
    sql = project.compiled("language_models")
    for expected in (
        "ai_complete('Say: ' || body, system := 'it''s urgent', max_tokens := 20, stop := ['.'], seed := 1) as reply,",
        "ai_extract(body, {'what': 'What''s it about?', 'how': NULL}).how as how,",
        "try_ai_extract(body, 'sent DATE, n INTEGER', instructions := 'don''t guess') as try_about,",
        'ai_extract_json(body, \'{"type": "object", "properties": {"n": {"type": "integer"}}}\') as about_json,',
    ):
        assert f"    {expected}\n" in sql
    assert "model.inlay_tests.every_macro" in project.artifact("catalog.json")["nodes"]
    run = project.dbt("compile", **NO_MODEL)
    assert run.code == 0, run.output


def test_explain_says_how_models_will_run(repaired: tuple[Project, Run]) -> None:
    project, _ = repaired
    run = project.dbt("run-operation", "inlay.explain", "--args", "{model: grown}")
    assert run.code == 0, run.output
    assert "model.inlay_tests.grown\n\nPlanned: 1 call answered ahead of the statement, by fake." in run.output
    assert re.search(r"^1  ai_embed\(.+counted$", run.output, re.MULTILINE)
    run = project.dbt("run-operation", "inlay.explain", "--args", "{select: 'per* strict'}")
    assert run.code == 0, run.output
    assert re.findall(r"^model\.\S+", run.output, re.MULTILINE) == [
        "model.inlay_tests.per_group",
        "model.inlay_tests.strict",
    ]
    asked = project.dbt("run-operation", "inlay.explain", "--args", "{model: absent}")
    assert asked.code != 0
    assert "inlay.explain: no model is named 'absent'" in asked.output
    assert "inlay.explain: name a model." in project.dbt("run-operation", "inlay.explain").output
    elsewhere = project.dbt("run-operation", "inlay.explain", "--args", "{model: grown, target_path: elsewhere}")
    assert "there is no compiled SQL of grown in elsewhere/compiled. Type first: dbt compile" in elsewhere.output


def test_a_prefix_for_names_that_another_extension_took(tmp_path: Path) -> None:
    project = Project(Path(__file__).parent / "project", tmp_path)
    profile = project.folder / "profiles.yml"
    profile.write_text(profile.read_text("utf-8").replace("config:\n", "config:\n            prefix: my_\n"), "utf-8")
    run = project.dbt(
        "build",
        "--select",
        "texts",
        "kinds",
        "calibrated",
        "every_macro",
        "language_models",
        "per_group",
        "--vars",
        "inlay_prefix: my_",
    )
    assert run.code == 0, run.output
    assert "    my_try_ai_score(body, 'urgent') as try_urgency,\n" in project.compiled("every_macro")
    assert "having my_ai_summarize_agg(" in project.compiled("per_group")
    assert account(run.output)


def test_ctrl_c_stops_a_build(tmp_path: Path) -> None:
    project = Project(Path(__file__).parent / "project", tmp_path)
    slow = [f"{i},<<slow>> {i}\n" for i in range(200)]  # a fifth of a second each
    (project.folder / "seeds" / "texts.csv").write_text("id,body\n" + "".join(slow), "utf-8")
    with project.start("build", "--select", "texts", "grown", "--exclude-resource-type", "test") as run:
        assert run.stdout is not None
        for line in run.stdout:
            if "START sql incremental model" in line:
                break
        run.send_signal(signal.SIGINT)
        rest = run.stdout.read()
        assert run.wait(timeout=60) != 0
    # Without a listener for Ctrl-C dbt waits for the texts, and keeps the model as one that was built.
    assert "200 of 200 rows" not in rest
    assert "OK created sql incremental model" not in rest


@pytest.mark.parametrize("cursors_before", [True, False])
def test_ctrl_c_stops_the_statements_that_a_thread_has_not_sent_yet(cursors_before: bool) -> None:
    made = plugin({"model": "fake", "progress": "off"})

    def cursor_of(parent: duckdb.DuckDBPyConnection) -> Any:
        cursor = parent.cursor()
        made.configure_cursor(cursor)
        return cursor

    def ask(cursor: Any) -> int:
        before = CALLS["rows"]
        DuckDBCursorWrapper(cursor).execute(f"create or replace table t as select ai_embed('{uuid.uuid4()}') as v")
        return CALLS["rows"] - before

    with duckdb.connect() as parent:
        made.configure_connection(parent)
        cursor = cursor_of(parent)
        assert ask(cursor) == 1
        cancel.interrupt()
        if not cursors_before:
            cursor = cursor_of(parent)
        for _ in range(2):
            with pytest.raises(InterruptedQueryError):
                ask(cursor)
        reset_invocation_id()
        assert ask(cursor_of(parent)) == 1  # the next run in the same process


def plugin(config: dict[str, Any]) -> Plugin:
    return Plugin("dbt_plugin", config)


def test_the_plugin_gives_every_cursor_the_functions_with_named_options(tmp_path: Path) -> None:
    made = plugin({"model": "fake"})
    path = str(tmp_path / "plugin.duckdb")
    question = "select ai_classify('x', ['a', 'b'], template := 'about {label}') in ('a', 'b')"
    for _ in range(2):  # dbt may close the parent connection and open it again
        with duckdb.connect(path) as parent:
            made.configure_connection(parent)
            made.configure_connection(parent)
            for _ in range(2):
                with parent.cursor() as cursor:
                    made.configure_cursor(cursor)
                    wrapped = DuckDBCursorWrapper(cursor)
                    wrapped.execute("select 1")  # dbt's own statements come first, and need no function
                    wrapped.execute(question)
                    assert cursor.fetchall() == [(True,)]


@pytest.mark.parametrize(
    "database", ["plugin", "inlay"]
)  # the second is also what our own in-memory database is called
def test_a_cursor_gets_the_functions_with_the_first_statement_that_may_need_them(tmp_path: Path, database: str) -> None:
    made = plugin({"model": "fake"})
    path = str(tmp_path / f"{database}.duckdb")
    own = "select count(*) from duckdb_functions() where function_name = 'ai_classify' and database_name = 'temp'"

    def run(cursor: Any, statement: str) -> tuple[Any, int]:
        DuckDBCursorWrapper(cursor).execute(statement)
        return cursor.fetchall(), cursor.execute(own).fetchall()[0][0]

    with duckdb.connect(path) as parent:
        made.configure_connection(parent)
        with parent.cursor() as cursor, parent.cursor() as other:
            made.configure_cursor(cursor)
            made.configure_cursor(other)
            assert run(cursor, "select 1") == ([(1,)], 0)
            assert run(cursor, "select count(*) from inlay_ledger()") == ([(0,)], 1)
            DuckDBCursorWrapper(cursor).execute(
                "create macro own(s) as ai_classify(s, ['a', 'b'], template := 'about {label}')"
            )
            # the other cursor's statements name no function, and yet may call one from now on
            assert run(other, "select own('x') in ('a', 'b')") == ([(True,)], 1)
    with duckdb.connect(path) as parent:  # as they may from the beginning where the macro is in the file
        made.configure_connection(parent)
        with parent.cursor() as cursor:
            made.configure_cursor(cursor)
            assert run(cursor, "select own('x') in ('a', 'b')") == ([(True,)], 1)


def test_the_plugin_refuses_an_unknown_option_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match=r"no option named 'modle'.*Did you mean 'model'"):
        plugin({"modle": "fake"})


def test_the_environment_wins_over_the_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = {"model": "minilm", "progress": "off", "models": {"mine": {"source": "fake:embed"}}}
    monkeypatch.setenv("INLAY_MODEL", "fake")
    monkeypatch.setenv("INLAY_MODELS", '{mine = {device = "cpu"}}')
    made = plugin(given)
    with duckdb.connect() as parent:
        made.configure_connection(parent)
        assert made.session is not None
        settings = made.session.settings
        assert (settings.model, settings.progress) == ("fake", "off")
        assert (settings.models["mine"].source, settings.models["mine"].device) == ("fake:embed", "cpu")
    monkeypatch.setenv("INLAY_MODEL", "")  # counts as not set
    assert plugin(given).options["model"] == "minilm"


def test_an_error_is_its_message_alone() -> None:
    made = plugin({"model": "fake", "progress": "off"})
    with duckdb.connect() as parent:
        made.configure_connection(parent)
        with parent.cursor() as cursor:
            made.configure_cursor(cursor)
            with pytest.raises(RowsFailedError, match=f"^ai_embed: 1 distinct input failed: '{FAIL} x'"):
                DuckDBCursorWrapper(cursor).execute(
                    f"create table t as select ai_embed('{FAIL} x', on_error := 'raise') as v"
                )
            with pytest.raises(
                duckdb.BinderException, match="ai_embed: no argument named 'modle'. Did you mean 'model'?"
            ):
                DuckDBCursorWrapper(cursor).execute("create table t as select ai_embed('x', modle := 'fake') as v")


def test_the_plugin_prints_lines_where_no_bar_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INLAY_PROGRESS", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    assert plugin({}).options == {"progress": "lines"}
    assert plugin({"progress": "off"}).options == {"progress": "off"}
    monkeypatch.setenv("INLAY_PROGRESS", "off")
    assert plugin({}).options == {}
    monkeypatch.delenv("INLAY_PROGRESS")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert plugin({}).options == {}


def test_the_example_s_texts_are_many_and_lifelike() -> None:
    texts: list[str] = []
    for name in ("raw_tickets.csv", "raw_reviews.csv"):
        with (EXAMPLE / "seeds" / name).open(encoding="utf-8", newline="") as file:
            texts += [row["body"] for row in csv.DictReader(file)]
    distinct = set(texts) - {""}
    assert len(distinct) >= 1_000
    assert len([text for text in texts if text]) - len(distinct) >= 60  # sent twice
    assert texts.count("") >= 40
    assert sum(len(text.split()) > 600 for text in distinct) == 2
    assert sum(len(text.split()) <= 3 for text in distinct) >= 10


def test_the_example_s_unit_tests_and_texts_need_no_weights(tmp_path: Path) -> None:
    project = Project(EXAMPLE, tmp_path)
    # the embeddings have the width of the real model
    run = project.dbt("build", "--exclude", "product_embeddings+", "ticket_embeddings+", INLAY_MODEL="fake")
    assert run.code == 0, run.output
    assert {"tickets_without_text_have_no_topic", "reviews_without_text_have_no_sentiment"} <= set(run.nodes)
    with duckdb.connect(str(project.folder / "larkmoor.duckdb"), read_only=True) as con:
        for table in ("stg_tickets", "stg_reviews"):
            empty, none = con.execute(
                f"select count(*) filter (where body = ''), count(*) filter (where body is null) from {table}"
            ).fetchall()[0]
            assert empty >= 10
            assert none >= 10


@pytest.mark.weights
def test_the_example_builds_with_the_real_model(tmp_path: Path) -> None:
    project = Project(EXAMPLE, tmp_path, deps=True)
    run = project.dbt("build", "--threads", "4")
    assert run.code == 0, run.output
    assert set(run.statuses().values()) == {"success", "pass"}
    table = account(run.output)
    assert set(table) == {"ai_classify", "ai_classify_multi", "ai_embed", "ai_redact", "ai_sentiment"}
    assert {row["failed"] for row in table.values()} == {"0"}
    with duckdb.connect(str(project.folder / "larkmoor.duckdb"), read_only=True) as con:
        accuracy = dict(con.execute("select task, accuracy from quality where gold = 'all'").fetchall())
        # The README says 0.66, 0.95 and 0.57; another device or precision moves an answer here and there.
        assert accuracy["topic"] >= 0.60
        assert accuracy["product"] >= 0.90
        assert accuracy["sentiment"] >= 0.53
        for block in (EXAMPLE / "show.sql").read_text("utf-8").split("\n\n"):
            assert block.startswith("-- ")
            assert con.execute(block).fetchall()

    # Every column that the database has is described, and nothing else is.
    assert project.dbt("docs", "generate").code == 0
    described = {
        key: {column for column, entry in node["columns"].items() if entry["description"].strip()}
        for key, node in project.artifact("manifest.json")["nodes"].items()
        if node["resource_type"] in ("model", "seed") and node["description"].strip()
    }
    there = {key: set(node["columns"]) for key, node in project.artifact("catalog.json")["nodes"].items()}
    assert described == there
