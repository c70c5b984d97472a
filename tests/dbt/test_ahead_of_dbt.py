"""`inlay plan`, `infer` and `retry` in a dbt project: dbt's own flags, the profile's config, and what is left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

pytest.importorskip("dbt.adapters.duckdb")

from inlay.dbt.compile import compiles_alike
from inlay.dbt.unchanged import keep_answer, kept_answer, state_of
from support.paths import REPOSITORY

PROFILES = """
shop:
  target: dev
  outputs:
    dev: &dev
      type: duckdb
      path: shop.duckdb
      plugins:
        - module: inlay.dbt_plugin
          config: {model: fake, store: kept}
    other:
      <<: *dev
      path: other.duckdb
"""
FILES = {
    "dbt_project.yml": "name: shop\nversion: '1.0'\nprofile: shop\nflags: {send_anonymous_usage_stats: false}\n",
    "settings/profiles.yml": PROFILES,
    "seeds/reviews.csv": "id,body\n1,late\n2,broken\n",
    "seeds/gone.csv": "id,body\n1,x\n",
    "models/stg.sql": "{{ config(materialized='view') }} select * from {{ ref('reviews') }}",
    "models/topics.sql": "{{ config(materialized='table') }} select body, {{ inlay.ai_classify('body', var('labels', ['a', 'b'])) }} as topic from {{ ref('stg') }}",
    "models/lengths.sql": "{{ config(materialized='table', tags=['nightly']) }} select {{ inlay.ai_count_tokens('body') }} as n from {{ ref('topics') }}",
    "models/over_gone.sql": "{{ config(materialized='table') }} select {{ inlay.ai_embed('body') }} as e from {{ ref('gone') }}",
    "models/wrong_label.sql": "{{ config(materialized='table') }} select {{ inlay.ai_classify('body', 7) }} as k from {{ ref('reviews') }}",
    "models/plain.sql": "select 1 as a",
    "models/pasted.sql": "{{ config(materialized='ephemeral') }} select {{ inlay.ai_embed(\"body || '!'\") }} as s from {{ ref('stg') }}",
    "models/viewed.sql": "select *\nfrom {{ ref('pasted') }}",
    "models/misspelt.sql": "{{ config(materialized='table', tags=['check']) }}\nselect 1 as e,\n    {{ inlay.ai_embed('body', model='nope') }} as f from {{ ref('stg') }}",
}  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    (folder / "dbt_packages").mkdir()
    (folder / "dbt_packages" / "inlay").symlink_to(REPOSITORY / "macros", target_is_directory=True)
    (folder / "packages.yml").write_text(f"packages:\n  - local: {REPOSITORY / 'macros'}\n", "utf-8")
    with duckdb.connect(str(folder / "shop.duckdb")) as con:
        con.execute("create table reviews as from (values (1, 'late'), (2, 'broken')) r(id, body)")
    return folder


def inlay(shop: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """In another folder than the project's, which its flags name."""
    where = [] if cwd else ["--project-dir", str(shop), "--profiles-dir", str(shop / "settings")]
    return subprocess.run(
        [sys.executable, "-m", "inlay", arguments[0], *where, *arguments[1:]],
        cwd=cwd or shop.parent, env={**os.environ, "DBT_PROFILES_DIR": str(shop / "settings")},
        capture_output=True, text=True,
    )  # fmt: skip


def plan(shop: Path, *arguments: str) -> tuple[dict[str, tuple[int, int]], list[str]]:
    """(node → known, to infer; notes)."""
    ran = inlay(shop, "plan", "--json", "--no-measure", *arguments)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return {each["node"].split(".")[-1]: (each["known"], each["to_infer"]) for each in found["calls"]}, found["notes"]


def test_a_project_is_planned_inferred_and_then_known(shop: Path) -> None:
    calls, notes = plan(shop)
    assert calls == {"topics": (0, 2), "lengths": (0, 2), "viewed": (0, 2)}
    misspelt, gone, wrong = sorted(notes)
    assert misspelt.startswith("misspelt is not counted: it cannot be run: ") and "no model named 'nope'" in misspelt
    assert (
        gone
        == f"over_gone is not counted: it reads gone, which is not in {shop / 'shop.duckdb'} (type first: dbt seed)"
    )
    assert wrong.startswith("wrong_label is not counted: it cannot be compiled: ") and "labels" in wrong
    ran = inlay(shop, "infer", "--select", "topics", "lengths", cwd=shop)
    assert (ran.returncode, ran.stderr.splitlines()) == (0, ["inferring topics", "inferring lengths"])
    assert (shop / "kept").is_dir()  # the store of the profile, from the project's folder
    assert "Everything is known" not in inlay(shop, "plan").stdout  # some nodes are not counted
    ran = inlay(shop, "plan", "-s", "topics", "tag:nightly")
    assert ran.stdout.endswith("Everything is known: no model would run.\n")


