"""`inlay infer`, `inlay plan`, `inlay retry`, and limits: what models are asked ahead, how much, and what is kept."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import inlay
from inlay.backends.fake import FAIL
from inlay.cli.main import EXIT_BUDGET, EXIT_ERROR, main
from inlay.client.connection import Connection
from inlay.errors import BudgetExceededError, ConfigError
from inlay.store.account import read_errors
from inlay.store.folder import open_folder
from support.killed_processes import counted_program, counted_texts, stored_keys, unit_vector

Cli = Callable[..., tuple[int, str, str]]
Opened = Callable[..., Connection]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test works in a folder of its own, with a store beside it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command on the fake model and the store `kept`; gives its exit code, output and complaints."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments] + ["--model", "fake", "--store", "kept"])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens a new session on the store, which remembers nothing else."""
    made: list[Connection] = []

    def connect(**options: Any) -> Connection:
        con = inlay.connect(**{"model": "fake", "store": "kept", **options})
        made.append(con)
        return con

    yield connect
    for con in made:
        con.duckdb.close()


def settings(text: str) -> None:
    Path("inlay.toml").write_text(text, "utf-8")


def statements(text: str) -> Path:
    path = Path("calls.sql")
    path.write_text(text, "utf-8")
    return path


def texts(n: int, text: str = "'text ' || i") -> str:
    return f"(select {text} as body from range({n}) r(i))"


def planned(cli: Cli, *arguments: object) -> dict[str, Any]:
    code, out, err = cli("plan", "--json", *arguments)
    assert code == 0, err
    return dict(json.loads(out))


def ledger_rows(con: Connection) -> list[tuple[Any, ...]]:
    return con.sql(
        'select "function", model, "rows", distinct_inputs, known, inferred, failed, tokens from inlay_ledger()'
    ).fetchall()


# ------------------------------------------------------------------------------------------------ infer


def test_infer_answers_a_file_of_statements_once(cli: Cli, opened: Opened, calls: dict[str, int]) -> None:
    file = statements(
        f"""
        select ai_classify(body, ['a', 'b']) from {texts(5)}; -- the only; one
        select try_ai_embed(body).value from {texts(5)}
        """
    )
    code, out, err = cli("infer", "--file", file)
    assert code == 0, err
    assert "ai_embed (fake): 5 rows, 5 distinct" in out
    assert calls["rows"] == 5 + 10  # five texts, two labels in five templates
    assert cli("infer", "--file", file)[0] == 0
    assert calls["rows"] == 15
    con = opened()
    ((vector,),) = con.sql(f"select ai_embed(body) from {texts(1)}").fetchall()
    assert vector == pytest.approx(unit_vector("text 0"), abs=1e-6)
    assert calls["rows"] == 15


def test_infer_reads_a_database_file(cli: Cli, calls: dict[str, int]) -> None:
    with duckdb.connect("shop.duckdb") as con:
        con.execute(f"create table reviews as from {texts(3)}")
    file = statements("select ai_embed(body) from reviews")
    code, out, err = cli("infer", "--file", file, "--database", "shop.duckdb")
    assert (code, calls["rows"]) == (0, 3), err
    assert "3 inferred" in out


def test_infer_says_what_it_lacks(cli: Cli, capsys: pytest.CaptureFixture[str], calls: dict[str, int]) -> None:
    file = statements("select ai_embed('x')")
    assert main(["infer", "--file", str(file), "--model", "fake"]) == EXIT_ERROR
    assert "inlay infer --store" in capsys.readouterr().err
    settings("store_mode = 'read-only'")
    assert "none is configured for writing" in cli("infer", "--file", file)[2]
    settings("")
    assert cli("infer", "--file", "absent.sql")[2].startswith("inlay: absent.sql cannot be read")
    assert "has no dbt_project.yml. Name a project" in cli("infer")[2]
    assert "Type first: dbt compile" in cli("infer", "--manifest", "absent.json")[2]
    Path("not.json").write_text("{", "utf-8")
    assert "not.json is not JSON" in cli("infer", "--manifest", "not.json")[2]
    Path("other.json").write_text("{}", "utf-8")
    assert "other.json is no dbt manifest" in cli("infer", "--manifest", "other.json")[2]
    assert not calls


