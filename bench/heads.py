"""How right is a head, how sure is it of being right, and how fast is it trained?

Everything is asked as users ask it: inlay.train_head() and SQL, with the default embedding model.

banking77   77 intents, 3,075 rows. Few: eight labelled rows a class, the others answered, mean of ten draws. All: five
            folds, each answered by a head of the other four, with accuracy := 0.95 as well; calibration error by 15
            bins of equal width. Beside it zero-shot answers, by the names alone. Needs INLAY_BENCH_DATA, a folder with
            banking77_train_40perclass.parquet (a sample of PolyAI's task-specific-datasets, CC-BY-4.0), or is left out
snips       the same of seven intents, with snips_train_300perintent.parquet (a sample of sonos/nlu-benchmark, CC0-1.0)
speed       training on 10,000 rows of 77 classes whose vectors are known, and prediction beside ai_embed
"""

from __future__ import annotations

import statistics
import tempfile
import time
from typing import Any

import numpy as np
import pyarrow as pa

import inlay
from bench.report import save, table
from bench.texts import distinct_rows

_DRAWS, _FEW, _FOLDS = 10, 8, 5


def banking77(short: bool) -> None:
    _by_rows("banking77", "banking77_train_40perclass.parquet", short)


def snips(short: bool) -> None:
    _by_rows("snips", "snips_train_300perintent.parquet", short)


def _by_rows(part: str, file: str, short: bool) -> None:
    texts, gold = distinct_rows(file)
    if not texts:
        return
    with tempfile.TemporaryDirectory() as folder:
        con = inlay.connect(progress="off", heads=f"{folder}/heads")
        con.register("given", pa.table({"i": range(len(texts)), "body": texts, "gold": gold}))
        con.execute("create table t as select *, 0 as part from given").fetchall()
        classes = sorted(set(gold))
        listed = "[" + ", ".join("'" + name.replace("'", "''") + "'" for name in classes) + "]"
        zero = con.execute(f"select avg((ai_classify(body, {listed}) = gold)::int) from t").fetchall()[0][0]
        lines = [["names alone, no labelled row", f"{zero:.3f}", "", "", ""]]
        few = [_answered(con, _few(gold, seed)) for seed in range(2 if short else _DRAWS)]
        all_rows = [_answered(con, _fold(gold, fold), "0.95") for fold in range(2 if short else _FOLDS)]
        lines += [_line(f"{_FEW} labelled rows a class, mean of {len(few)} draws", few)]
        lines += [_line(f"all, {len(all_rows)} folds of {_FOLDS}", all_rows)]
    print(f"{len(texts):,} rows, {len(classes)} classes\n")
    columns = ["labelled rows", "right", "calibration error", "answered at 0.95", "of these right"]
    print(table(columns, lines))
    save(f"heads.{part}", {"columns": columns, "lines": lines})


def _few(gold: list[str], seed: int) -> np.ndarray:
    """Of each row: 1 where it is to be answered, 0 where its label is known."""
    rng, part = np.random.default_rng(seed), np.ones(len(gold), dtype=np.int64)
    for name in sorted(set(gold)):
        places = np.flatnonzero(np.array(gold) == name)
        part[rng.permutation(places)[:_FEW]] = 0
    return part


def _fold(gold: list[str], fold: int) -> np.ndarray:
    rng, part = np.random.default_rng(7), np.zeros(len(gold), dtype=np.int64)
    for name in sorted(set(gold)):
        places = rng.permutation(np.flatnonzero(np.array(gold) == name))
        part[places[fold::_FOLDS]] = 1
    return part


def _answered(con: Any, part: np.ndarray, accuracy: str = "") -> list[tuple[float, bool, bool]]:
    """(confidence, whether it is right, whether it is sure) of each row that is to be answered."""
    con.register("parts", pa.table({"i": np.arange(len(part)), "p": part}))
    con.execute("update t set part = p from parts where parts.i = t.i").fetchall()
    inlay.train_head(con, "bench", "select body, gold from t where part = 0", text="body", label="gold")
    sure = f"ai_predict(body, 'bench', accuracy := {accuracy}) is not null" if accuracy else "false"
    return con.execute(
        "select a.confidence, json_extract_string(a.value, '$') = gold, sure from "
        f"(select try_ai_predict(body, 'bench') as a, gold, {sure} as sure from t where part = 1)"
    ).fetchall()


def _line(name: str, draws: list[list[tuple[float, bool, bool]]]) -> list[str]:
    right = statistics.mean(statistics.mean(row[1] for row in rows) for rows in draws)
    pooled = [row for rows in draws for row in rows]
    confidence, are_right, sure = (np.array(column) for column in zip(*pooled, strict=True))
    bins = np.minimum((confidence * 15).astype(int), 14)
    off = np.abs(np.bincount(bins, weights=confidence - are_right)).sum() / len(pooled)
    said = ["", ""] if not sure.any() else [f"{sure.mean():.3f}", f"{are_right[sure].mean():.3f}"]
    return [name, f"{right:.3f}", f"{off:.3f}", *said]


def speed(short: bool) -> None:
    n = 2_000 if short else 10_000
    with tempfile.TemporaryDirectory() as folder:
        con = inlay.connect(progress="off", heads=f"{folder}/heads")
        con.execute(
            "create table t as select 'order ' || i || ' is about topic ' || (i % 77) as body, "
            f"'topic ' || (i % 77) as k from range({n}) r(i)"
        )
        began = time.perf_counter()
        con.execute("select count(ai_embed(body)) from t").fetchall()
        embedding = time.perf_counter() - began
        import sklearn.linear_model  # noqa: F401, which takes a second, once

        began = time.perf_counter()
        card = inlay.train_head(con, "bench", "t", text="body", label="k")
        training = time.perf_counter() - began
        began = time.perf_counter()
        con.execute("select count(ai_predict(body, 'bench')) from t").fetchall()
        predicting = time.perf_counter() - began
    lines = [
        [f"ai_embed, {n:,} texts", f"{embedding:.1f}"],
        [
            f"train_head, 77 classes, 5 folds of 3 strengths, accuracy {card.measures['accuracy']:.3f}",
            f"{training:.1f}",
        ],
        ["ai_predict, vectors known", f"{predicting:.1f}"],
    ]
    print(table(["what", "s"], lines))
    save("heads.speed", {"lines": lines})


PARTS = {"banking77": banking77, "snips": snips, "speed": speed}
