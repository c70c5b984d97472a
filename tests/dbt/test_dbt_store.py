"""dbt over a result store: what a build asks of models, inlay_incremental, the stored form, and builds that are killed.

dbt takes seconds to start, so each project is taken through its life once, by a fixture, and the tests read what every
run left behind.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import pytest

pytest.importorskip("dbt.adapters.duckdb")

import inlay
from inlay.backends.fake import FAIL, fake_reply
from inlay.execution.gathering import GATHER_ROWS
from inlay.store.account import read_ledger
from inlay.store.folder import open_folder
from support.dbt_runs import Project, Run
from support.killed_processes import counted_program, counted_texts, stored_keys, unit_vector

Rows = list[tuple[Any, ...]]

PROJECT = """
name: shop
version: "0.1.0"
config-version: 2
profile: shop
flags: {send_anonymous_usage_stats: false}
models: {shop: {+materialized: table}}
"""

# `plain` has neither plugin nor inlay, `forgetful` has no store.
PROFILE = """
shop:
  target: dev
  outputs:
    dev: &dev
      type: duckdb
      path: shop.duckdb
      threads: 2
      plugins: [{module: inlay.dbt_plugin, config: {model: fake, language_model: fake-generate, store: kept, functions: FUNCTIONS}}]
    forgetful:
      <<: *dev
      plugins: [{module: inlay.dbt_plugin, config: {model: fake}}]
    plain: {type: duckdb, path: shop.duckdb, schema: plain, threads: 2}
"""

SOURCES = """
sources:
  - name: shop
    schema: main
    tables: [{name: raw, config: {event_time: made}}]
"""

# Found by every Python process that has its folder in PYTHONPATH. The failing text of the fake model is read when it
# runs, so a process whose text is another one stands for a cause that went away: the answers and keys are the same.
HEALED = "import inlay.backends.fake as fake\nfake.FAIL = 'no text has this'\n"
NO_INLAY = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "inlay":
            raise ImportError("inlay is not to be imported")
sys.meta_path.insert(0, Refuse())
"""


def shop(folder: Path, models: dict[str, str], *, functions: str = "{}", schema: str = "") -> Project:
    source = folder / "written" / "shop"
    (source / "models").mkdir(parents=True)
    (source / "dbt_project.yml").write_text(PROJECT, "utf-8")
    (source / "profiles.yml").write_text(PROFILE.replace("FUNCTIONS", functions), "utf-8")
    (source / "models" / "schema.yml").write_text(SOURCES + schema, "utf-8")
    for name, sql in models.items():
        (source / "models" / f"{name}.sql").write_text(sql, "utf-8")
    for name, code in (("healed", HEALED), ("no_inlay", NO_INLAY)):
        (folder / name).mkdir()
        (folder / name / "sitecustomize.py").write_text(code, "utf-8")
    return Project(source, folder)


def sql(project: Project, *statements: str) -> Rows:
    """Runs statements on the project's database, without inlay; gives the rows of the last."""
    with duckdb.connect(str(project.folder / "shop.duckdb")) as con:
        for statement in statements:
            rows = con.execute(statement).fetchall()
    return rows


# ---------------------------------------------------------------------------------------- builds with a store


@dataclass(frozen=True)
class Step:
    """One dbt command: what it printed, what it asked of models by node (rows, inferred, failed), all tables after."""

    run: Run
    asked: dict[str, tuple[int, int, int]]
    tables: dict[str, Rows]