def manifest(**nodes: dict[str, Any]) -> Path:
    """A manifest.json as dbt writes it: of every node only what is said here, and what cannot be left out."""
    path = Path("manifest.json")
    written = {}
    for name, said in nodes.items():
        kind = said.get("resource_type", "model")
        written[f"{kind}.shop.{name}"] = {
            "unique_id": f"{kind}.shop.{name}", "name": name, "resource_type": kind, "database": "shop",
            "schema": "main", "alias": name, "depends_on": {"nodes": []}, "config": {"materialized": "table"}, **said,
        }  # fmt: skip
    path.write_text(json.dumps({"nodes": written, "sources": {}}), "utf-8")
    return path


def after(*names: str) -> dict[str, Any]:
    return {"nodes": list(names)}


def test_infer_runs_what_a_manifest_needs_and_changes_no_table(cli: Cli, opened: Opened, calls: dict[str, int]) -> None:
    with duckdb.connect("shop.duckdb") as con:
        con.execute("create table reviews as select range as id, 'text ' || range as body from range(4)")
        con.execute("create table topics as select 'untouched' as topic")
    path = manifest(
        reviews={"resource_type": "seed"},
        # a view over the seed, a model that calls, one that calls with what that one answered, one that does not
        long={
            "compiled_code": "select * from shop.main.reviews where id > 0",
            "depends_on": after("seed.shop.reviews"),
        },
        topics={
            "compiled_code": "select id, body, ai_classify(body, ['a', 'b']) as topic from shop.main.long",
            "depends_on": after("model.shop.long"),
        },
        told={
            "compiled_code": "select TRY_AI_EMBED (body || topic) as e from shop.main.topics -- ai_score(x)",
            "depends_on": after("model.shop.topics"),
            "config": {"materialized": "view"},
        },
        broken={"compiled_code": "select ai_embeds(1), 'ai_embed(x)' /* ai_embed(x) */", "depends_on": after()},
        tested={
            "resource_type": "test",
            "compiled_code": "select * from shop.main.topics where ai_score(body, 'urgent') > 2",
            "depends_on": after("model.shop.topics"),
        },
    )
    code, out, err = cli("infer", "--manifest", path, "--database", "shop.duckdb")
    assert code == 0, err
    assert [line.removeprefix("inferring ") for line in err.splitlines()] == ["topics", "told", "tested"]
    assert calls["rows"] == 3 + 10 + 3 + 1  # bodies, labels, bodies with their topic, the criterion
    with duckdb.connect("shop.duckdb") as con:
        assert con.sql("from topics").fetchall() == [("untouched",)]
        assert con.sql("select count(*) from duckdb_tables()").fetchall() == [(2,)]
    history = opened().sql("select node, sum(inferred)::int from inlay_history() group by 1 order by 1").fetchall()
    assert history == [("model.shop.told", 3), ("model.shop.topics", 3), ("test.shop.tested", 3)]
    assert "ai_classify (fake): 3 rows" in out


def test_what_cannot_be_run_is_named_and_the_rest_goes_on(cli: Cli, calls: dict[str, int]) -> None:
    with duckdb.connect("shop.duckdb") as con:
        con.execute("create table reviews as select 'text' as body")
        con.execute("create table from_python as select 'python' as body")
    path = manifest(
        reviews={"resource_type": "seed"},
        gone={"resource_type": "seed"},
        frozen={
            "resource_type": "snapshot",
            "compiled_code": "select ai_embed(body) as e from shop.main.reviews",
            "depends_on": after("seed.shop.reviews"),
        },
        from_python={"language": "python", "raw_code": "session.sql('select ai_embed(1)')"},
        stg={"compiled_code": "from shop.main.gone", "depends_on": after("seed.shop.gone")},
        fct={"compiled_code": "select ai_embed(body) from shop.main.stg", "depends_on": after("model.shop.stg")},
        wrong={
            "compiled_code": "select ai_embed(nothing)\nfrom shop.main.reviews",
            "depends_on": after("seed.shop.reviews"),
        },
        over_wrong={"compiled_code": "select ai_embed('x') from shop.main.wrong", "depends_on": after("model.shop.wrong")},
        not_compiled={"raw_code": "select {{ inlay.ai_embed('body') }}"},
        over_frozen={
            "compiled_code": "select ai_embed(body) from shop.main.frozen",
            "depends_on": after("snapshot.shop.frozen"),
        },
        good={"compiled_code": "select ai_embed(body) from shop.main.from_python", "depends_on": after("model.shop.from_python")},
    )  # fmt: skip
    expected = {
        "from_python is not {done}: it is a Python model, whose calls are known once it runs",
        "fct is not {done}: it reads gone, which is not in shop.duckdb (type first: dbt seed)",
        'wrong is not {done}: it cannot be run: Binder Error: Referenced column "nothing" not found',
        "over_wrong is not {done}: it reads wrong, which cannot be run: Binder Error",
        "not_compiled is not {done}: it has no compiled SQL",
        "over_frozen is not {done}: it reads frozen, which is not in shop.duckdb (type first: dbt snapshot)",
    }
    plan = planned(cli, "--no-measure", "--manifest", path, "--database", "shop.duckdb")
    assert sorted(line["node"] for line in plan["calls"]) == ["model.shop.good", "snapshot.shop.frozen"]
    assert_begins(plan["notes"], {each.format(done="counted") for each in expected})
    code, out, err = cli("infer", "--manifest", path, "--database", "shop.duckdb")
    assert code == EXIT_ERROR and calls["rows"] == 2
    assert_begins(
        [line for line in err.splitlines() if "is not" in line], {each.format(done="inferred") for each in expected}
    )
    assert not any("\n" in note or "LINE" in note for note in plan["notes"])
    code, out, err = cli("plan", "--manifest", path, "--database", "shop.duckdb")
    assert (code, "Everything is known" in out) == (0, False)


