"""How long does `inlay plan` take over a large dbt project, the first time, and when nothing has changed since?

The project is generated: 1,062 models over ten sources, refs up to 15 deep, two parents each, 40 of them calling;
staging models are views, every third of the others a table, and every tenth has two tests. CPU seconds are those of
the command and of the dbt that it starts; all threads. The model is fake, and its answers are not yet known. Beside
it, the same for `dbt compile`, which does a part of that work. What dbt parses there holds for a plan too, so a plan is
made before and after it.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb

from bench.report import save, table

N_MODELS, N_CALLING, DEPTH, N_SOURCES, N_ROWS = 1_062, 40, 15, 10, 200

_PROFILES = """
big:
  target: dev
  outputs:
    dev:
      type: duckdb
      path: big.duckdb
      threads: 2
      plugins:
        - module: inlay.dbt_plugin
          config: {model: fake, store: .inlay}
"""
_PROJECT = """
name: big
version: "1.0"
config-version: 2
profile: big
flags: {send_anonymous_usage_stats: false}
"""


def generate(folder: Path, macros: Path, *, n_models: int = N_MODELS, n_calling: int = N_CALLING) -> None:
    """A dbt project in `folder`, with its sources in big.duckdb. macros: the folder of the dbt package."""
    models = folder / "models"
    models.mkdir(parents=True)
    (folder / "dbt_packages").mkdir()
    (folder / "dbt_packages" / "inlay").symlink_to(macros, target_is_directory=True)
    (folder / "packages.yml").write_text(f"packages:\n  - local: {macros}\n", "utf-8")
    (folder / "profiles.yml").write_text(_PROFILES, "utf-8")
    (folder / "dbt_project.yml").write_text(_PROJECT, "utf-8")
    names = "".join(f"\n      - name: raw_{i}" for i in range(N_SOURCES))
    (folder / "models" / "sources.yml").write_text(
        f"sources:\n  - name: raw\n    schema: main\n    tables:{names}\n", "utf-8"
    )
    per_layer = -(-n_models // DEPTH)
    described = []
    for number in range(n_models):
        name, layer = _name(number, per_layer), number // per_layer
        (models / f"{name}.sql").write_text(_model(number, layer, per_layer, n_models, n_calling), "utf-8")
        if number % 10 == 0:
            described.append(
                f"  - name: {name}\n    columns:\n      - name: id\n        data_tests: [unique, not_null]"
            )
    (models / "schema.yml").write_text("models:\n" + "\n".join(described) + "\n", "utf-8")
    with duckdb.connect(str(folder / "big.duckdb")) as con:
        for i in range(N_SOURCES):
            con.execute(
                f"create table raw_{i} as select i as id, 'text ' || (i * {i + 1}) as body, i % 7 as kind "
                f"from range({N_ROWS}) r(i)"
            )


def _name(number: int, per_layer: int) -> str:
    return f"m{number // per_layer:02}_{number:04}"


def _model(number: int, layer: int, per_layer: int, n_models: int, n_calling: int) -> str:
    if layer == 0:
        return f"select id, body, kind from {{{{ source('raw', 'raw_{number % N_SOURCES}') }}}} where id is not null\n"
    place = number % per_layer
    parents = [_name((layer - 1) * per_layer + (place * step) % per_layer, per_layer) for step in (1, 7)]
    calls = layer % 3 == 2 and place < -(-n_calling // len(range(2, DEPTH, 3)))
    materialized = "table" if calls or place % 3 == 0 else "view"
    topic = "{{ inlay.ai_classify('a.body', ['late', 'broken', 'fine']) }}" if calls else "upper(a.body)"
    return (
        f"{{{{ config(materialized='{materialized}') }}}}\n"
        f"with a as (select * from {{{{ ref('{parents[0]}') }}}}),\n"
        f"b as (select * from {{{{ ref('{parents[1]}') }}}})\n"
        f"select a.id, a.body || ' {layer}' as body, b.kind, {topic} as topic\n"
        "from a left join b on a.id = b.id where a.kind < 6\n"
    )


def plan(short: bool) -> None:
    from inlay.cli.functions import macros_folder

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made, "big")
        generate(folder, macros_folder(), n_models=90 if short else N_MODELS, n_calling=10 if short else N_CALLING)
        inlay = (sys.executable, "-m", "inlay", "plan", "--no-measure")
        found = {
            "inlay plan, nothing parsed": _cpu_s(folder, inlay),
            "inlay plan, nothing changed": _cpu_s(folder, inlay),
        }
        shutil.rmtree(folder / "target")
        dbt = (sys.executable, "-c", "from dbt.cli.main import cli; cli()", "compile", "--quiet")
        found["dbt compile"] = _cpu_s(folder, dbt)
        found["inlay plan, after dbt compile"] = _cpu_s(folder, inlay)
    print(table(["command", "CPU s"], [[name, f"{seconds:.1f}"] for name, seconds in found.items()]))
    save("dbt_project.plan", found)


def _cpu_s(folder: Path, command: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, cwd=folder, env={**os.environ, "INLAY_PROGRESS": "off"}, check=True, stdout=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


PARTS = {"plan": plan}