class Life:
    """A project whose runs are recorded by name."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.steps: dict[str, Step] = {}
        self.invocations: dict[str, set[str]] = {}
        self._seen: set[str] = set()

    def step(self, name: str, *arguments: str, changes: Iterable[str] = (), **environment: str) -> None:
        if changes:
            sql(self.project, *changes)
        excluded = () if arguments[0] == "retry" else ("--exclude", "tag:wrong")
        run = self.project.dbt(*arguments, *excluded, **environment)
        asked: dict[str, tuple[int, int, int]] = {}
        invocations = set()
        for row in read_ledger(open_folder(str(self.project.folder / "kept"))).to_pylist():
            if row["run"] not in self._seen:
                invocations.add(row["invocation"])
                before = asked.get(row["node"], (0, 0, 0))
                asked[row["node"]] = tuple(  # type: ignore[assignment]
                    a + row[column] for a, column in zip(before, ("rows", "inferred", "failed"), strict=True)
                )
        self._seen |= set(read_ledger(open_folder(str(self.project.folder / "kept")))["run"].to_pylist())
        with duckdb.connect(str(self.project.folder / "shop.duckdb"), read_only=True) as con:
            names = con.execute("select view_name from duckdb_views() where not internal").fetchall()
            names += con.execute("select table_name from duckdb_tables() where table_name <> 'raw'").fetchall()
            tables = {table: con.execute(f'from "{table}" order by 1').fetchall() for (table,) in names}
        self.steps[name] = Step(run, {node.rpartition(".")[2]: counts for node, counts in asked.items()}, tables)
        self.invocations[name] = invocations


LABELS = "env_var('LABELS', 'late,broken').split(',')"
ASK = "{{ inlay.ai_classify('body', " + LABELS + ", model='fake-nli') }} as topic"
FROM = "from {{ source('shop', 'raw') }}"
INLAY = "materialized='inlay_incremental', unique_key='id'"

MODELS = {
    "ordinary": f"select id, note, {ASK} {FROM}",
    "grown": (
        "{{ config(materialized='incremental', unique_key='id') }} select id, note, {{ inlay.ai_embed('body') }} as e "
        f"{FROM} {{% if is_incremental() %}} where id is not null {{% endif %}}"
    ),
    "kept": f"{{{{ config({INLAY}) }}}} select id, note, {ASK} {FROM}",
    "by_two": (
        "{{ config(materialized='inlay_incremental', unique_key=['id', 'part'], on_change='append') }} "
        f"select id, body like '%!' as part, note, {ASK} {FROM}"
    ),
    "appended": f"{{{{ config({INLAY}, on_change='append') }}}} select id, note, {ASK} {FROM}",
    "strict": f"{{{{ config({INLAY}, on_change='fail') }}}} select id, note, {ASK} {FROM}",
    "raising": (
        f"{{{{ config({INLAY}) }}}} select id, note, "
        "{{ inlay.ai_sentiment('body', on_error=env_var('ON_ERROR', 'null')) }} as s " + FROM
    ),
    "erring": (
        f"{{{{ config({INLAY}) }}}} select id, note, {{{{ inlay.ai_score('body', 'urgent') }}}} as s, "
        "if({{ env_var('BROKEN', 'false') }}, error('half-way'), 1) as one " + FROM
    ),
    "hooked": (
        f"{{{{ config({INLAY}, post_hook=\"select if({{{{ env_var('BROKEN', 'false') }}}}, error('after it'), 1)\") }}}} "
        "select id, note, {{ inlay.ai_embed('body') }} as e " + FROM
    ),
    "wider": (
        f"{{{{ config({INLAY}, on_schema_change='append_new_columns') }}}} select id, "
        "{{ inlay.ai_embed('body') }} as e {{ env_var('MORE', '') }} " + FROM
    ),
    "promised": f"{{{{ config({INLAY}) }}}} select id, note, {ASK} {FROM}",
    "batched": (
        "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='made', batch_size='day', "
        "begin='2020-01-01', lookback=1) }} select id, note, made, {{ inlay.ai_embed('body') }} as e " + FROM
    ),
    "doubled": f"{{{{ config({INLAY}) }}}} select id // 2 as id, note, body, {ASK} {FROM} where id in (2, 3)",
    "taken": f"{{{{ config({INLAY}) }}}} select id, note, {{{{ inlay.ai_extract_json('body', {LABELS}) }}}} as s {FROM}",
    "fields": f"{{{{ config({INLAY}) }}}} select id, note, {{{{ inlay.ai_extract('body', {LABELS}) }}}} as s {FROM}",
    "prompted": (
        f"{{{{ config({INLAY}, on_change='append') }}}} select id, note, "
        "{{ inlay.ai_complete(\"'\" ~ env_var('LABELS', 'late,broken') ~ \"? ' || body\") }} as s " + FROM
    ),
    "keyless": "{{ config(materialized='inlay_incremental', tags=['wrong']) }} " + f"select id, {ASK} {FROM}",
    "misspelt": f"{{{{ config({INLAY}, on_change='apend', tags=['wrong']) }}}} select id, {ASK} {FROM}",
    "homeless": f"{{{{ config({INLAY}, tags=['wrong']) }}}} select id, {ASK} {FROM}",
}
if version("dbt-duckdb").startswith("1.10."):
    del MODELS["batched"]  # dbt-duckdb has microbatch since 1.11
CONTRACT = """
models:
  - name: promised
    config: {contract: {enforced: true}}
    columns:
      - {name: id, data_type: integer}
      - {name: note, data_type: varchar}
      - {name: topic, data_type: varchar}
"""

# Three plain texts, one of them twice, one NULL, one without a key, and one that fails.
RAW = f"""
    create table raw as select * from (values
        (1, 'my parcel is late', 'a', timestamp '2020-01-01 10:00'),
        (2, 'the lamp is broken', 'b', timestamp '2020-01-01 11:00'),
        (3, 'my parcel is late', 'c', timestamp '2020-01-02 10:00'),
        (4, null, 'd', timestamp '2020-01-02 10:00'),
        (5, '{FAIL} this one', 'e', timestamp '2020-01-02 10:00'),
        (null, 'who am i', 'f', timestamp '2020-01-02 10:00')
    ) v(id, body, note, made)