def assert_begins(found: list[str], expected: set[str]) -> None:
    assert len(found) == len(expected), found
    for begins in expected:
        assert any(each.startswith(begins) for each in found), (begins, found)


def test_a_project_without_a_file_or_without_compiled_sql(cli: Cli) -> None:
    said = {"compiled_code": "select ai_embed(body) from shop.main.reviews", "depends_on": after("seed.shop.reviews")}
    path = manifest(reviews={"resource_type": "seed"}, topics=said)
    for database in ((), ("--database", "shop.duckdb")):
        code, _, err = cli("infer", "--manifest", path, *database)
        assert code == EXIT_ERROR
        assert "topics is not inferred: it reads reviews, which is not in" in err
    code, _, err = cli("infer", "--manifest", manifest(topics={"raw_code": "select {{ inlay.ai_embed('body') }}"}))
    assert (code, "no compiled SQL. Type first: dbt compile" in err) == (EXIT_ERROR, True)
    Path("shop.duckdb").write_text("this is no database", "utf-8")
    path = manifest(reviews={"resource_type": "seed"}, topics=said)
    code, _, err = cli("plan", "--manifest", path, "--database", "shop.duckdb")
    assert (code, len(err.splitlines())) == (EXIT_ERROR, 1) and "shop.duckdb cannot be opened" in err


def test_views_over_views_are_not_bound_again_and_again(cli: Cli) -> None:
    """Two paths to each of forty views would be a billion of them."""
    nodes = {"v00": {"compiled_code": "select 'x' as body"}}
    for i in range(1, 40):
        before = f"v{i - 1:02}"
        sql = f"select a.body from shop.main.{before} a join shop.main.{before} b on a.body = b.body"
        nodes[f"v{i:02}"] = {"compiled_code": sql, "depends_on": after(*[f"model.shop.{before}"] * 2)}
    nodes["last"] = {"compiled_code": "select ai_embed(body) from shop.main.v39", "depends_on": after("model.shop.v39")}
    assert planned(cli, "--no-measure", "--manifest", manifest(**nodes))["inputs"] == 1


def test_a_manifest_older_than_its_project_is_refused(cli: Cli) -> None:
    Path("dbt_project.yml").write_text("name: shop", "utf-8")
    Path("models").mkdir()
    Path("target").mkdir()
    Path("macros").mkdir()
    Path("models/a.sql").write_text("select ai_embed('x')\n", "utf-8")
    Path("macros/m.sql").write_text("-- ours\n{% macro m() %}1{% endmacro %}\n", "utf-8")
    digest = hashlib.sha256(b"select ai_embed('x')").hexdigest()
    entry = {
        "compiled_code": "select ai_embed('x')", "package_name": "shop", "original_file_path": "models/a.sql",
        "checksum": {"name": "sha256", "checksum": digest},
    }  # fmt: skip
    written = json.loads(manifest(a=entry).read_text("utf-8"))
    macro = {
        "package_name": "shop",
        "original_file_path": "macros/m.sql",
        "macro_sql": "{% macro m() %}1{% endmacro %}",
    }
    path = Path("target/manifest.json")
    path.write_text(json.dumps({**written, "metadata": {"project_name": "shop"}, "macros": {"m": macro}}), "utf-8")
    assert cli("plan", "--manifest", path)[0] == 0
    for file in ("models/a.sql", "macros/m.sql"):
        before = Path(file).read_text("utf-8")
        Path(file).write_text(before.replace("x", "y").replace("1", "2"), "utf-8")
        code, _, err = cli("plan", "--manifest", path)
        assert (code, len(err.splitlines())) == (EXIT_ERROR, 1)
        assert f"{file} changed since it was compiled. Type first: dbt compile" in err
        Path(file).write_text(before, "utf-8")


