"""Does memory, or the cost of a row, grow with the table?

Each line is a process of its own; its greatest resident size is what the operating system saw (VmHWM). `fake` is the
deterministic model without weights, so that what is measured is everything else: DuckDB, gathering, keys, results,
account. Rows are all different, the worst case, and come from range() or from a Parquet file, so the texts themselves
take no memory. A process keeps results up to memory_mb (512); until that is full, growth is the budget being used.

over_rows   count(ai_classify(…)) and tables made of small values, fake model, where statements are planned
            (inlay.connect) and on a plain connection (inlay.attach), where they are answered chunk by chunk
embed       a table of vectors made from short texts, in a database file, beside one that DuckDB makes alone of as many
            equal vectors: what it holds of a table is bounded by its own memory_limit, a share of the machine unless
            set. Memory depends on the width of a model and not on its weights, so long runs use one layer of the
            default model's shape, 384 wide, with random weights
caches      the same over the default model, in turn with oneDNN's caches bounded to 16, as inlay does, and to 1,024,
            which is their own bound: what the smaller one costs and saves
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.encoders import model_folder
from bench.report import save, table
from bench.texts import make_texts

_CACHES = ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")
_LABELS = "['a', 'b', 'c']"
_COUNT = f"select count(ai_classify('row ' || i, {_LABELS}, model := 'fake')) from range({{n}}) r(i)"
_CTAS = (
    f"create table v as select i, ai_classify('row ' || i, {_LABELS}, model := 'fake') as kind from range({{n}}) r(i)"
)
_SIMILAR = "create table v as select i, ai_count_tokens('row ' || i, model := 'fake') as n from range({n}) r(i)"
_EMBED = "create table v as select ai_embed(body) as vector from '{folder}/t.parquet'"
_ALONE = (
    "create table v as select [(x * i)::float for x in range(384)] as vector "
    "from (select length(body) as i from '{folder}/t.parquet')"
)


def over_rows(short: bool) -> None:
    sizes = (20_000, 100_000) if short else (100_000, 1_000_000, 5_000_000)
    statements = {"count(ai_classify)": _COUNT, "table of ai_classify": _CTAS, "table of ai_count_tokens": _SIMILAR}
    rows, found = [], []
    for name, statement in statements.items():
        ways: list[tuple[str, int, str | None]] = [("plain", 64, None), ("planned", 64, None)]
        if statement is _COUNT:
            ways += [("planned", 64, "100MB"), ("planned", 512, None)]
        for way, memory_mb, limit in ways:
            for n in sizes:
                rss_mb, cpu_s, wall_s = _child(
                    statement.format(n=n), memory_mb, ":memory:", limit=limit, plain=way == "plain"
                )
                said = f"{name}, {way}, memory_mb {memory_mb}" + (f", memory_limit {limit}" if limit else "")
                found.append({"statement": said, "rows": n, "rss_mb": rss_mb, "cpu_s": cpu_s})
                rows.append(_line(said, n, rss_mb, cpu_s, wall_s))
    print(table(["statement", "rows", "greatest MB", "CPU µs a row", "wall s"], rows))
    save("memory.over_rows", {"lines": found})


def embed(short: bool) -> None:
    rows, found = [], []
    for n in (500, 1_000, 2_000) if short else (10_000, 100_000, 1_000_000):
        with tempfile.TemporaryDirectory() as folder:
            texts = make_texts("short", n)
            pq.write_table(pa.table({"body": texts}), f"{folder}/t.parquet", row_group_size=20_480)
            del texts
            model = _one_layer(f"{folder}/model") if not short else None
            for limit in ("500MB", None):
                for name, statement in (("DuckDB alone", _ALONE), ("ai_embed", _EMBED)):
                    database = f"{folder}/{name}{limit}.duckdb"
                    rss_mb, cpu_s, wall_s = _child(statement.format(folder=folder), 512, database, model, limit)
                    Path(database).unlink()
                    said = f"{name}, memory_limit {limit or 'not set'}"
                    found.append({"statement": said, "rows": n, "rss_mb": rss_mb, "cpu_s": cpu_s})
                    rows.append(_line(said, n, rss_mb, cpu_s, wall_s))
    print(table(["statement", "rows", "greatest MB", "CPU µs a row", "wall s"], rows))
    save("memory.embed", {"lines": found})


def caches(short: bool) -> None:
    texts = {"short": 2_000, "mixed": 500} if short else {"short": 8_000, "mixed": 2_000}
    found: dict[str, list[tuple[float, float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, n in texts.items():
            Path(f"{folder}/{kind}").mkdir()
            pq.write_table(pa.table({"body": make_texts(kind, n)}), f"{folder}/{kind}/t.parquet")
        for _ in range(1 if short else 5):
            for kind in texts:
                for bound in (16, 1_024):
                    # Of the child process, which inherits them, and not of what runs after this.
                    with patch.dict(os.environ, dict.fromkeys(_CACHES, str(bound))):
                        measured = _child(_EMBED.format(folder=f"{folder}/{kind}"), 512, ":memory:")
                    found.setdefault(f"{kind} {bound}", []).append(measured)
    rows = []
    for kind, n in texts.items():
        pairs = list(zip(found[f"{kind} 16"], found[f"{kind} 1024"], strict=True))
        rss, cpu, wall = (np.median([few[i] / many[i] for few, many in pairs]) for i in range(3))
        rows.append([f"{n:,} {kind} texts", f"{rss:.2f}", f"{cpu:.2f}", f"{wall:.2f}"])
    print(table(["16 over 1,024, median", "greatest MB", "CPU", "wall"], rows))
    save("memory.caches", {"rounds": found})


def _line(name: str, n: int, rss_mb: float, cpu_s: float, wall_s: float) -> list[str]:
    return [name, f"{n:,}", f"{rss_mb:.0f}", f"{cpu_s / n * 1e6:.1f}", f"{wall_s:.1f}"]


def _one_layer(folder: str) -> str:
    """The default model's folder with one random layer in the place of its six; the weights come from a seed."""
    import torch
    from transformers import BertConfig, BertModel

    shutil.copytree(model_folder(), folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    torch.manual_seed(1)
    config = BertConfig.from_pretrained(model_folder(), num_hidden_layers=1, local_files_only=True)
    BertModel(config).save_pretrained(folder)
    return folder


def _child(
    statement: str,
    memory_mb: int,
    database: str,
    model: str | None = None,
    limit: str | None = None,
    plain: bool = False,
) -> tuple[float, float, float]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (statement, memory_mb, database, model, limit, plain))


def _measure(
    statement: str, memory_mb: int, database: str, model: str | None, limit: str | None, plain: bool
) -> tuple[float, float, float]:
    """(greatest resident MB, CPU seconds, wall seconds) of one statement in this fresh process."""
    import duckdb

    import inlay

    options: dict[str, Any] = {"progress": "off", "memory_mb": memory_mb, "model": model}
    con: Any = duckdb.connect(database) if plain else inlay.connect(database, **options)
    if plain:
        con.execute("set enable_progress_bar_print = false")
        inlay.attach(con, **options)
    if limit is not None:
        con.execute(f"set memory_limit = '{limit}'")
    if "ai_embed" in statement:
        con.sql("select ai_embed('the model is loaded by this')").fetchall()
    wall, cpu = time.perf_counter(), time.process_time()
    con.execute(statement).fetchall()
    seconds = time.process_time() - cpu, time.perf_counter() - wall
    con.close()
    status = Path("/proc/self/status").read_text()
    peak_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return peak_kb / 1000, *seconds


PARTS = {"over_rows": over_rows, "embed": embed, "caches": caches}