"""
WRONG = {"keyless", "misspelt", "homeless"}
LANGUAGE = ("taken", "fields", "prompted")
SAME_CALL = ("ordinary", "kept", "by_two", "appended", "strict", "promised", "doubled")
BATCHES = ("--event-time-start", "2020-01-01", "--event-time-end", "2020-01-03")


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    project = shop(tmp_path_factory.mktemp("life"), MODELS, schema=CONTRACT)
    sql(project, RAW)
    life = Life(project)
    life.step("first", "run", *BATCHES)
    life.step("noted", "run", *BATCHES, changes=["update raw set note = note || '*' where id is distinct from 2"])
    life.step("refreshed", "run", "--full-refresh", *BATCHES)
    edited = "update raw set body = 'the lamp is fine!' where id = 2"
    added = "insert into raw values (6, 'a new one', 'g', '2020-01-02 23:00')"
    life.step("broken", "run", *BATCHES, changes=[edited, added], ON_ERROR="raise", BROKEN="true")
    life.step("retried", "retry", PYTHONPATH=str(project.folder.parent / "healed"))
    life.step("healed", "run", *BATCHES, PYTHONPATH=str(project.folder.parent / "healed"))
    life.step("changed", "run", *BATCHES, LABELS="x,y", MORE=", note")
    grown = ["insert into raw values (7, 'one more', 'h', '2020-01-01')", "update raw set body = 'edited' where id = 3"]
    life.step("grown", "run", *BATCHES, changes=grown, LABELS="x,y", MORE=", note")
    life.step("anew", "run", "--full-refresh", *BATCHES, LABELS="x,y")
    return life


def topics(step: Step, table: str) -> dict[Any, Any]:
    return {row[0]: row[-1] for row in step.tables[table]}


def inferred(step: Step, *nodes: str) -> int:
    return sum(counts[1] for node, counts in step.asked.items() if not nodes or node in nodes)


def expected_topics(labels: list[str], rows: dict[Any, str | None]) -> dict[Any, Any]:
    with inlay.connect(model="fake") as con:
        return {
            key: con.execute("select ai_classify(?, ?, model := 'fake-nli')", [body, labels]).fetchall()[0][0]
            for key, body in rows.items()
        }


BODIES: dict[Any, str | None] = {
    1: "my parcel is late", 2: "the lamp is broken", 3: "my parcel is late", 4: None, 5: f"{FAIL} this one",
    None: "who am i",
}  # fmt: skip


def test_a_second_build_infers_nothing_though_another_column_changed(life: Life) -> None:
    first, noted = life.steps["first"], life.steps["noted"]
    assert first.run.code == 0, first.run.output
    assert noted.run.code == 0, noted.run.output
    assert set(first.asked) == set(noted.asked) == set(MODELS) - WRONG
    # three texts against two labels are asked once, by whichever node comes first; the failing one by every node
    assert inferred(first, *SAME_CALL) == 3
    assert inferred(noted) == 0
    for step in (first, noted):
        assert {failed for node, (_, _, failed) in step.asked.items() if node != "doubled"} == {1}
    expected = expected_topics(["late", "broken"], BODIES)
    for table in ("ordinary", "kept", "by_two", "appended", "strict", "promised"):
        assert topics(first, table) == topics(noted, table) == expected, table
        notes = [row[2 if table == "by_two" else 1] for row in noted.tables[table]]
        assert sorted(notes) == ["a*", "b", "c*", "d*", "e*", "f*"], table
    assert sorted(row[1] for row in noted.tables["grown"] if row[0]) == ["a*", "b", "c*", "d*", "e*"]


def test_a_full_refresh_infers_nothing(life: Life) -> None:
    step = life.steps["refreshed"]
    assert step.run.code == 0, step.run.output
    assert inferred(step) == 0
    for table in life.steps["noted"].tables:
        rows = step.tables[table]
        # the row without a key, which its incremental runs left out
        before = [row for row in life.steps["noted"].tables[table] if (table, row[0]) != ("grown", None)]
        assert [row for row in rows if (table, row[0]) != ("grown", None)] == before, table


def test_the_ledger_says_which_node_and_run(life: Life) -> None:
    assert all(len(invocations) == 1 for invocations in life.invocations.values())
    assert len(set.union(*life.invocations.values())) == len(life.invocations)
    with inlay.connect(model="fake", store=life.project.folder / "kept") as con:
        rows = con.sql("select distinct invocation, node from inlay_history()").fetchall()
        (failures,) = con.sql("select count(distinct node) from inlay_failures()").fetchall()
    assert {invocation for invocation, _ in rows} == set.union(*life.invocations.values())
    assert {node for _, node in rows} == {f"model.shop.{name}" for name in MODELS if name not in WRONG}
    assert failures[0] >= 10


def test_a_model_that_fails_leaves_its_table_as_it_was(life: Life) -> None:
    before, step = life.steps["refreshed"], life.steps["broken"]
    assert step.run.code == 1, step.run.output
    failed = {name for name, status in step.run.statuses().items() if status == "error"}
    assert failed == {"raising", "erring", "hooked"}
    assert "1 distinct input failed" in step.run.nodes["raising"]["message"]
    assert "half-way" in step.run.nodes["erring"]["message"]
    assert "after it" in step.run.nodes["hooked"]["message"]
    for table in failed:
        assert step.tables[table] == before.tables[table], table


def test_an_edited_row_and_a_new_one_are_inferred_and_nothing_else(life: Life) -> None:
    step = life.steps["broken"]
    assert inferred(step, *SAME_CALL) == 2
    assert inferred(step, *{"grown", "wider", "batched", "raising", "erring", "hooked"} & set(MODELS)) == 2
    assert {step.asked[node][2] for node in SAME_CALL if node != "doubled"} == {1}
    bodies = BODIES | {2: "the lamp is fine!", 6: "a new one"}
    expected = expected_topics(["late", "broken"], bodies)
    for table in ("ordinary", "kept", "appended", "strict", "promised"):
        assert topics(life.steps["broken"], table) == expected, table
        assert len(step.tables[table]) == 7
    # `part` is a part of the key, and the edit changed it: nobody said that the row of the old key is gone
    assert len(step.tables["by_two"]) == 8
    assert {(row[0], row[1], row[3]) for row in step.tables["by_two"] if row[0] in (2, 6)} == {
        (2, False, topics(life.steps["first"], "kept")[2]), (2, True, expected[2]), (6, False, expected[6]),
    }  # fmt: skip
    if "batched" in MODELS:
        assert {row[0] for row in step.tables["batched"]} == {1, 2, 3, 4, 5, 6, None}
        assert len(step.tables["batched"]) == 7


def test_dbt_retry_asks_for_the_rest_alone(life: Life) -> None:
    step = life.steps["retried"]
    assert step.run.code == 0, step.run.output
    assert set(step.asked) == {"raising", "erring", "hooked"}
    # all but the formerly failed row is known, for the runs that failed had answered it
    assert inferred(step) == 1
    for table in ("raising", "erring", "hooked"):
        assert len(step.tables[table]) == 7
        assert [row[1] for row in step.tables[table] if row[0] in (2, 6)] == ["b", "g"]


def test_a_row_that_failed_is_answered_once_it_can_be(life: Life) -> None:
    step = life.steps["healed"]
    assert step.run.code == 0, step.run.output
    assert {failed for _, _, failed in step.asked.values()} == {0}
    assert inferred(step) - inferred(step, *LANGUAGE) == inferred(step, *SAME_CALL) == 1
    assert inferred(step, *LANGUAGE) == 2  # ai_extract and ai_extract_json ask the same
    for table in ("ordinary", "kept", "appended", "promised", "erring", "raising", "grown"):
        assert topics(life.steps["broken"], table)[5] is None or table in ("raising", "erring")
        assert topics(life.steps["healed"], table)[5] is not None, table
        others = [row for row in life.steps["retried"].tables[table] if row[0] != 5]
        assert [row for row in step.tables[table] if row[0] != 5] == others


def test_changed_labels_do_what_on_change_says(life: Life) -> None:
    step, before = life.steps["changed"], life.steps["healed"]
    statuses = step.run.statuses()
    assert {name for name, status in statuses.items() if status == "error"} == {"strict", "fields"}, step.run.output
    assert "on_change is 'fail'. Nothing was inferred" in step.run.nodes["strict"]["message"]
    for node in ("strict", "appended", "by_two"):
        assert step.asked.get(node, (0, 0, 0))[1] == 0, node
        assert step.tables[node] == before.tables[node], node
    bodies = BODIES | {2: "the lamp is fine!", 6: "a new one"}
    assert topics(life.steps["changed"], "kept") == expected_topics(["x", "y"], bodies)


def test_a_changed_schema_or_prompt_does_what_on_change_says(life: Life) -> None:
    healed, changed, grown, anew = (life.steps[name] for name in ("healed", "changed", "grown", "anew"))
    old, new = ({"late", "broken"}, {"x", "y"})
    assert {frozenset(json.loads(row[2])) for row in healed.tables["taken"] if row[2]} == {frozenset(old)}
    assert {frozenset(json.loads(row[2])) for row in changed.tables["taken"] if row[2]} == {frozenset(new)}
    assert inferred(changed, "taken", "fields") == 4  # of five distinct texts one fails
    # the table's column has the old fields, and DuckDB would keep of the new answers what fits those
    message = changed.run.nodes["fields"]["message"]
    assert (
        "column 's' of 'fields' is STRUCT(late VARCHAR, broken VARCHAR) in the table and STRUCT(x VARCHAR, " in message
    )
    assert "dbt run --full-refresh -s fields" in message
    assert changed.tables["fields"] == grown.tables["fields"] == healed.tables["fields"]
    assert {frozenset(row[2]) for row in anew.tables["fields"] if row[2]} == {frozenset(new)}
    # a prompt is a part of the call; in append mode the old one's replies stay
    assert "prompted" not in changed.asked
    assert changed.tables["prompted"] == healed.tables["prompted"]
    assert grown.asked["prompted"] == (1, 1, 0)
    assert [row for row in grown.tables["prompted"] if row not in healed.tables["prompted"]] == [
        (7, "h", fake_reply("x,y? one more"))
    ]
    assert (3, "c*", fake_reply("x,y? edited")) in anew.tables["prompted"]


def test_what_was_appended_to_stays_as_it_was_until_a_full_refresh(life: Life) -> None:
    step, before = life.steps["grown"], life.steps["healed"]
    new = expected_topics(["x", "y"], {7: "one more"})[7]
    assert step.asked["appended"][0] == step.asked["by_two"][0] == 1, "old rows were asked for"
    assert [row for row in step.tables["appended"] if row[0] != 7] == before.tables["appended"]
    assert [row for row in step.tables["appended"] if row[0] == 7] == [(7, "h", new)]
    assert [row for row in step.tables["by_two"] if row[0] != 7] == before.tables["by_two"]
    assert [row for row in step.tables["by_two"] if row[0] == 7] == [(7, False, "h", new)]
    assert step.tables["strict"] == before.tables["strict"]
    anew = life.steps["anew"]
    assert anew.run.code == 0, anew.run.output
    bodies = BODIES | {2: "the lamp is fine!", 3: "edited", 6: "a new one", 7: "one more"}
    expected = expected_topics(["x", "y"], bodies)
    for table in ("ordinary", "kept", "appended", "by_two", "strict", "promised"):
        assert topics(life.steps["anew"], table) == expected, table


def test_a_new_column_is_appended(life: Life) -> None:
    assert {len(row) for row in life.steps["healed"].tables["wider"]} == {2}
    step = life.steps["changed"]
    assert step.asked["wider"][1] == 0
    assert {row[0]: row[2] for row in step.tables["wider"]} == {
        1: "a*", 2: "b", 3: "c*", 4: "d*", 5: "e*", 6: "g", None: "f*",
    }  # fmt: skip


def test_rows_that_share_a_key_are_replaced_together(life: Life) -> None:
    """A unique_key that is not unique is the user's mistake, and still no reason to lose rows."""
    assert [row[1] for row in life.steps["noted"].tables["doubled"]] == ["b", "c*"]
    assert [row[2] for row in life.steps["grown"].tables["doubled"]] == ["the lamp is fine!", "edited"]


