"""What does a join by similarity cost, and does it find every pair?

`SELECT … FROM l JOIN r ON ai_similarity(l.body, r.body) > t` over tables of distinct short texts. In every round
nothing is known of the texts. Pairs found are compared with those of the whole cross join through the function. Calls
are the rows that functions were asked for, tokens what the model read; both by the ledger.

short   default model, 2,000 by 2,000 texts: the planned join; the function for every pair, as a connection that is not
        planned has it (once); and by hand: ai_embed into two tables, then DuckDB's array_cosine_similarity in the
        condition of the join
many    fake model, 20,000 by 20,000: what the join costs beside the model, for thresholds that few and many pairs pass
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

import inlay
from bench.asking import asked_by, forget
from bench.report import save, spread, table
from bench.texts import make_texts

_THRESHOLD = 0.7

_ROUNDS = 3

_Way = Callable[[Any], Any]


def short(short: bool) -> None:
    n = 500 if short else 2_000
    con = _connected("minilm", n)
    join = f"SELECT l.id AS i, r.id AS j FROM l JOIN r ON ai_similarity(l.body, r.body) > {_THRESHOLD}"
    width = len(con.execute("SELECT ai_embed('warm')").fetchall()[0][0])

    def by_hand(con: Any) -> Any:
        for name in ("l", "r"):
            con.execute(
                f"CREATE OR REPLACE TABLE {name}v AS SELECT id, ai_embed(body)::FLOAT[{width}] AS v FROM {name}"
            )
        return con.execute(
            f"SELECT lv.id AS i, rv.id AS j FROM lv JOIN rv ON array_cosine_similarity(lv.v, rv.v) > {_THRESHOLD}"
        ).fetchall()

    ways: list[tuple[str, int, _Way]] = [
        ("planned join", _ROUNDS, lambda con: con.execute(join).fetchall()),
        ("ai_embed, then array_cosine_similarity", _ROUNDS, by_hand),
        ("the function for every pair", 1, lambda con: con.duckdb.execute(join).fetchall()),
    ]
    seconds: dict[str, list[float]] = {name: [] for name, _, _ in ways}
    found: dict[str, set[Any]] = {}
    asked: dict[str, tuple[int, int]] = {}
    for number in range(_ROUNDS):
        for name, rounds, way in ways:
            if number < rounds:
                forget(con)

                def timed(name: str = name, way: _Way = way) -> Any:
                    began = time.perf_counter()
                    rows = way(con)
                    seconds[name].append(time.perf_counter() - began)
                    return rows

                rows, taken = asked_by(con, timed)
                found[name] = set(rows)
                asked[name] = taken.rows, taken.tokens
    con.close()
    every = found[ways[-1][0]]
    rows = []
    for name, _, _ in ways:
        ratios = [other / mine for mine, other in zip(seconds[name], seconds[ways[-1][0]] * _ROUNDS, strict=False)]
        rows.append(
            [
                name, f"{asked[name][0]:,}", f"{asked[name][1]:,}", f"{len(found[name]):,}",
                f"{len(found[name] & every) / len(every):.4f}", f"{len(found[name] & every) / len(found[name]):.4f}",
                spread(seconds[name], ".1f"), spread(ratios, ".1f"),
            ]
        )  # fmt: skip
    columns = ["way", "calls", "tokens", "pairs", "recall", "precision", "seconds", "times as fast"]
    print(f"{n:,} by {n:,} short texts, cosine above {_THRESHOLD}\n")
    print(table(columns, rows))
    save("semantic_join.short", {"rows": n, "threshold": _THRESHOLD, "seconds": seconds, "asked": asked})


def many(short: bool) -> None:
    n = 5_000 if short else 20_000
    rows, kept = [], []
    con = _connected("fake", n)
    con.execute("SELECT ai_similarity('warm', 'up')").fetchall()
    for threshold in (0.95, 0.9, 0.8):
        sql = f"SELECT count(*) FROM l JOIN r ON ai_similarity(l.body, r.body) > {threshold}"
        embed: list[float] = []
        whole: list[float] = []
        for _ in range(_ROUNDS):
            forget(con)
            began = time.perf_counter()
            con.execute("SELECT sum(ai_embed(body)[1]) FROM (FROM l UNION ALL FROM r)").fetchall()
            embed.append(time.perf_counter() - began)
            forget(con)
            began = time.perf_counter()
            n_pairs = con.execute(sql).fetchall()[0][0]
            whole.append(time.perf_counter() - began)
        ratios = [mine / base for mine, base in zip(whole, embed, strict=True)]
        rows.append([str(threshold), f"{n_pairs:,}", spread(whole, ".2f"), spread(ratios, ".1f")])
        kept.append({"threshold": threshold, "pairs": n_pairs, "seconds": whole, "embed_seconds": embed})
    con.close()
    print(f"{n:,} by {n:,} texts, a model that costs nothing\n")
    print(table(["cosine above", "pairs", "seconds", "over ai_embed of both sides"], rows))
    save("semantic_join.many", {"rows": n, "lines": kept})


def _connected(model: str, n: int) -> Any:
    con = inlay.connect(model=model, progress="off")
    texts = make_texts("short", 2 * n)
    for name, part in (("l", texts[::2]), ("r", texts[1::2])):
        given = pa.table({"id": list(range(n)), "body": part})
        con.register("given", given)
        con.execute(f"CREATE TABLE {name} AS FROM given")
        con.unregister("given")
    return con


PARTS = {"short": short, "many": many}