def test_infer_finds_calls_under_a_prefix(cli: Cli, calls: dict[str, int]) -> None:
    settings("prefix = 'my_'")
    path = manifest(a={"compiled_code": "select my_try_ai_embed('x')"}, b={"compiled_code": "select my_ai_embed('y')"})
    assert cli("infer", "--manifest", path)[0] == 0
    assert calls["rows"] == 2


# ------------------------------------------------------------------------------------------------- plan

PLANNED = """
    select ai_embed(body), ai_classify(body, ['late', 'broken'], template := '{label}') from t;
    select ai_filter(body, 'is it late?', model := 'fake-nli') from t limit 3000;
    select ai_similarity(body, 'text 7'), ai_count_tokens(body) from t;
    select ai_sentiment(body) from (from t limit 5)
"""


def test_a_plan_says_what_then_happens(cli: Cli, opened: Opened, calls: dict[str, int]) -> None:
    for known in ("text 1", "text 2", "text 2,501"):
        opened().execute("select ai_embed(?)", [known])
    calls.clear()
    repeated = texts(3_000, "'text ' || (i % 2_500)")
    with duckdb.connect("t.duckdb") as plain:
        plain.execute(f"create table t as from {repeated} union all select null")
    task = ("--file", statements(PLANNED), "--database", "t.duckdb")
    before = sorted(path for path in Path("kept").rglob("*.parquet"))
    plan = planned(cli, "--no-measure", *task)
    assert not calls
    assert sorted(path for path in Path("kept").rglob("*.parquet")) == before
    con = opened(database="t.duckdb", read_only=True)
    for statement in PLANNED.split(";"):
        con.sql(statement).fetchall()
    happened = ledger_rows(con)
    lines = plan["calls"]
    assert [
        (x["function"], x["model"], x["rows"], x["distinct"], x["known"], x["to_infer"], 0, x["tokens"]) for x in lines
    ] == happened
    assert {row[0]: row[5] for row in happened} == {
        "ai_embed": 2_498, "ai_classify": 0, "ai_filter": 2_500, "ai_similarity": 0, "ai_count_tokens": 2_500,
        "ai_sentiment": 0,
    }  # fmt: skip
    assert (plan["inputs"], plan["tokens"]) == (calls["rows"], calls["tokens"])
    assert plan["seconds"] is None  # nothing is known of the models' speed, and nothing was measured
    again = planned(cli, *task)
    assert (again["inputs"], again["tokens"], again["to_infer"], again["seconds"]) == (0, 0, 0, 0)
    assert "Everything is known: no model would run." in cli("plan", *task)[1]


def test_a_plan_poisons_no_answer(cli: Cli, opened: Opened) -> None:
    """A plan has no numbers for labels that are new, so what it makes of texts that are known is no answer."""
    sql = f"select ai_classify(body, ['late', 'broken', 'fine']), ai_count_tokens(body) from {texts(50)}"
    opened().execute(f"select ai_embed(body) from {texts(50)}").fetchall()
    planned(cli, "--no-measure", "--file", statements(sql))
    with inlay.connect(model="fake") as plain:
        expected = plain.sql(sql).fetchall()
    assert len(set(expected)) > 1
    assert opened().sql(sql).fetchall() == expected


def test_a_plan_measures_what_it_has_never_run_and_keeps_that(cli: Cli, calls: dict[str, int]) -> None:
    file = statements(f"select ai_embed(body) from {texts(1_000)}")
    code, out, _ = cli("plan", "--file", file)
    assert code == 0
    assert calls["rows"] == 128
    assert "(128 inputs, measured now)" in out
    assert cli("infer", "--file", file)[0] == 0
    assert calls["rows"] == 1_000
    file = statements(f"select ai_embed(body) from {texts(1_100)}")
    assert "(by earlier runs on this machine)" in cli("plan", "--file", file)[1]
    assert calls["rows"] == 1_000