def test_what_inlay_incremental_lacks_is_said(life: Life) -> None:
    run = life.project.dbt("run", "--select", "tag:wrong", "--target", "forgetful")
    assert run.code == 1
    said = {name: node["message"] for name, node in run.nodes.items()}
    assert "'keyless' has no unique_key. Name the column" in said["keyless"]
    assert "on_change of 'misspelt' is 'apend'; it must be 'backfill', 'append' or 'fail'" in said["misspelt"]
    assert "materialized='inlay_incremental' needs a result store" in said["homeless"]
    assert "{store: .inlay}" in said["homeless"]


# ------------------------------------------------------------------------------------------------ stored form

NAME = '"spaltë ""x"""'  # with quotes and a letter beyond ASCII in it
TEXT = NAME.replace('"', '\\"')

OTHERS = "\"'où est mon colis ?'\""


def macro(name: str, arguments: str) -> str:
    return "{{ inlay." + name + "(" + arguments + ") }}"


CALLS = {
    "embedding": ("ai_embed", f"\"{TEXT}\", task='query'"),
    "similarity": ("ai_similarity", f'"{TEXT}", {OTHERS}'),
    "topic": (
        "ai_classify",
        f"\"{TEXT}\", [{{'label': \"c'est \\\"ça\\\"\", 'description': \"n'est pas là, 日本\"}}, env_var('NEW', 'b')]",
    ),
    "from_template": ("ai_classify", f"\"{TEXT}\", ['late', 'broken'], template='It\\'s {{label}}…', model='fake'"),
    "own": ("ai_classify", f"\"{TEXT}\", model='fake-classify'"),
    "tags": ("ai_classify_multi", f"\"{TEXT}\", ['a', 'b', 'c'], threshold=-0.25"),
    "holds": ("ai_filter", f'"{TEXT}", \'it\\\'s "late"\', threshold=0'),
    "held": ("ai_filter", f"\"{TEXT}\", 'angry', model='fake-nli'"),
    "score": ("ai_score", f"\"{TEXT}\", 'urgent'"),
    "feeling": ("ai_sentiment", f'"{TEXT}"'),
    "relevance": ("ai_rerank", f"\"'parcel'\", \"{TEXT}\", model='fake-rerank'"),
    "n_tokens": ("ai_count_tokens", f'"{TEXT}"'),
}
# All functions and options are in test_dbt_package.py; here is that dbt reads the macros alike.
LANGUAGE_CALLS = {
    "reply": ("ai_complete", f"\"'Say: ' || {TEXT}\", system='it\\'s', stop=['.'], seed=1, temperature=0.5"),
    "fields": ("ai_complete", f"\"{TEXT}\", schema=['b', env_var('NEW', 'a')], max_tokens=400"),
    "about": ("ai_extract", f'"{TEXT}", {{\'where\': "où est-il, d\'après \\"lui\\"? 日本", \'a\': none}}'),
    "sent": ("ai_extract", f"\"{TEXT}\", 'sent DATE, \"n of\" INT[]', model='fake-generate'"),
    "json": (
        "ai_extract_json",
        f"\"{TEXT}\", {{'type': 'object', 'properties': {{'z': {{'type': 'number', 'minimum': 0.5}}}}, 'required': ['z']}}",
    ),
    "aspects": ("ai_sentiment_by_aspect", f"\"{TEXT}\", ['price', 'it\\'s \"light\"']"),
    "redacted": ("ai_redact", f"\"{TEXT}\", categories=['email', 'phone']"),
}


