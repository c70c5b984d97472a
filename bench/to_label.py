"""Does labelling the n rows that inlay_to_label() chooses give a better head than labelling n random ones?

Everything is asked as users ask it: inlay.to_label(), inlay.train_head() and SQL, with the default embedding model.
Half of the rows of a set may be labelled, the head answers the other half; means over splits, beside each the mean over
as many random draws of the same size from the same rows. Classes with fewer than five labelled rows are left
out, so their rows are never answered right.

at once     the first n rows, chosen by label names alone
then        the first half of the larger n as above, with a head trained from them; then as many more, chosen by that
            head

Sets: tickets of the example project, seven topics, in a dozen languages; with INLAY_BENCH_DATA, a folder with
banking77_train_40perclass.parquet (a sample of PolyAI's task-specific-datasets, CC-BY-4.0) and
snips_train_300perintent.parquet (a sample of sonos/nlu-benchmark, CC0-1.0), 77 and seven intents. How rows are chosen
(the power of the cosine, the weight of uncertainty) was chosen on other splits of these three sets together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow as pa

import inlay
from bench.report import save, table
from bench.texts import distinct_rows, labelled

_SPLITS = {"tickets": 10, "snips": 10, "banking77": 5}
_DRAWS = {"tickets": 5, "snips": 5, "banking77": 3}  # of each split
_SIZES = {"tickets": (70, 140), "snips": (70, 140), "banking77": (462, 770)}
_FILES = {"snips": "snips_train_300perintent.parquet", "banking77": "banking77_train_40perclass.parquet"}


def chosen(short: bool) -> None:
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name, texts, gold in _sets():
            con = inlay.connect(progress="off", heads=f"{folder}/heads")
            con.register("given", pa.table({"i": range(len(texts)), "body": texts, "gold": gold}))
            con.execute("create table t as select *, false as is_pool, false as is_labelled from given").fetchall()
            for n in _SIZES[name][:1] if short else _SIZES[name]:
                in_steps = n == _SIZES[name][-1]  # half of the others trains no head of all classes
                splits = range(1 if short else _SPLITS[name])
                drawn, *ways = zip(
                    *(_of_a_split(con, name, sorted(set(gold)), n, split, in_steps) for split in splits), strict=True
                )
                line = [f"{name}, {n} rows", f"{fmean(drawn):.3f}"]
                for way in ways:
                    pairs = [(right, left) for right, left in zip(way, drawn, strict=True) if right is not None]
                    better = f"{sum(right > left for right, left in pairs)} of {len(pairs)}"
                    line += [f"{fmean(right for right, _ in pairs):.3f}", better] if pairs else ["", ""]
                lines.append(line)
    columns = ["labelled", "random", "at once", "better in", "then", "better in"]
    print(table(columns, lines))
    save("to_label.chosen", {"columns": columns, "lines": lines})


def _sets() -> Iterator[tuple[str, Sequence[str], Sequence[str]]]:
    yield "tickets", *labelled("tickets", "gold_topic")
    for name, file in _FILES.items():
        texts, gold = distinct_rows(file)
        if texts:
            yield name, texts, gold


def _of_a_split(
    con: Any, name: str, names: list[str], n: int, split: int, in_steps: bool
) -> tuple[float, float, float | None]:
    """Right answers to the rows that may not be labelled: by n random rows, by those chosen at once, and in two
    steps, None where that is not asked."""
    con.execute("update t set is_pool = hash(body || ?) % 2 = 0", [str(split)]).fetchall()
    pool = [row[0] for row in con.execute("select body from t where is_pool order by i").fetchall()]
    rng = np.random.default_rng(split)
    drawn = [_right(con, [pool[i] for i in rng.permutation(len(pool))[:n]]) for _ in range(_DRAWS[name])]
    at_once = _proposed(con, names, n)
    if not in_steps:
        return fmean(drawn), _right(con, at_once), None
    first = at_once[: n // 2]
    _label(con, first)
    _train(con)
    done = "select body as text, gold as label from t where is_labelled"
    then = _proposed(con, None, n - len(first), model="head:bench", labelled=done)
    return fmean(drawn), _right(con, at_once), _right(con, first + then)


def _proposed(con: Any, labels: list[str] | None, n: int, **options: Any) -> list[str]:
    found = inlay.to_label(con, "from t where is_pool", text="body", labels=labels, n=n, **options)
    return [row[0] for row in found.fetchall()]


def _right(con: Any, texts: Sequence[str]) -> float:
    _label(con, texts)
    _train(con)
    query = "select avg((ai_predict(body, 'bench') = gold)::int) from t where not is_pool"
    return float(con.execute(query).fetchall()[0][0])


def _label(con: Any, texts: Sequence[str]) -> None:
    con.register("wanted", pa.table({"body": texts}))
    con.execute("update t set is_labelled = body in (select body from wanted)").fetchall()


def _train(con: Any) -> None:
    rows = "select body, gold from t where is_labelled qualify count(*) over (partition by gold) >= 5"
    inlay.train_head(con, "bench", rows, text="body", label="gold")


PARTS = {"chosen": chosen}