def test_a_plan_stores_no_vectors_where_none_are_wanted(cli: Cli, calls: dict[str, int]) -> None:
    settings("store_vectors = false")
    file = statements(f"select ai_classify(body, ['late', 'broken']) from {texts(300)}")
    assert "(128 inputs, measured now)" in cli("plan", "--file", file)[1]
    assert calls["rows"] == 128
    assert not list(Path("kept").glob("results/vectors-*/*.parquet"))


def test_a_plan_needs_no_store(capsys: pytest.CaptureFixture[str], calls: dict[str, int]) -> None:
    file = statements(f"select ai_embed(body) from {texts(9)}")
    assert main(["plan", "--json", "--no-measure", "--file", str(file), "--model", "fake"]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"] == 9
    assert not calls


def test_what_a_plan_prints(cli: Cli) -> None:
    settings("models.fake.cost_per_million_tokens = 1000")
    _, out, _ = cli("plan", "--no-measure", "--file", statements(f"select ai_embed(body) from {texts(1_234)}"))
    head, row, *rest = out.splitlines()
    assert head.split() == ["node", "function", "model", "rows", "distinct", "known", "to", "infer", "tokens"]
    tokens = sum(1 + len(f"text {i}") for i in range(1_234))
    assert row.split("  ")[0] == "statement 1"
    assert row.split()[2:] == ["ai_embed", "fake", "1,234", "1,234", "0", "1,234", f"{tokens:,}"]
    assert rest == ["fake: unknown (no earlier run on this machine is known)", f"cost: about {tokens / 1e3:,.4f}"]


# ----------------------------------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    ("limit", "sql"),
    [
        ("max_rows = 99", f"select ai_embed(body) from {texts(100)}"),
        # what models read are pairs, and labels too: three times forty
        ("max_rows = 100", f"select ai_classify(body, ['a', 'b', 'c'], model := 'fake-nli') from {texts(40)}"),
        ("max_tokens = 500", f"select ai_embed(body) from {texts(100)}"),
        ("max_cost = 0.5\nmodels.fake.cost_per_million_tokens = 1000", f"select ai_embed(body) from {texts(100)}"),
        ("max_seconds = 0.0000001", f"select ai_embed(body) from {texts(100)}"),
    ],
)
@pytest.mark.parametrize("command", ["infer", "plan"])
def test_a_plan_over_a_limit_is_refused_before_the_first_call(
    limit: str, sql: str, command: str, cli: Cli, opened: Opened, calls: dict[str, int]
) -> None:
    if "seconds" in limit:  # otherwise the speed of the model has to be measured
        opened().execute("select ai_embed('how fast')").fetchall()
        opened().duckdb.close()
        time.sleep(0.01)
    name = limit.split()[0]
    settings(limit)
    calls.clear()
    code, out, err = cli(command, "--file", statements(sql))
    assert code == EXIT_BUDGET, (out, err)
    assert f"{name} is " in err
    assert "No model was called" in err
    assert not calls
    assert ("to infer" in out) == (command == "plan")  # the plan is shown all the same
    settings(limit.replace(limit.split("\n")[0].split()[-1], "1e6", 1))
    assert cli(command, "--file", statements(sql))[0] == 0


@pytest.mark.parametrize(
    ("limits", "batches"),
    [
        ({"max_rows": 5_000}, 2),
        ({"max_tokens": 50_000}, 2),
        ({"max_cost": 0.05, "models": {"fake": {"cost_per_million_tokens": 1}}}, 2),
        ({"max_seconds": 0.0000001}, 1),
    ],
    ids=lambda value: str(value)[:14],
)
def test_a_limit_stops_before_it_is_passed(
    limits: dict[str, Any], batches: int, opened: Opened, calls: dict[str, int]
) -> None:
    nine = "format('{:09d}', i)"  # with the token that starts a text, ten; DuckDB hands over 2,048 texts at a time
    sql = f"select ai_embed(body) from {texts(10_000, nine)}"
    con = opened(**limits)
    for run in (con.duckdb, con):
        with pytest.raises((duckdb.Error, BudgetExceededError), match=rf"{next(iter(limits))} is .* The model was not"):
            run.sql(sql).fetchall()
        if run is con.duckdb:
            assert calls["rows"] == 2_048 * batches
        # And stays stopped, for as long as the session is.
        with pytest.raises((duckdb.Error, BudgetExceededError), match=f"{next(iter(limits))} is"):
            run.sql("select ai_embed('one more' || range) from range(3000)").fetchall()
        assert 2_048 * batches <= calls["rows"] <= 5_000
    models = {"models": limits["models"]} if "models" in limits else {}
    assert len(opened(**models).sql(sql).fetchall()) == 10_000
    assert calls["rows"] == 10_000