def columns_of(calls: dict[str, tuple[str, str]]) -> str:
    return ", ".join(
        f"{macro(name, arguments)} as {column}, {macro('try_' + name, arguments)} as try_{column}"
        for column, (name, arguments) in calls.items()
    )


AS_VIEW = "{{ config(materialized='view' if var('inlay_form', 'call') == 'stored' else 'table') }} "
STORED_MODELS = {
    "every": f"select id, key, value, {columns_of(CALLS)} {FROM}",
    "language": f"select id, key, value, {columns_of(LANGUAGE_CALLS)} {FROM}",
    "asked": (
        f"{AS_VIEW} select id % 2 as odd, count(*) as n, {macro('ai_agg', repr('value') + ', ' + repr('what is it?'))} as a, "
        f"{macro('try_ai_agg', repr('value') + ', ' + repr('what is it?'))}.error as error, min(key) as key, "
        f"{macro('ai_summarize_agg', repr('lower(value)') + ', max_words=3')} as summary {FROM} group by all "
        f"having {macro('ai_summarize_agg', repr('value'))} is not null or count(*) > 0"
    ),
    # in a condition, an aggregate and an order, over columns that are called as those of the store are
    "sums": (
        f"{AS_VIEW} select {macro('ai_sentiment', repr('value'))} as feeling, count(*) as n, "
        f"avg({macro('ai_score', repr('value') + ', ' + repr('urgent'))}) as mean, min(key) as key {FROM} "
        f"where {macro('ai_filter', repr('value') + ', ' + repr('late') + ', threshold=-1')} group by 1 order by mean"
    ),
    "lasting": f"{{{{ config({INLAY}) }}}} select id, {macro('ai_sentiment', repr('value'))} as feeling {FROM}",
    "keeping": (
        f"{{{{ config({INLAY}, on_change='append', tags=['refused']) }}}} "
        f"select id, {macro('ai_sentiment', repr('value'))} as feeling {FROM}"
    ),
    "spoken": (
        "{{ config(tags=['refused']) }} select " + macro("ai_classify", "'value', \"['a', 'b']\"") + f" as topic {FROM}"
    ),
    "unasked": (
        "{{ config(tags=['refused'], enabled=env_var('NEW', '') != '') }} select "
        + macro("ai_classify", "'value', ['a', env_var('NEW', '')]")
        + f" as topic {FROM}"
    ),
}
STORED_RAW = (
    f"create table raw (id integer, key varchar, value varchar, made timestamp, {NAME} varchar)",
    "insert into raw select i, 'key ' || i, v, '2020-01-01', v from (values (1, 'my parcel is late'), (2, 'où ? 日本'), "
    "(3, 'my parcel is late'), (4, null), (5, ''), (6, 'it''s \"broken\"')) t(i, v)",
)


