"""A project with everything that is set once for all of its models: on_run_end, CI without weights, `inlay build`."""

from __future__ import annotations

import html
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

pytest.importorskip("dbt.adapters.duckdb")

from inlay.backends.fake import FAIL
from support.paths import REPOSITORY

FILES = {
    "dbt_project.yml": """
name: shop
version: "1.0"
config-version: 2
profile: shop
flags: {send_anonymous_usage_stats: false}
models: {shop: {+materialized: table}}
vars: {inlay_max_failed_share: 0.4, inlay_report: target/ended.html}
on-run-end: "{{ inlay.on_run_end(results) }}"
""",
    # As docs/dbt.md prints it; INLAY_MODEL=fake wins over its model.
    "profiles.yml": """
shop:
  target: dev
  outputs:
    dev:
      type: duckdb
      path: shop.duckdb
      threads: 2
      plugins:
        - module: inlay.dbt_plugin
          config: {model: minilm, language_model: fake-generate}
""",
    "seeds/reviews.csv": f"id,body\n1,late\n2,broken\n3,{FAIL}\n",
    "models/vectors.sql": "select id, {{ inlay.ai_embed('body', dim=384) }} as vector from {{ ref('reviews') }}",
    "models/fields.sql": "select id, {{ inlay.ai_extract_columns('body', {'product': 'Which?', 'order_no': none}) }} from {{ ref('reviews') }} where id < 3",
    "models/half.sql": "select {{ inlay.ai_embed('body') }} as v from {{ ref('reviews') }} where id > 1",
    "models/borne.sql": "{{ config(meta={'inlay': {'max_failed_share': 0.5, 'comments': false}}) }} select {{ inlay.ai_embed('body') }} as v from {{ ref('reviews') }} where id > 1",
    "models/schema.yml": "models:\n  - name: vectors\n    columns: [{name: vector, description: Of the body.}]\n",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("shop")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    (folder / "dbt_packages").mkdir()
    (folder / "dbt_packages" / "inlay").symlink_to(REPOSITORY / "macros", target_is_directory=True)
    (folder / "packages.yml").write_text(f"packages:\n  - local: {REPOSITORY / 'macros'}\n", "utf-8")
    return folder, typed(folder, "build", "--store", "kept", "--report", "whole.html")


def typed(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "INLAY_MODEL": "fake", "DBT_PROFILES_DIR": str(folder)}
    command = [sys.executable, "-m", "inlay", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_build_ends_as_dbt_ends(built: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, ran = built
    assert ran.returncode == 1
    where = folder / "shop.duckdb"
    assert f"half is not inferred ahead: it reads reviews, which is not in {where} (type first: dbt seed)" in ran.stderr
    said = " ".join(ran.stdout.split())
    assert "half: 1 of 2 inputs got no answer, and at most 0.4 of them may" in said
    assert "borne: 1" not in said and "vectors: 1" not in said and "Traceback" not in ran.stdout + ran.stderr
    assert "inlay: what this run asked of the models" in ran.stdout


def test_what_is_set_once_holds_for_every_model(built: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    with duckdb.connect(str(built[0] / "shop.duckdb"), read_only=True) as con:
        named = "select table_name || '.' || column_name, comment from duckdb_columns() where comment is not null"
        comments = dict(con.sql(named).fetchall())
        assert set(comments) == {"vectors.vector", "half.v"}
        assert comments["vectors.vector"].startswith("Of the body.\ninlay: ai_embed(body) by model fake")
        assert con.sql("select typeof(vector) from vectors limit 1").fetchall() == [("FLOAT[384]",)]
        assert con.sql("select count(*) from vectors where vector is null").fetchall() == [(1,)]
        assert con.sql("from fields limit 0").columns == ["id", "product", "order_no"]


def test_reports_of_the_run_and_of_the_whole_build(built: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, ran = built
    assert "inlay: the report of the run is in target/ended.html" in ran.stdout
    ended, whole = ((folder / name).read_text("utf-8") for name in ("target/ended.html", "whole.html"))
    for page in (ended, whole):
        assert "<h1>Report of run " in page and 'title="model.shop.vectors">vectors<' in page
        assert "<b>1</b> × model.shop.half: ai_embed (fake): " in page and html.escape(FAIL) in page


def test_what_the_build_answered_is_known(built: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    ran = typed(built[0], "plan", "--store", "kept", "--select", "fields")
    assert ran.stdout.endswith("Everything is known: no model would run.\n"), ran.stdout + ran.stderr