def test_what_is_known_needs_no_allowance(opened: Opened) -> None:
    sql = f"select ai_embed(body) from {texts(10)}"
    expected = opened().sql(sql).fetchall()
    assert opened(max_rows=0, max_tokens=0, max_cost=0, max_seconds=0).sql(sql).fetchall() == expected
    with pytest.raises(BudgetExceededError, match="max_rows is 0"):
        opened(max_rows=0).sql("select ai_embed('new')").fetchall()


@pytest.mark.parametrize("name", ["max_rows", "max_tokens", "max_seconds", "max_cost"])
@pytest.mark.parametrize("value", [-1, "many", True, float("nan"), []], ids=str)
def test_a_limit_that_is_none(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"{name} is .*; it must be a number of at least 0"):
        inlay.connect(**{name: value})


def test_a_cost_that_is_none() -> None:
    with pytest.raises(ConfigError, match=r"models\.fake\]: cost_per_million_tokens is 'dear'"):
        inlay.connect(models={"fake": {"cost_per_million_tokens": "dear"}})


def test_what_a_model_costs_reaches_the_ledger(opened: Opened) -> None:
    con = opened(models={"fake": {"cost_per_million_tokens": 250}})
    con.sql("select ai_embed(t), ai_score(t, 'urgent', model := 'fake-nli') from (values ('abc')) v(t)").fetchall()
    expected = [("ai_embed", 4, 0.001), ("ai_score", 11, 0.0)]
    assert con.sql('select "function", tokens, cost from inlay_ledger()').fetchall() == expected
    assert con.sql('select "function", tokens, cost from inlay_history()').fetchall() == expected


# ------------------------------------------------------------------------------------------------ retry

LONG = "a text that is far too long for the model"
ASK = f"select ai_embed(t), ai_classify(t, ['a', 'b']) from (values ('short'), ('{LONG}'), ('{FAIL}'), (null)) v(t)"


def test_retry_answers_what_can_be_answered_by_now(cli: Cli, opened: Opened, calls: dict[str, int]) -> None:
    limited = "[models.fake]\nmax_tokens = 20\n"
    settings(limited + "too_long = 'error'\n")
    code, _, _ = cli("infer", "--file", statements(ASK))
    assert code == 0
    failures = 'select "function", model, input, error from inlay_failures() order by all'
    listed = opened().sql(failures).fetchall()
    assert [row[:3] for row in listed] == [
        (function, "fake", text) for function in ("ai_classify", "ai_embed") for text in sorted([FAIL, LONG])
    ]
    assert {row[3] for row in listed} == {
        "ValueError: the fake model was asked to fail",
        "the text has at least 42 tokens; model 'fake' reads 20 and too_long = 'error' is set",
    }
    code, out, _ = cli("retry")  # nothing has changed
    assert code == 0
    assert "4 failed inputs asked again: 0 answered, 4 still without an answer." in out
    assert opened().sql(failures).fetchall() == listed
    settings(limited)  # the cause of two of them is gone
    calls.clear()
    code, out, _ = cli("retry")
    assert "4 failed inputs asked again: 2 answered, 2 still without an answer." in out
    assert "'<<fail>>'" in out
    assert [row[2] for row in opened().sql(failures).fetchall()] == [FAIL, FAIL]
    con = opened()
    con.sql(ASK.replace("('short'), ", "")).fetchall()
    assert [row[4:7] for row in ledger_rows(con)] == [(1, 0, 1), (1, 0, 1)]  # known, inferred, failed