@dataclass(frozen=True)
class Stored:
    project: Project
    inferred: subprocess.CompletedProcess[str]
    called: Run
    stored: Run
    planned: tuple[subprocess.CompletedProcess[str], subprocess.CompletedProcess[str]]

    @property
    def form(self) -> str:
        return f"{{inlay_form: stored, inlay_store: {self.project.folder / 'kept'}}}"

    def without_inlay(self, *arguments: str, **environment: str) -> Run:
        hidden = str(self.project.folder.parent / "no_inlay")
        return self.project.dbt(*arguments, "--target", "plain", "--vars", self.form, PYTHONPATH=hidden, **environment)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """`inlay infer`, a build with the plugin, `inlay plan` with nothing known and with everything, and a build of the
    stored form where inlay cannot be imported."""
    folder = tmp_path_factory.mktemp("stored")
    project = shop(folder, STORED_MODELS)
    sql(project, *STORED_RAW)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("INLAY_", "DBT_"))}
    own = {"DBT_PROFILES_DIR": str(project.folder), "INLAY_LANGUAGE_MODEL": "fake-generate"}

    def inlay_command(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "inlay", *arguments, "--model", "fake"]
        return subprocess.run(command, cwd=folder, env={**clean, **own}, capture_output=True, text=True)

    inferred = inlay_command("infer", "--project-dir", "shop", "--store", "shop/kept")
    called = project.dbt("run")
    plan = ("plan", "--manifest", "shop/target/manifest.json", "-d", "shop/shop.duckdb", "--no-measure", "--json")
    planned = (inlay_command(*plan), inlay_command(*plan, "--store", "shop/kept"))
    made = Stored(project, inferred, called, called, planned)
    return replace(made, stored=made.without_inlay("run", "--exclude", "tag:refused"))


