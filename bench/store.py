"""What does the result store cost, and what does it give?

known      a million rows whose answers are all known: as a statement on inlay.connect(), which plans it; through the
           functions, chunk by chunk, as every other client calls them; and in the stored form that dbt's macros compile
           to (plain SQL). Each over a plain join of the same column with a table of answers
overhead   a first inference with a store over the same without one, real model: CPU and wall
large      a statement over 1,000 rows on a store of ten million keys, in a process that starts with it
builds     a second `dbt build` of the example project, all known, over the same project with the AI columns replaced by
           constants and no inlay in the profile
plan       what `inlay plan` estimates over what `inlay infer` then takes, on the example project
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.report import median, save, spread, table
from bench.texts import make_texts

_CALL = "ai_classify({}, ['bug', 'praise', 'question'], model := 'fake')"
_EXAMPLE = Path(__file__).parents[1] / "example_project"
_BIN = Path(sys.executable).parent


def known(short: bool) -> None:
    n, rounds = (100_000, 3) if short else (1_000_000, 5)
    with tempfile.TemporaryDirectory() as folder:
        _fill(f"{folder}/store", n)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found = pool.apply(_known, (folder, n, rounds))
    rows = []
    for way, seconds in found.items():
        base = found["plain join" + next(kept for kept in _KEPT if way.endswith(kept))]
        rows.append([way, spread(seconds), f"{median([s / b for s, b in zip(seconds, base, strict=True)]):.2f}"])
    print(f"{n:,} rows, all different, {rounds} rounds\n")
    print(table(["way", "wall s", "over the plain join"], rows))
    save("store.known", {"rows": n, "seconds": found})


def _known(folder: str, n: int, rounds: int) -> dict[str, list[float]]:
    import inlay

    con: Any = inlay.connect(f"{folder}/t.duckdb", store=f"{folder}/store", progress="off")
    con.execute(f"create table t as select i, '{_TEXT}' || i as body from range({n}) r(i)")
    con.execute("create table answers as select body, 'praise' as kind from t order by hash(i)")
    con.execute(f"select {_CALL.format('body')} from t limit 1").fetchall()
    files = next(Path(f"{folder}/store/results").glob("ai_classify-*"))
    lookup = (
        f"(select any_value(v) from (select key as k, value as v from read_parquet('{files}/*.parquet')) "
        "where k = unhex(sha256(body)))"
    )
    ways = {
        "plain join": "select {} kind from t left join answers using (body)",
        "inlay.connect()": f"select {{}} {_CALL.format('body')} as kind from t",
        "the function, chunk by chunk": f"select {{}} {_CALL.format('body')} as kind from t",
        "stored form": f"select {{}} {lookup} as kind from t",
        "SHA-256 of the column alone": "select {} unhex(sha256(body)) as kind from t",
    }
    statements = {way + kept: sql.format(columns) for kept, columns in _KEPT.items() for way, sql in ways.items()}
    seconds: dict[str, list[float]] = {way: [] for way in statements}
    for number in range(rounds + 1):
        for way, statement in statements.items():
            run = con.duckdb.execute if way.startswith("the function") else con.execute
            began = time.perf_counter()
            run(f"create or replace table made as {statement}")
            if number:
                seconds[way].append(time.perf_counter() - began)
            assert con.execute("select count(kind) from made").fetchall() == [(n,)], way
    con.close()
    return seconds


# What the table that is made holds beside the answer.
_KEPT = {", keeping the text": "i, body,", ", keeping a number": "i,"}

_TEXT = "customer message that does not fit on one line, about a thing that is broken, number "


def _fill(store: str, n: int, part: int = 65_536) -> None:
    """A store that knows the answers to _CALL for n texts, written as inlay writes them, without running the model."""
    import inlay

    con: Any = inlay.connect(store=store, store_vectors=False, progress="off")
    con.execute(f"select {_CALL.format('t')} from (select '{_TEXT}' t)").fetchall()
    manifest = next(Path(store).glob("results/ai_classify-*/manifest.json"))
    asked = json.loads(manifest.read_text(encoding="utf-8"))
    opened = inlay.attach(con).store
    assert opened is not None
    result_set = opened.result_set("ai_classify", asked["signature"], asked["question"], {})
    labels = ("bug", "praise", "question")
    scores = pa.array([[("bug", 0.1), ("praise", 0.2), ("question", 0.3)]], pa.map_(pa.string(), pa.float64()))
    for start in range(0, n, part):
        numbers = range(start, min(start + part, n))
        keys = [hashlib.sha256(f"{_TEXT}{i}".encode()).digest() for i in numbers]
        answers = pa.table(
            {
                "value": pa.array([labels[i % 3] for i in numbers]),
                "confidence": pa.array([0.5] * len(keys)),
                "scores": scores.take(pa.array([0] * len(keys))),
            }
        )
        result_set.publish(keys, answers, known_here=False)
    con.close()


def overhead(short: bool) -> None:
    n, rounds = (200, 4) if short else (500, 8)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_overhead, (n, rounds))
    rows = []
    for measure in ("wall", "cpu"):
        ratios = [a / b for a, b in zip(found[f"store {measure}"], found[f"none {measure}"], strict=True)]
        rows.append([f"{measure} s, with a store over without", spread(ratios, ".3f")])
    print(f"{n:,} mixed texts, ai_embed and ai_classify, {rounds} rounds\n")
    print(table(["measure", "ratio"], rows))
    save("store.overhead", {"rows": n, "seconds": found})


def _overhead(n: int, rounds: int) -> dict[str, list[float]]:
    import inlay

    found: dict[str, list[float]] = {f"{way} {m}": [] for way in ("none", "store") for m in ("wall", "cpu")}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            # Each turn has texts of its own length mix, the same for both ways; the order changes from round to round.
            texts = pa.table({"body": [f"{number} {text}" for text in make_texts("mixed", n)]})
            ways = ("none", "store") if number % 2 else ("store", "none")
            for way in ways:
                options = {"store": f"{folder}/{number}"} if way == "store" else {}
                con: Any = inlay.connect(progress="off", **options)
                con.execute("create table t as from texts")
                con.execute("select ai_embed('the model is loaded by this')").fetchall()
                wall, cpu = time.perf_counter(), time.process_time()
                con.execute("create table v as select ai_embed(body) e, ai_classify(body, ['bug', 'praise']) k from t")
                if number:
                    found[f"{way} wall"].append(time.perf_counter() - wall)
                    found[f"{way} cpu"].append(time.process_time() - cpu)
                con.close()
            del texts
    return found


def large(short: bool) -> None:
    n = 1_000_000 if short else 10_000_000
    with tempfile.TemporaryDirectory() as folder:
        _fill(f"{folder}/store", n)
        first = [_child(_large, folder, n) for _ in range(3)]
    names = ("attach", "first statement", "second statement", "greatest MB")
    rows = [[name, spread([run[i] for run in first])] for i, name in enumerate(names)]
    print(f"{n:,} keys on disk, a statement of 1,000 rows, 3 processes\n")
    print(table(["step", "seconds, or MB"], rows))
    save("store.large", {"keys": n, "runs": first})


def _large(folder: str, n: int) -> tuple[float, ...]:
    import inlay

    began = time.perf_counter()
    con: Any = inlay.connect(store=f"{folder}/store", progress="off")
    steps = [time.perf_counter() - began]
    for number in range(2):
        began = time.perf_counter()
        texts = f"select '{_TEXT}' || (i * {n // 1_000} + {number}) t from range(1000) r(i)"
        answers = con.execute(f"select {_CALL.format('t')} from ({texts})").fetchall()
        steps.append(time.perf_counter() - began)
        assert all(answer for (answer,) in answers)
    assert con.execute("select sum(known) from inlay_ledger()").fetchall() == [(2_000,)]
    con.close()
    status = Path("/proc/self/status").read_text()
    return (*steps, next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1000)


def builds(short: bool) -> None:
    rounds = 2 if short else 5
    with tempfile.TemporaryDirectory() as folder:
        store = {"INLAY_STORE": f"{folder}/store"}
        inlaid = _project(f"{folder}/inlaid")
        constant = _project(f"{folder}/constant", constants=True)
        _dbt(inlaid, store)
        seconds: dict[str, list[float]] = {"known": [], "constants": []}
        for number in range(rounds + 1):
            for way, project in (("known", inlaid), ("constants", constant)):
                began = time.perf_counter()
                output = _dbt(project, store)
                if number:
                    seconds[way].append(time.perf_counter() - began)
                if way == "known":
                    inferred = [int(line.split()[4].replace(",", "")) for line in output if line.startswith("  ai_")]
                    assert inferred and not any(inferred), output
    ratios = [a / b for a, b in zip(seconds["known"], seconds["constants"], strict=True)]
    rows = [[way, spread(each)] for way, each in seconds.items()] + [["known over constants", spread(ratios)]]
    print(f"{rounds} rounds\n")
    print(table(["dbt build", "wall s, ratio"], rows))
    save("store.builds", {"seconds": seconds})


def _project(folder: str, *, constants: bool = False) -> Path:
    """A copy of the example project; with constants in the place of inlay's macros, of the same types."""
    made = Path(folder) / "example_project"
    shutil.copytree(
        _EXAMPLE, made, ignore=shutil.ignore_patterns("target", "logs", "*.duckdb", "dbt_packages", ".inlay")
    )
    shutil.copytree(_EXAMPLE.parent / "macros", Path(folder) / "macros")
    _dbt(made, {}, "deps")
    if constants:
        profile = made / "profiles.yml"
        profile.write_text(re.sub(r"\n *plugins:.*", "\n", profile.read_text(), flags=re.S))
        for name, value in _CONSTANTS.items():
            file = made / "dbt_packages" / "inlay" / f"{name}.sql"
            file = file if file.is_file() else Path(folder) / "macros" / f"{name}.sql"
            text = file.read_text()
            head = text[text.index(f"{{% macro duckdb__{name}(") :].partition("-%}")[0]
            file.write_text(text[: text.index(head)] + head + "-%}" + f'{{{{ return("{value}") }}}}{{% endmacro %}}\n')
    return made