def test_retry_reads_no_row_that_is_known(cli: Cli, opened: Opened, calls: dict[str, int]) -> None:
    opened().sql("select ai_embed(t) from (values ('fine'), ('<<fail>>')) v(t)").fetchall()
    opened().sql("select ai_embed('<<fail>>'), ai_embed('<<fail>> too')").fetchall()
    parts = sorted(Path("kept", "results").rglob("*.parquet"))
    calls.clear()
    _, out, _ = cli("retry")
    assert "2 failed inputs asked again: 0 answered, 2 still without an answer." in out
    assert sorted(Path("kept", "results").rglob("*.parquet")) == parts
    # 2 in one batch, then each alone, to find out which of them fails
    assert calls["rows"] == 4
    assert opened().sql("select count(*) from inlay_failures()").fetchall() == [(2,)]


def test_retry_finds_answered_what_was_answered_since(cli: Cli, opened: Opened, calls: dict[str, int]) -> None:
    limits = {"max_tokens": 20, "too_long": "error"}
    con = opened(models={"other": {"source": "fake:embed", **limits}})
    con.execute("select ai_embed(?, model := 'other')", [LONG]).fetchall()
    source = {"source": "fake:embed", "max_tokens": 20}
    opened(models={"other": source}).execute("select ai_embed(?, model := 'other')", [LONG]).fetchall()
    calls.clear()
    settings("[models.other]\nsource = 'fake:embed'\nmax_tokens = 20")
    assert "1 failed inputs asked again: 1 answered, 0 still without" in cli("retry")[1]
    assert not calls
    assert opened().sql("from inlay_failures()").fetchall() == []
    assert "0 failed inputs asked again" in cli("retry")[1]


def test_retry_asks_as_was_asked(cli: Cli, opened: Opened) -> None:
    """Labels with descriptions, options, several arguments and a model's name come back as they were."""
    limits = {"max_tokens": 20, "too_long": "error"}
    sql = f"""
        select
            ai_classify('{LONG}', [{{'label': 'ä''s', 'description': null}}, {{'label': 'b', 'description': '"B" (2)'}}]),
            ai_classify_multi('{LONG}', ['a', 'b'], threshold := 0.25, template := 'it''s {{label}}'),
            ai_filter('{LONG}', 'late?', threshold := 0.1),
            ai_rerank('{LONG}', 'parcel', model := 'fake-rerank'),
            ai_embed('{LONG}', task := 'query')
    """
    opened(models={"fake": limits, "fake-rerank": limits}).sql(sql).fetchall()
    settings("models.fake.max_tokens = 20\nmodels.fake-rerank.max_tokens = 20")
    assert "5 failed inputs asked again: 5 answered, 0 still without an answer." in cli("retry")[1]
    con = opened()
    (answers,) = con.sql(sql).fetchall()
    assert None not in answers
    assert [row[4:7] for row in ledger_rows(con)] == [(1, 0, 0)] * 5