def test_infer_over_a_project_leaves_a_build_nothing_to_infer(stored: Stored) -> None:
    assert stored.inferred.returncode == 0, stored.inferred.stderr
    nodes = {line.removeprefix("inferring ") for line in stored.inferred.stderr.splitlines()}
    assert nodes == {"every", "language", "asked", "sums", "lasting", "keeping", "spoken"}
    assert stored.called.code == 0, stored.called.output
    runs: dict[str, int] = {}
    for row in read_ledger(open_folder(str(stored.project.folder / "kept"))).to_pylist():
        runs[row["invocation"]] = runs.get(row["invocation"], 0) + row["inferred"]
    (by_dbt,) = (n for invocation, n in runs.items() if invocation)
    assert (runs[""] > 0, by_dbt) == (True, 0)


def test_a_plan_of_the_project_counts_what_infer_answers(stored: Stored) -> None:
    for ran in stored.planned:
        assert ran.returncode == 0, ran.stderr
    unknown, known = (json.loads(ran.stdout) for ran in stored.planned)
    assert known["to_infer"] == 0
    lines = {(line["node"].rpartition(".")[2], line["function"]): line for line in unknown["calls"]}
    functions = {name for name, _ in LANGUAGE_CALLS.values()}
    assert {function for node, function in lines if node == "language"} == functions
    for function in functions:
        assert lines["language", function]["to_infer"] >= 3, function  # one text is blank, and mostly not asked about
    for function in ("ai_agg", "ai_summarize_agg"):
        line = lines["asked", function]
        assert (line["model"], line["known"]) == ("fake-generate", 0)
        assert line["to_infer"] == line["distinct"] > 0


def test_the_stored_form_gives_the_same_tables_without_inlay(stored: Stored) -> None:
    assert stored.stored.code == 0, stored.stored.output
    assert set(stored.stored.statuses().values()) == {"success"}
    for model in ("every", "language", "asked"):
        compiled = stored.project.compiled(model)
        assert "read_parquet('" in compiled
        assert "ai_" not in re.sub(r"read_parquet\('[^']+'\)", "", compiled), model
    with duckdb.connect(str(stored.project.folder / "shop.duckdb"), read_only=True) as con:
        for table in ("every", "language", "asked", "sums", "lasting"):
            described = [con.execute(f"describe {schema}.{table}").fetchall() for schema in ("main", "plain")]
            assert described[1] == described[0], table
            order = "order by all" if table not in ("every", "language") else "order by id"
            called, found = (con.execute(f"from {schema}.{table} {order}").fetchall() for schema in ("main", "plain"))
            assert found == called, table
        every, language = (by_id(con, f"plain.{table}") for table in ("every", "language"))
    for rows in (every, language):
        columns = [name for name in rows[1] if name not in ("id", "key", "value")]
        assert {name: rows[4][name] for name in columns} == dict.fromkeys(columns)  # NULL in, NULL out
        assert not [name for name in columns if rows[1][name] is None]
        assert rows[1]["key"] == "key 1"
    assert every[1]["embedding"] == pytest.approx(unit_vector(every[1]["value"]), abs=1e-6)
    assert list(language[1]["about"]) == ["where", "a"]
    assert json.loads(language[1]["try_about"]["value"]) == language[1]["about"]
    assert language[1]["aspects"].keys() == {"price", 'it\'s "light"'}


