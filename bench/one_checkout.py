"""What two_checkouts.py times in one process: python -P one_checkout.py NAME, with a checkout's package on PYTHONPATH.

Arguments come as JSON on standard input, and seconds go as JSON to standard output: {line: [wall, CPU]}. Only what
users have is called here, SQL and what `import inlay` offers, so that checkouts with another inside can be compared;
and nothing of bench/ is imported, since that is written for this checkout's inside.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import duckdb

import inlay

Seconds = dict[str, tuple[float, float]]

_CLASSIFY = "ai_classify(body, ['bug', 'praise', 'question'])"


def _timed(run: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - cpu


def classify(n_distinct: int, n_repeated: int) -> Seconds:
    """Texts that are all different, and texts of which there are a thousand."""
    tables = {
        "distinct": f"select 'text number ' || i as body from range({n_distinct}) r(i)",
        "repeated": f"select 'text number ' || (i % 1000) as body from range({n_repeated}) r(i)",
    }
    return {
        f"ai_classify, {name}, {way}": _statement(way, table, f"select count({_CLASSIFY}) from t")
        for name, table in tables.items()
        for way in ("planned", "plain")
    }


def embed(n: int) -> Seconds:
    table = f"select 'text number ' || i as body from range({n}) r(i)"
    return {
        f"ai_embed, {way}": _statement(way, table, "create table v as select ai_embed(body) as vector from t")
        for way in ("planned", "plain")
    }


def complete(n: int) -> Seconds:
    table = f"select 'text number ' || i as body from range({n}) r(i)"
    statement = "select count(ai_complete(body, model := 'fake-generate')) from t"
    return {f"ai_complete, {way}": _statement(way, table, statement) for way in ("planned", "plain")}


def fill_store(store: str, n: int) -> Seconds:
    con = _open("planned", store=store)
    con.execute(f"create table t as {_stored(n)}")
    return {"a store filled": _timed(lambda: con.execute(f"select count({_CLASSIFY}) from t").fetchall())}


def known(store: str, n: int) -> Seconds:
    """A store in which every answer is; each way with a connection of its own."""
    found: Seconds = {}
    for way in ("planned", "plain"):
        found[f"all known, {way}"] = _statement(way, _stored(n), f"select count({_CLASSIFY}) from t", store=store)
    con = _open("planned")
    con.execute(f"create table t as {_stored(n)}")
    con.execute("create table answers as select body, 'praise' as kind from t order by hash(i)")
    join = "select count(kind) from t left join answers using (body)"
    found["plain join, without inlay (control)"] = _timed(lambda: con.execute(join).fetchall())
    return found


def planning(statement: str, tables: str) -> Seconds:
    con = _open("planned")
    con.execute(tables)
    inlay.explain(con, "select ai_sentiment(body) from tickets")  # what is imported with the first statement
    return {"inlay.explain of a long model": _timed(lambda: inlay.explain(con, statement))}


def _stored(n: int) -> str:
    return f"select i, 'customer message about a thing that is broken, number ' || i as body from range({n}) r(i)"


def _open(way: str, **options: Any) -> Any:
    options = {"progress": "off", "model": "fake", **options}
    if way == "planned":
        return inlay.connect(**options)
    con = duckdb.connect()
    inlay.attach(con, **options)
    return con


def _statement(way: str, table: str, statement: str, **options: Any) -> tuple[float, float]:
    """Over a table t, on a connection that knows nothing; what the first statement imports is imported."""
    con = _open(way, **options)
    con.execute(f"create table t as {table}")
    warm = f"select {_CLASSIFY}, ai_embed(body), ai_complete(body, model := 'fake-generate') from (select 'w' as body)"
    con.execute(warm).fetchall()
    seconds = _timed(lambda: con.execute(statement).fetchall())
    con.close()
    return seconds


PARTS: dict[str, Callable[..., Seconds]] = {
    "classify": classify,
    "embed": embed,
    "complete": complete,
    "fill_store": fill_store,
    "known": known,
    "planning": planning,
}

if __name__ == "__main__":
    print(json.dumps({"package": inlay.__file__, "seconds": PARTS[sys.argv[1]](**json.load(sys.stdin))}))
