"""What does a person at a prompt wait for: attaching, a first statement, and the same statement again?

Attaching and the first planned statement are measured in processes of their own that have imported duckdb and pyarrow;
CPU seconds are those of the whole process, all threads. Warm statements are asked again and again of known rows, with
the result store on, and are compared with DuckDB's own query over a table of their answers. The model is fake.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import inlay
from bench.report import median, save, spread, table

_ONE = "select id, ai_classify(body, ['a', 'b']) as k from t"
_TWO = """
    with labelled as (select id, ai_classify(body, ['a', 'b']) as k, ai_sentiment(body) as s from t)
    select k, s, count(*) from labelled group by all
"""
_PLAIN = {_ONE: "select id, k from answers", _TWO: "select k, s, count(*) from answers group by all"}

_FIRST = """
import time, duckdb, pyarrow
con = duckdb.connect()
began = time.process_time()
import inlay
inlay.attach(con, model='fake', progress='off')
attached = time.process_time()
inlay.sql(con, "select ai_classify('hello', ['a', 'b'])").fetchall()
print(attached - began, time.process_time() - attached)
"""


def first(short: bool) -> None:
    runs = [_process() for _ in range(3 if short else 9)]
    attach_s, statement_s = [run[0] for run in runs], [run[1] for run in runs]
    rows = [["attach", spread(attach_s), "0.15"], ["first planned statement", spread(statement_s), "0.3"]]
    print(table(["CPU s", "median (least–greatest)", "at most"], rows))
    save("interactive.first", {"attach_s": attach_s, "statement_s": statement_s})


def warm(short: bool) -> None:
    n_times = 5 if short else 20
    found: dict[str, tuple[list[float], list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder, inlay.connect(model="fake", store=folder, progress="off") as con:
        con.execute("create table t as select i as id, 'text ' || i as body from range(50) r(i)")
        con.execute(
            "create table answers as select id, ai_classify(body, ['a', 'b']) as k, ai_sentiment(body) as s from t"
        )
        for name, statement in {"one call": _ONE, "two calls in a CTE": _TWO}.items():
            for way, run in {"con.sql": con.sql, "con.execute": con.execute}.items():
                found[f"{name}, {way}"] = _seconds(run, statement, n_times)
                found[f"{name}, {way}{_ALONE}"] = _seconds(run, _PLAIN[statement], n_times)
    rows = [[name, *(spread([1000 * each for each in one], ".1f") for one in both)] for name, both in found.items()]
    print(table(["statement", "wall ms", "CPU ms"], rows))
    more = {
        name: [1000 * (median(one) - median(alone)) for one, alone in zip(both, found[f"{name}{_ALONE}"], strict=True)]
        for name, both in found.items()
        if not name.endswith(_ALONE)
    }
    rows = [[name, *(f"{ms:.1f}" for ms in both), "10" if "one" in name else "20"] for name, both in more.items()]
    print(f"\n{table(['more than DuckDB alone', 'wall ms', 'CPU ms', 'at most'], rows)}")
    save("interactive.warm", {"seconds": found, "more_ms": more})


_ALONE = ", DuckDB alone"


def _process() -> tuple[float, float]:
    # As where a package is installed, modules are compiled once.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    printed = subprocess.run(
        [sys.executable, "-c", _FIRST],
        check=True, capture_output=True, text=True, cwd=Path(tempfile.gettempdir()), env=environment,
    ).stdout  # fmt: skip
    attach_s, statement_s = map(float, printed.split())
    return attach_s, statement_s


def _seconds(run: Any, sql: str, n_times: int) -> tuple[list[float], list[float]]:
    """By the clock, and of the CPU."""
    run(sql).fetchall()
    wall, cpu = [], []
    for _ in range(n_times):
        began, cpu_began = time.perf_counter(), time.process_time()
        run(sql).fetchall()
        wall.append(time.perf_counter() - began)
        cpu.append(time.process_time() - cpu_began)
    return wall, cpu


PARTS = {"first": first, "warm": warm}
