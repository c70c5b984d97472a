"""What do ten questions about a text cost beside one, in one call of ai_decide? CPU time of this process, texts that no
earlier call has seen, the median of the rounds, which take turns.

vectors     the default embedding model: ten choices of five labels, and one of them
language    SmolLM2 135M in this process: texts of about 500 tokens, ten statements of about 30 tokens, and one of them
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import inlay
from bench.report import save, table
from bench.texts import make_texts

_LABELS = ["delivery", "refund", "defect", "praise", "question"]


def vectors(short: bool) -> None:
    choices = {f"q{i}": {"choice": [f"{label} {i}" for label in _LABELS]} for i in range(10)}
    _compare("vectors", "minilm", choices, make_texts("mixed", 400 if short else 4_000), 4)


def language(short: bool) -> None:
    about = "the customer says in this message, in so many words or between the lines, that the article number"
    statements = {
        f"q{i}": f"{about} {i} of the order came too late, and asks what will be done about it" for i in range(10)
    }
    long = make_texts("long", 600)
    texts = [" ".join(long[i * 6 : i * 6 + 6]) for i in range(8 if short else 32)]
    _compare("language", "smollm2", statements, texts, 2)


def _compare(part: str, model: str, questions: dict[str, Any], texts: list[str], rounds: int) -> None:
    con = inlay.connect()
    con.execute("create table t as select unnest($1) as body, 0 as part", [texts])
    con.execute("update t set part = rowid * $1 // $2", [2 * rounds, len(texts)])
    asked = {1: dict([next(iter(questions.items()))]), 10: questions}
    warm = "select ai_decide('one text', $q, model := $m)"
    for each in asked.values():  # so that the model is loaded, and the labels have their vectors
        con.execute(warm.replace("$q", _text(each)).replace("$m", f"'{model}'")).fetchall()
    used: dict[int, list[float]] = {1: [], 10: []}
    for place in range(2 * rounds):
        n = (1, 10)[(place + place // 2) % 2]
        began = time.process_time()
        con.execute(
            f"select ai_decide(body, {_text(asked[n])}, model := '{model}') from t where part = {place}"
        ).fetchall()
        used[n].append(time.process_time() - began)
    one, ten = (statistics.median(used[n]) for n in (1, 10))
    columns = ["model", "texts a round", "one question, s", "ten, s", "ratio"]
    rows = [[model, str(len(texts) // (2 * rounds)), f"{one:.2f}", f"{ten:.2f}", f"{ten / one:.2f}"]]
    print(table(columns, rows))
    save(f"decide.{part}", {"columns": columns, "lines": rows})


def _text(questions: dict[str, Any]) -> str:
    return "'" + json.dumps(questions).replace("'", "''") + "'"


PARTS = {"vectors": vectors, "language": language}
