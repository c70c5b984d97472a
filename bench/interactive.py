"""What does a person at a prompt wait for: attaching, a first statement, and the same statement again?

Attaching and the first planned statement are measured in processes of their own that have imported duckdb and pyarrow;
CPU seconds are those of the whole process, all threads. Warm statements are asked again and again of known rows, with
the result store on, and are compared with DuckDB's own query over a table of their answers. The model is fake.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

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
    rows = [["attach", spread(attach_s)], ["first planned statement", spread(statement_s)]]
    print(table(["CPU s", "median (least–greatest)"], rows))
    save("interactive.first", {"attach_s": attach_s, "statement_s": statement_s})


def warm(short: bool) -> None:
    n_times = 5 if short else 20
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, inlay.connect(model="fake", store=folder, progress="off") as con:
        con.execute("create table t as select i as id, 'text ' || i as body from range(50) r(i)")
        con.execute(
            "create table answers as select id, ai_classify(body, ['a', 'b']) as k, ai_sentiment(body) as s from t"
        )
        for name, statement in {"one call": _ONE, "two calls in a CTE": _TWO}.items():
            for way, run in {"con.sql": con.sql, "con.execute": con.execute}.items():
                found[f"{name}, {way}"] = _seconds(lambda run=run, sql=statement: run(sql).fetchall(), n_times)
                plain = lambda run=run, sql=_PLAIN[statement]: run(sql).fetchall()  # noqa: E731
                found[f"{name}, {way}, DuckDB alone"] = _seconds(plain, n_times)
    rows = [[name, spread([1000 * each for each in seconds], ".1f")] for name, seconds in found.items()]
    print(table(["statement", "wall ms"], rows))
    save("interactive.warm", {name: {"seconds": each, "median": median(each)} for name, each in found.items()})


def _process() -> tuple[float, float]:
    printed = subprocess.run(
        [sys.executable, "-c", _FIRST], check=True, capture_output=True, text=True, cwd=Path(tempfile.gettempdir())
    ).stdout
    attach_s, statement_s = map(float, printed.split())
    return attach_s, statement_s


def _seconds(run: Callable[[], object], n_times: int) -> list[float]:
    run()
    seconds = []
    for _ in range(n_times):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return seconds


PARTS = {"first": first, "warm": warm}