def test_retry_needs_a_store(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retry", "--model", "fake"]) == EXIT_ERROR
    assert "retry reads failures from a result store" in capsys.readouterr().err


# -------------------------------------------------------------------------------------- account of others


def python(code: str, **environment: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "INLAY_STORE": "kept", "INLAY_MODEL": "fake", **environment},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_account_of_another_process_is_readable_and_keeps_secrets(opened: Opened) -> None:
    secret = "hunter2-do-not-tell"
    python(
        "import inlay; con = inlay.connect(models={'mine': {'source': 'fake:embed', 'cost_per_million_tokens': 5}})\n"
        "con.execute(\"set variable token = 'hunter2-do-not-tell'\")\n"
        "con.sql(\"select ai_embed(t, model := 'mine') from (values ('a'), ('<<fail>> b')) v(t)\").fetchall()",
        AWS_SECRET_ACCESS_KEY=secret,
        HF_TOKEN=secret,
        DBT_ENV_SECRET_TOKEN=secret,
    )
    con = opened()
    history = con.sql('select node, "function", model, "rows", inferred, failed, device from inlay_history()')
    assert history.fetchall() == [("", "ai_embed", "mine", 2, 1, 1, "fake")]
    failed = con.sql('select "function", model, input, error from inlay_failures()').fetchall()
    assert failed == [("ai_embed", "mine", "<<fail>> b", "ValueError: the fake model was asked to fail")]
    assert con.sql("from inlay_ledger()").fetchall() == []  # that is this session's own
    (row,) = read_errors(open_folder("kept")).to_pylist()
    assert row["inputs"] == ["<<fail>> b"]
    tables = [*con.sql("from inlay_history()").fetchall(), *con.sql("from inlay_failures()").fetchall(), row]
    assert secret not in repr(tables)
    for path in Path("kept").rglob("*.json"):
        assert secret not in path.read_text("utf-8")


# --------------------------------------------------------------------------------------------- kill -9

COUNTED_MAIN = counted_program("from inlay.cli.main import main; sys.exit(main(sys.argv[1:]))")
N_ROWS, N_DISTINCT = 20_000, 18_000
KILLED = f"select body, ai_embed(body) from (select 'text ' || (i % {N_DISTINCT}) as body from range({N_ROWS}) r(i))"


def test_infer_killed_at_any_moment_goes_on_where_it_was(opened: Opened) -> None:
    file = statements(KILLED)
    command = [sys.executable, "-c", COUNTED_MAIN, "infer", "--file", str(file), "--model", "fake", "--store", "kept"]
    chance = random.Random(7)
    killed = 0
    for number in range(10):
        began_with, aim = counted_texts(Path()), chance.randint(1, N_DISTINCT // 6)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and counted_texts(Path()) - began_with < aim:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += process.returncode == -signal.SIGKILL
        # All that any run was killed with is at most a chunk of DuckDB's for each thread.
        assert counted_texts(Path()) - stored_keys(Path("kept")) <= 2_048 * 2 * (number + 1)
    assert killed >= 5
    rerun = subprocess.run(command, capture_output=True, text=True)
    assert rerun.returncode == 0, rerun.stderr
    assert stored_keys(Path("kept")) == N_DISTINCT
    assert counted_texts(Path()) <= N_DISTINCT + 2_048 * 2 * killed
    before = counted_texts(Path())
    rows = opened(max_rows=0).sql(KILLED).fetchall()
    assert len(rows) == N_ROWS
    assert counted_texts(Path()) == before
    for body, vector in rows[:: N_ROWS // 50]:
        assert vector == pytest.approx(unit_vector(body), abs=1e-6)
    assert not list(Path("kept").rglob("quarantine"))


def call_texts() -> list[Any]:
    return [json.loads(path.read_text())["call"] for path in Path("kept/calls").glob("*.json")]


def test_every_way_to_write_a_call_is_recorded(opened: Opened) -> None:
    con = opened(functions={"ai_similarity": {"model": "fake"}})
    con.sql("select ai_similarity('a', 'b'), ai_similarity('a', 'b', model := 'fake')").fetchall()
    assert sorted(map(str, call_texts())) == [
        "['ai_similarity', None, {'model': 'fake'}]",
        "['ai_similarity', None, {}]",
    ]


def test_infer_records_calls_that_no_row_reaches(cli: Cli, calls: dict[str, int]) -> None:
    sql = "select ai_classify(x, ['a', 'b, c'], model := 'fake') k, ai_embed(lower(x), task := 'query') v from (select 'x' x limit 0)"
    path = manifest(empty={"compiled_code": sql})
    code, _, said = cli("infer", "--manifest", path)
    assert code == 0, said
    assert sorted(call_texts(), key=str) == [
        ["ai_classify", [["a", None], ["b, c", None]], {"model": "fake"}],
        ["ai_embed", None, {"task": "query"}],
    ]
    assert not calls


def test_attaching_again_goes_on_with_the_same_account(opened: Opened) -> None:
    con = opened()
    con.sql("select ai_embed('one')").fetchall()
    inlay.attach(con, model="fake", store="kept", memory_mb=64)
    con.sql("select ai_embed('two')").fetchall()
    assert con.sql("select count(*), count(distinct run) from inlay_history()").fetchall() == [(2, 1)]


def test_retry_keeps_what_it_cannot_ask(cli: Cli, opened: Opened) -> None:
    con = opened(models={"gone": "fake:embed"} | {"gone": {"source": "fake:embed", "backend": "fake"}})
    con.sql(f"select ai_embed('{FAIL}', model := 'gone'), ai_embed('{FAIL} too')").fetchall()
    con.close()
    code, out, said = cli("retry")
    assert code == 0 and "1 still without an answer" in out
    assert "ai_embed (gone), 1 inputs not asked: ai_embed: no model named 'gone'" in said
    left = {(row["model"], *row["inputs"]) for row in read_errors(open_folder("kept")).to_pylist()}
    assert left == {("gone", FAIL), ("fake", f"{FAIL} too")}
