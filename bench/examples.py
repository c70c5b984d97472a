"""What do examples in a call change? A few labelled rows as `examples`, all others answered.

Means of ten draws with the default embedding model; every line is a SQL statement.

labels      ai_classify by label names alone, with 1 to 20 examples a label: right answers. Seven topics of the example
            project's tickets; 77 intents and seven with INLAY_BENCH_DATA, a folder that has
            banking77_train_40perclass.parquet (a sample of PolyAI's task-specific-datasets, CC-BY-4.0) and
            snips_train_300perintent.parquet (a sample of sonos/nlu-benchmark, CC0-1.0)
statements  ai_filter with 20 to 150 rows drawn at random as examples and no threshold: right answers, F1, and how far
            its confidence is from how often it is right. Beside it the F1 of the best threshold for each statement
            without examples, which only somebody who knows all answers could choose. Seven statements, one for each
            intent of SNIPS (INLAY_BENCH_DATA)
language    ai_classify by SmolLM2 135M, without examples, with one and with four a label: 300 rows of the seven intents
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import inlay
from bench.report import save, table
from bench.texts import labelled
from bench.zero_shot import INTENTS

_DRAWS = 10
_SNIPS = "snips_train_300perintent.parquet"
_STATEMENTS = INTENTS[_SNIPS]


def labels(short: bool) -> None:
    rows = []
    for name, texts, gold in sets():
        con = _with_rows(texts, gold)
        names = sorted(set(gold))
        line = [name, str(len(names)), f"{_right(con, f'ai_classify(body, {names})'):.1%}"]
        for n in (1, 2, 4, 8, 20):
            shares = []
            for draw in range(2 if short else _DRAWS):
                _draw(con, [i for label in names for i in _some(gold, label, n, draw)])
                shares.append(_right(con, f"ai_classify(body, {names}, examples := 'examples')"))
            line.append(f"{fmean(shares):.1%}")
        rows.append(line)
    columns = ["set", "labels", "none", "1 a label", "2", "4", "8", "20"]
    print(table(columns, rows))
    save("examples.labels", {"columns": columns, "lines": rows})


def statements(short: bool) -> None:
    if not (folder := os.environ.get("INLAY_BENCH_DATA")) or not (Path(folder) / _SNIPS).exists():
        print("left out: it needs INLAY_BENCH_DATA")
        return
    texts, gold = read_file(Path(folder) / _SNIPS)
    con = _with_rows(texts, gold)
    rows = []
    for n in (20, 50, 150):
        found: list[tuple[float, ...]] = []
        for intent, statement in _STATEMENTS.items():
            for draw in range(2 if short else _DRAWS):
                places = random.Random(f"{draw} {intent}").sample(range(len(texts)), n)
                if sum(gold[i] == intent for i in places) < 2:
                    continue
                _draw(con, places)
                query = f"select text, label = '{intent}' as label from examples"
                call = f"""try_ai_filter(body, '{statement}', examples := '{query.replace("'", "''")}')"""
                numbers = con.execute(
                    f"select gold = '{intent}' as y, f.value as yes, f.confidence as sure "
                    f"from (select gold, {call} as f from rest)"
                ).fetchnumpy()
                found.append(measures(*(np.ma.getdata(numbers[name]) for name in ("y", "yes", "sure"))))
        best = fmean(best_f1(con, intent, statement) for intent, statement in _STATEMENTS.items())
        right, f1, off = (fmean(each[k] for each in found) for k in range(3))
        rows.append([str(n), str(len(found)), f"{right:.1%}", f"{f1:.2f}", f"{off:.3f}", f"{best:.2f}"])
    columns = ["examples", "draws", "right", "F1", "confidence off by", "F1, best threshold of all"]
    print(table(columns, rows))
    save("examples.statements", {"columns": columns, "lines": rows})


def language(short: bool) -> None:
    if not (folder := os.environ.get("INLAY_BENCH_DATA")) or not (Path(folder) / _SNIPS).exists():
        print("left out: it needs INLAY_BENCH_DATA")
        return
    texts, gold = read_file(Path(folder) / _SNIPS)
    places = random.Random(1).sample(range(len(texts)), 60 if short else 300)
    con = _with_rows([texts[i] for i in places], [gold[i] for i in places])
    seen = [i for i in range(len(texts)) if i not in set(places)]
    names = sorted(set(gold))
    rows = [["none", f"{_right(con, f'ai_classify(body, {names}, model := $m)'):.1%}"]]
    for n in (1, 4):
        few = [i for label in names for i in [i for i in seen if gold[i] == label][:n]]
        given = "[" + ", ".join(f"{{'text': {_text(texts[i])}, 'label': '{gold[i]}'}}" for i in few) + "]"
        share = _right(con, f"ai_classify(body, {names}, model := $m, examples := {given})")
        rows.append([f"{n} a label", f"{share:.1%}"])
    columns = ["examples", "right"]
    print(table(columns, rows))
    save("examples.language", {"columns": columns, "lines": rows})


def sets() -> Iterator[tuple[str, list[str], list[str]]]:
    yield "topics of tickets", *labelled("tickets", "gold_topic")
    folder = os.environ.get("INLAY_BENCH_DATA")
    for file in ("banking77_train_40perclass.parquet", _SNIPS) if folder else ():
        if (path := Path(folder or "") / file).exists():
            yield file.split("_")[0], *read_file(path)


def read_file(path: Path) -> tuple[list[str], list[str]]:
    read = pq.read_table(path, columns=["text", "label"])
    return read["text"].to_pylist(), read["label"].to_pylist()


def _with_rows(texts: Sequence[str], gold: Sequence[str]) -> Any:
    con = inlay.connect()
    given = {"i": list(range(len(texts))), "body": list(texts), "gold": list(gold)}
    con.execute("create table rows as select unnest($i) as i, unnest($body) as body, unnest($gold) as gold", given)
    con.execute("create table drawn(i bigint)")
    con.execute("create view rest as from rows anti join drawn using (i)")
    con.execute("create view examples as select body as text, gold as label from rows semi join drawn using (i)")
    return con


def _draw(con: Any, places: Sequence[int]) -> None:
    con.execute("truncate drawn")
    con.execute("insert into drawn select unnest($1)", [list(places)])


def _some(gold: Sequence[str], label: str, n: int, draw: int) -> list[int]:
    return random.Random(f"{draw} {label}").sample([i for i, each in enumerate(gold) if each == label], n)


def _right(con: Any, call: str) -> float:
    sql = f"select avg((gold = {call.replace('$m', _text('smollm2'))})::int) from rest"
    return float(con.execute(sql).fetchall()[0][0])


def measures(y: Any, yes: Any, sure: Any) -> tuple[float, float, float]:
    """(share of right answers, F1, calibration error by ten bins of equal width)."""
    y, yes = y.astype(bool), yes.astype(bool)
    right = y == yes
    bins = np.minimum((sure * 10).astype(int), 9)
    off = sum(abs(right[bins == k].mean() - sure[bins == k].mean()) * (bins == k).mean() for k in set(bins.tolist()))
    return float(right.mean()), _f1(y, yes), float(off)


def _f1(y: Any, yes: Any) -> float:
    return float(2 * (y & yes).sum() / max(y.sum() + yes.sum(), 1))


def best_f1(con: Any, intent: str, statement: str) -> float:
    numbers = con.execute(f"select gold = '{intent}' as y, ai_score(body, '{statement}') as s from rows").fetchnumpy()
    y, scores = numbers["y"].astype(bool), np.ma.getdata(numbers["s"])
    return max(_f1(y, scores >= threshold) for threshold in np.quantile(scores, np.linspace(0.3, 0.995, 100)))


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


PARTS = {"labels": labels, "statements": statements, "language": language}
SHORT = ("labels", "statements")
