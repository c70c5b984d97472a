"""How honest is a zero-shot answer, and what does a promised accuracy leave of it, after calibration by labelled rows?

With the default embedding model, as users ask it: inlay.calibrate() from some rows, all others answered. Seven topics
of the example project's tickets; 77 intents and seven with INLAY_BENCH_DATA, see bench/examples.py.

labels      ai_classify by label names alone, calibrated by a third of the rows, drawn 100 times: calibration error of
            the others before and after; of all rows the share that is answered at a promised accuracy, how much of
            these is right, and in how many draws that is what was promised (no answer has learned from a label)
statements  ai_filter by a statement for each of seven intents, calibrated by 20 to 300 rows, which choose where yes
            begins: F1 of the others, beside that of the best threshold that somebody could choose who knows them all
"""

from __future__ import annotations

import random
import tempfile
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow as pa

import inlay
from bench.examples import best_f1, measures, sets
from bench.report import save, table
from bench.zero_shot import INTENTS

_DRAWS = 100
_PROMISED = (0.8, 0.9, 0.95)


def labels(short: bool) -> None:
    lines = []
    for name, texts, gold in sets():
        with tempfile.TemporaryDirectory() as heads:
            con = _with_rows(texts, gold, heads)
            names = sorted(set(gold))
            call = f"ai_classify(body, {names})"
            before, after, said = [], [], {accuracy: [] for accuracy in _PROMISED}
            for draw in range(4 if short else _DRAWS):
                _draw(con, random.Random(draw).sample(range(len(texts)), len(texts) // 3))
                inlay.calibrate(con, "bench", "known", call=call, label="gold")
                before.append(_off(_answers(con, f"try_{call}")))
                after.append(_off(_answers(con, f"try_{call[:-1]}, calibration := 'bench')")))
                for accuracy, found in said.items():
                    found.append(_promised(con, f"try_{call[:-1]}, accuracy := {accuracy})"))
            con.close()
        for accuracy, found in said.items():
            answered = fmean(each[0] for each in found)
            right = [each[1] for each in found if each[1] is not None]
            kept = fmean(each[1] is None or each[1] >= accuracy for each in found)
            shown = f"{fmean(right):.3f}" if right else ""
            line = [name, f"{len(texts) // 3:,}", f"{fmean(before):.3f}", f"{fmean(after):.3f}"]
            lines.append([*line, f"{accuracy:g}", f"{answered:.3f}", shown, f"{kept:.0%}"])
    columns = ["set", "labelled rows", "error before", "after", "promised", "answered", "of these right", "kept"]
    print(table(columns, lines))
    save("calibration.labels", {"columns": columns, "lines": lines})


def statements(short: bool) -> None:
    found_sets = {name: (texts, gold) for name, texts, gold in sets()}
    if "snips" not in found_sets:
        print("left out: it needs INLAY_BENCH_DATA")
        return
    texts, gold = found_sets["snips"]
    wanted = INTENTS["snips_train_300perintent.parquet"]
    lines = []
    with tempfile.TemporaryDirectory() as heads:
        con = _with_rows(texts, gold, heads)
        for n in (20, 50, 100, 300):
            found: list[tuple[float, float, float]] = []
            for intent, statement in wanted.items():
                for draw in range(2 if short else 10):
                    places = random.Random(f"{draw} {intent}").sample(range(len(texts)), n)
                    if not 5 <= sum(gold[i] == intent for i in places) <= n - 5:
                        continue
                    _draw(con, places)
                    known = f"select body, gold = '{intent}' as y from known"
                    inlay.calibrate(con, "bench", known, call=f"ai_filter(body, '{statement}')", label="y")
                    call = f"try_ai_filter(body, '{statement}', calibration := 'bench')"
                    numbers = con.execute(
                        f"select gold = '{intent}' as y, f.value as yes, f.confidence as sure "
                        f"from (select gold, {call} as f from t where not is_known)"
                    ).fetchnumpy()
                    found.append(measures(*(np.ma.getdata(numbers[name]) for name in ("y", "yes", "sure"))))
            best = fmean(best_f1(con, intent, text) for intent, text in wanted.items())
            if found:
                right, f1, off = (fmean(each[k] for each in found) for k in range(3))
                lines.append([str(n), str(len(found)), f"{right:.1%}", f"{f1:.2f}", f"{off:.3f}", f"{best:.2f}"])
        con.close()
    columns = ["labelled rows", "draws", "right", "F1", "calibration error", "F1 of the best threshold"]
    print(table(columns, lines))
    save("calibration.statements", {"columns": columns, "lines": lines})


def _with_rows(texts: list[str], gold: list[str], heads: str) -> Any:
    con = inlay.connect(progress="off", heads=heads)
    con.register("given", pa.table({"i": range(len(texts)), "body": texts, "gold": gold}))
    con.execute("create table t as select *, false as is_known from given").fetchall()
    con.execute("create view rows as from t")
    con.execute("create view known as select body, gold from t where is_known")
    return con


def _draw(con: Any, places: list[int]) -> None:
    con.register("drawn", pa.table({"i": places}))
    con.execute("update t set is_known = i in (select i from drawn)").fetchall()


def _answers(con: Any, call: str) -> tuple[np.ndarray, np.ndarray]:
    """(confidence, whether it is right) of the rows that are not known."""
    numbers = con.execute(
        f"select a.confidence as sure, a.value = gold as y from (select gold, {call} as a from t where not is_known)"
    ).fetchnumpy()
    return np.ma.getdata(numbers["sure"]), np.ma.getdata(numbers["y"])


def _promised(con: Any, call: str) -> tuple[float, float | None]:
    """(share that is answered, share of these that is right); an accuracy that the rows do not show answers nothing."""
    try:
        n, answered, right = con.execute(
            f"select count(*), count(a.value), count(*) filter (a.value = gold) from (select gold, {call} as a from t)"
        ).fetchall()[0]
    except inlay.InlayError:
        return 0.0, None
    return answered / n, right / answered if answered else None


def _off(rows: tuple[np.ndarray, np.ndarray]) -> float:
    """Expected calibration error, 15 bins of equal width."""
    sure, right = rows
    bins = np.minimum((sure * 15).astype(int), 14)
    return float(np.abs(np.bincount(bins, weights=sure - right)).sum() / len(sure))


PARTS = {"labels": labels, "statements": statements}