def test_dbts_own_flags(shop: Path) -> None:
    # Another target has another database, in which nothing is built; other labels are another call.
    arguments = ("--target", "other", "--vars", "{labels: [c]}", "--select", "topics")
    _, notes = plan(shop, *arguments)
    where = shop / "other.duckdb"
    assert notes == [f"topics is not counted: it reads reviews, which is not in {where} (type first: dbt seed)"]
    # What is not selected and asks models is read as it is built, as by dbt; what asks none is made.
    _, notes = plan(shop, "--select", "lengths")
    assert notes == [
        f"lengths is not counted: it reads topics, which is not in {shop / 'shop.duckdb'} "
        "(type first: dbt run --select topics)"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--select", "topisc"], "nothing is selected: no node matches 'topisc'. Did you mean 'topics'?"),
        (["--target", "prod"], "does not have a target named 'prod'"),
    ],
)
def test_what_dbt_refuses_is_one_line(shop: Path, arguments: list[str], message: str) -> None:
    ran = inlay(shop, "plan", *arguments)
    assert (ran.returncode, ran.stdout, len(ran.stderr.splitlines())) == (1, "", 1), ran.stderr
    assert message in ran.stderr


def test_check_names_what_would_fail_at_its_place_in_the_file(shop: Path) -> None:
    ran = inlay(shop, "check", "--format", "json", cwd=shop)
    found = {(each["file"], each["line"], each["column"], each["rule"]) for each in json.loads(ran.stdout)}
    assert (ran.returncode, found) == (
        1,
        {
            ("models/wrong_label.sql", 1, 1, "compile"),
            ("models/viewed.sql", 1, 1, "view-in-dbt"),
            ("models/misspelt.sql", 3, 14, "unknown-model"),
        },
    )


def test_retry_asks_in_the_store_of_the_profile(shop: Path) -> None:
    made = inlay(shop, "infer", "--select", "topics", cwd=shop)  # the tests of this file may run in several processes
    assert made.returncode == 0, made.stderr
    ran = inlay(shop, "retry", cwd=shop)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("0 failed inputs asked again")


def test_dbt_is_asked_again_where_something_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what dbt says, a plan depends on nothing else than files, variables, packages and what is asked."""
    (tmp_path / "models").mkdir()
    for name in ("dbt_project.yml", "profiles.yml", "models/a.sql"):
        (tmp_path / name).write_text("", "utf-8")
    asked = {"profiles_dir": str(tmp_path), "select": []}
    before = state_of(tmp_path, asked)
    assert state_of(tmp_path, asked) == before
    for change in (
        lambda: (tmp_path / "models/b.sql").write_text("", "utf-8"),
        lambda: (tmp_path / "models/a.sql").write_text("select 1", "utf-8"),
        lambda: (tmp_path / "profiles.yml").write_text("shop:", "utf-8"),
        lambda: monkeypatch.setenv("MY_SCHEMA", "x"),
        lambda: asked.update(select=["a"]),
    ):
        change()
        assert state_of(tmp_path, asked) != before
        before = state_of(tmp_path, asked)
    (tmp_path / "target").mkdir()
    (tmp_path / "shop.duckdb").write_text("x", "utf-8")
    monkeypatch.setenv("OLDPWD", "/elsewhere")
    assert state_of(tmp_path, asked) == before


def test_an_answer_is_kept_for_its_state(tmp_path: Path) -> None:
    assert kept_answer(tmp_path, "a") is None
    keep_answer(tmp_path, "a", {"nodes": {}})
    assert kept_answer(tmp_path, "a") == {"nodes": {}}
    assert kept_answer(tmp_path, "b") is None
    (tmp_path / "inlay_answer.json").write_text("{", "utf-8")
    assert kept_answer(tmp_path, "a") is None
    keep_answer(tmp_path / "absent", "a", {})


@pytest.mark.parametrize(
    ("raw_code", "macro", "fixed"),
    [
        ("select 1", "", True),
        ("select {{ run_started_at }}", "", False),
        ("select {{ mine() }}", "{{ modules.datetime.datetime.now() }}", False),
        ("select {{ mine() }}", "{% do run_query('select 1') %}", False),
        ("select {{ mine() }}", "1", True),
    ],
)
def test_sql_that_asks_the_database_or_the_clock_is_compiled_anew(raw_code: str, macro: str, fixed: bool) -> None:
    def of(macros: list[str]) -> SimpleNamespace:
        return SimpleNamespace(macros=macros)

    macros = {"macro.shop.mine": SimpleNamespace(macro_sql=macro, package_name="shop", depends_on=of([]))}
    nodes = {"a": SimpleNamespace(raw_code=raw_code, depends_on=of(["macro.shop.mine"] if "mine" in raw_code else []))}
    assert compiles_alike(SimpleNamespace(nodes=nodes, macros=macros), ["a"]) == fixed