_CONSTANTS = {
    "ai_classify": "'question'",
    "ai_classify_multi": "['question']",
    "ai_embed": "list_transform(range(384), lambda i: 0.05)::FLOAT[384]",
    "ai_redact": "'a message'",
    "ai_sentiment": "'positive'",
    "log_account": "",
}


_BUILD = ("build", "--exclude-resource-type", "unit_test")


def _dbt(project: Path, environment: dict[str, str], *arguments: str) -> list[str]:
    ran = subprocess.run(
        [str(_BIN / "dbt"), "--quiet", "--no-use-colors", *(arguments or _BUILD)],
        cwd=project,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", **environment},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.splitlines()


def plan(short: bool) -> None:
    rows, found = [], []
    for number in range(1 if short else 3):
        with tempfile.TemporaryDirectory() as folder:
            project = _project(f"{folder}/p")
            _dbt(project, {}, "seed")
            store = f"{folder}/store"
            estimated = _seconds(_inlay(project, "plan", "--store", store))
            output = _inlay(project, "infer", "--store", store)
            took = sum(float(s) for s in re.findall(r"([\d.]+) s on", output))
        found.append({"estimated_s": estimated, "took_s": took})
        rows.append([str(number + 1), f"{estimated:.1f}", f"{took:.1f}", f"{estimated / took:.2f}"])
    print(table(["run", "estimated s", "took s", "estimated over took"], rows))
    save("store.plan", {"runs": found})


def _inlay(project: Path, *arguments: str) -> str:
    ran = subprocess.run([str(_BIN / "inlay"), *arguments], cwd=project, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def _seconds(output: str) -> float:
    return sum(float(s.replace(",", "")) for s in re.findall(r"about ([\d.,]+) s", output))


def _child(function: Callable[..., Any], *arguments: Any) -> Any:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


PARTS = {"known": known, "overhead": overhead, "large": large, "builds": builds, "plan": plan}
SHORT = ("known", "overhead", "large")