def by_id(con: duckdb.DuckDBPyConnection, table: str) -> dict[int, dict[str, Any]]:
    columns = [row[0] for row in con.execute(f"describe {table}").fetchall()]
    return {row[0]: dict(zip(columns, row, strict=True)) for row in con.execute(f"from {table}").fetchall()}


def test_a_view_with_answers_works_for_every_reader(stored: Stored) -> None:
    with duckdb.connect(str(stored.project.folder / "shop.duckdb")) as con:
        assert con.execute("select count(*) from duckdb_views() where view_name = 'sums'").fetchall() == [(1,)]
        before = con.execute("from plain.sums order by all").fetchall()
        assert before == con.execute("from main.sums order by all").fetchall()
        # a view, so it goes with its source; a text that nobody asked about has no answer, and is no error
        con.execute("begin")
        con.execute("delete from raw where id <> 1")
        con.execute("insert into raw (id, key, value) values (9, 'key 9', 'never seen')")
        after = con.execute("select sum(n) from plain.sums").fetchall()
        con.execute("rollback")
    assert after == [(1,)]


def test_what_the_stored_form_cannot_look_up_is_said(stored: Stored) -> None:
    run = stored.without_inlay("run", "--select", "tag:refused", "every", "language", NEW="neu")
    assert run.code == 1, run.output
    said = {name: node["message"] for name, node in run.nodes.items()}
    store = str(stored.project.folder / "kept")
    for name, call in (
        ("unasked", '["ai_classify", [['),
        ("every", '["ai_classify", [['),
        ("language", '["ai_complete", null, {"max_tokens": 400.0, "schema": ["b", "neu"]}]'),
    ):
        assert f"in '{name}': the store {store} has no answers to this call: {call}" in said[name]
        assert f"inlay infer --store {store}" in said[name]
    assert "labels is the SQL expression '['a', 'b']'; the stored form needs a list in Jinja" in said["spoken"]
    assert "on_change of 'keeping' is 'append', which needs inlay's plugin" in said["keeping"]


# --------------------------------------------------------------------------------------------------- kill -9

COUNTED_DBT = counted_program("from dbt.cli.main import cli; cli()")
N_ROWS, N_DISTINCT, KILLS = 20_000, 18_000, 12


def test_a_build_killed_at_any_moment_is_finished_by_the_next(tmp_path: Path) -> None:
    big = f"{{{{ config({INLAY}) }}}} select id, {{{{ inlay.ai_embed('body') }}}} as e {FROM}"
    project = shop(tmp_path, {"big": big})
    many = f"select i as id, 'text ' || (i % {N_DISTINCT}) as body, timestamp '2020-01-01' as made from range({N_ROWS}) r(i)"
    sql(project, f"create table raw as {many}")

    def asked() -> int:
        return counted_texts(project.folder)

    def build(**options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", COUNTED_DBT, "--no-use-colors", "run"]
        return subprocess.Popen(command, cwd=project.folder, stderr=subprocess.STDOUT, text=True, **options)

    chance = random.Random(11)
    in_flight = GATHER_ROWS
    for number in range(KILLS):
        began_with, aim = asked(), chance.randint(1, N_DISTINCT // KILLS)
        with build(stdout=subprocess.DEVNULL) as process:
            while process.poll() is None and asked() - began_with < aim:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert asked() - stored_keys(project.folder / "kept") <= in_flight * (number + 1)
    with build(stdout=subprocess.PIPE) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    assert asked() <= N_DISTINCT + in_flight * KILLS
    assert stored_keys(project.folder / "kept") == N_DISTINCT
    count = "select count(*), count(distinct id), count(e) from big"
    assert sql(project, count) == [(N_ROWS, N_ROWS, N_ROWS)]
    sample = sql(project, "select id, e from big using sample 200 rows (reservoir, 3)")
    for key, vector in sample:
        assert vector == pytest.approx(unit_vector(f"text {key % N_DISTINCT}"), abs=1e-6)
    left = sql(project, "select table_name from duckdb_tables() where table_name not in ('raw', 'big')")
    assert left == []
