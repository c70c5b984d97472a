"""How often is ai_classify right without training, and what do templates and descriptions change?

Right answers among labelled texts, with twice their standard error (no difference within that means much), and the
mean over classes of the right share of each, which guessing the most frequent class does not raise. Every line is a
SQL statement with the default embedding model.

topics      tickets of the example project, seven topics: names alone in single templates, in the mean of templates that
            ai_classify uses when none is given, and names with the example project's descriptions. Those
            descriptions were written by people who had seen these tickets: their gain is the gain of looking.
banking77   77 intents by their names alone. Needs INLAY_BENCH_DATA, a folder with banking77_train_40perclass.parquet
            (text, label: a sample of PolyAI's task-specific-datasets, CC-BY-4.0); left out without it
"""

from __future__ import annotations

import ast
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import inlay
from bench.report import save, table
from bench.texts import labelled
from inlay.functions.classify import EMBED_TEMPLATES

_OTHER_TEMPLATES = ("This text is about {label}.", "This example is {label}.", "The topic is {label}.")

_TOPICS = Path(__file__).parent.parent / "example_project" / "models" / "enriched" / "tickets_classified.sql"


def topics(short: bool) -> None:
    texts, gold = labelled("tickets", "gold_topic")
    described = [topic for topic in _described_topics() if topic["label"] in set(gold)]
    names = [topic["label"] for topic in described]
    if set(names) != set(gold):
        raise ValueError(f"{_TOPICS} describes {sorted(names)}, but the tickets have {sorted(set(gold))}")
    con = _with_rows(texts, gold)
    rows = _by_template(con, names)
    rows.append(_line(con, "names and descriptions", f"ai_classify(body, {_sql(described)})"))
    _show("topics", f"{len(texts)} tickets, {len(names)} topics", rows)


def banking77(short: bool) -> None:
    path = Path(os.environ.get("INLAY_BENCH_DATA", "")) / "banking77_train_40perclass.parquet"
    if not path.is_file():
        print("left out: INLAY_BENCH_DATA names no folder with banking77_train_40perclass.parquet")
        return
    read = pq.read_table(path)
    texts, gold = read["text"].to_pylist(), [str(label) for label in read["label"].to_pylist()]
    names = sorted(set(gold))
    if short:
        texts, gold = texts[::8], gold[::8]
    con = _with_rows(texts, gold)
    _show("banking77", f"{len(texts)} texts, {len(names)} intents", _by_template(con, names))


def _by_template(con: Any, names: Sequence[str]) -> list[list[str]]:
    rows = [_line(con, "names, mean of templates (default)", f"ai_classify(body, {_sql(names)})")]
    for template in (*EMBED_TEMPLATES, *_OTHER_TEMPLATES):
        call = f"ai_classify(body, {_sql(names)}, template := {_sql(template)})"
        rows.append(_line(con, f"names, '{template}'", call))
    return rows


def _with_rows(texts: list[str], gold: list[str]) -> Any:
    con = inlay.connect(progress="off")
    given = pa.table({"body": texts, "gold": gold})
    con.register("given", given)
    con.execute("create table t as select * from given")
    return con


def _line(con: Any, name: str, answer: str) -> list[str]:
    counted = f"select gold, count(*) as n, count(*) filter (gold = {answer}) as k from t group by gold"
    right, n, by_class = con.execute(f"select sum(k), sum(n), avg(k / n) from ({counted})").fetchall()[0]
    share = right / n
    return [name, f"{share:.1%}", f"±{200 * math.sqrt(share * (1 - share) / n):.1f}", f"{by_class:.1%}"]


def _described_topics() -> list[Mapping[str, str]]:
    """The first list of labels in the example project's model."""
    text = _TOPICS.read_text(encoding="utf-8")
    return [ast.literal_eval(entry) for entry in re.findall(r"\{'label'[^}]*\}", text[: text.index("tags =")])]


def _sql(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_sql(key)}: {_sql(part)}" for key, part in value.items()) + "}"
    return "[" + ", ".join(_sql(part) for part in value) + "]"


def _show(part: str, over: str, rows: list[list[str]]) -> None:
    print(f"{over}\n")
    print(table(["answer", "right", "2 standard errors, points", "mean of classes"], rows))
    save(f"zero_shot.{part}", {"over": over, "lines": rows})


PARTS = {"topics": topics, "banking77": banking77}
