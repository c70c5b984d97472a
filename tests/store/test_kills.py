"""Kills at any moment: `inlay infer`, `dbt build` and two plain scripts, by signals 9, INT and TERM.

Each kill has a store of its own: the program is killed once its model has read so many texts, drawn from a seed, and
then run again to its end. Counted are texts that the store lacks (lost), rows that the result has twice (duplicated),
and texts that the model read more than once (recomputed). Short in `make test`; `make kills` does 50 of each program.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from inlay.functions.classify import EMBED_TEMPLATES
from support.killed_processes import counted_program, counted_texts, stored_keys

KILLS = int(os.environ.get("INLAY_KILLS", "3"))
"""Of each program; a third by each signal."""

SIGNALS = [signal.SIGKILL, signal.SIGINT, signal.SIGTERM]
N_ROWS, N_DISTINCT = 10_000, 9_000
NUMBERS = f"select i, i % {N_DISTINCT} as k from range({N_ROWS}) r(i)"
TEXTS = f"select i, concat('text ', k, repeat('.', 40 + k % 7 * 5)) as body from ({NUMBERS})"
EMBEDS, JUDGES = "ai_embed(body)[1]", "ai_classify(body, ['a', 'b'])"
ANSWERS = f"select i, {EMBEDS} as x from ({TEXTS})"

# A batch of the model has some 250 texts and takes 0.05 s here. What is finished is stored every 0.2 s in these programs
# (every second elsewhere): 1,000 texts, the batch in flight, and what is read while they are written.
SLEEP_S, STORE_S, RECOMPUTED_AT_MOST = 0.05, 0.2, 2_500

DEFAULT_SIGNALS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


@dataclass(frozen=True)
class Program:
    """main: Python that runs it. database: where its rows are afterwards, and None for what keeps answers alone."""

    main: str
    arguments: tuple[str, ...] = ()
    database: str | None = None


PROGRAMS: Mapping[str, Program] = {
    "infer": Program(
        "from inlay.cli.main import main; sys.exit(main(sys.argv[1:]))",
        ("infer", "--file", "asks.sql", "--model", "fake", "--store", "kept"),
    ),
    "script": Program(
        "import inlay\ncon = inlay.connect('made.duckdb', model='fake', store='kept')\n"
        f'con.execute("create or replace table made as {ANSWERS}")',
        database="made.duckdb",
    ),
    "answers": Program(  # of numbers that are not stored
        "import inlay\ncon = inlay.connect('made.duckdb', model='fake', store='kept', store_vectors=False)\n"
        f'con.execute("create or replace table made as {ANSWERS.replace(EMBEDS, JUDGES)}")',
        database="made.duckdb",
    ),
    "dbt": Program(
        "from dbt.cli.main import cli; cli()", ("build", "--no-use-colors", "--quiet"), database="made.duckdb"
    ),
}

FILES = {
    "asks.sql": ANSWERS,
    "dbt_project.yml": (
        "{name: killed, version: '1.0', config-version: 2, profile: killed, "
        "flags: {send_anonymous_usage_stats: false}, models: {killed: {+materialized: table}}}"
    ),
    "profiles.yml": (
        "{killed: {target: dev, outputs: {dev: {type: duckdb, path: made.duckdb, threads: 2, "
        "plugins: [{module: inlay.dbt_plugin, config: {model: fake, store: kept}}]}}}}"
    ),
    "models/made.sql": ANSWERS,
}


def program_text(program: Program) -> str:
    return counted_program(DEFAULT_SIGNALS + program.main, sleep_s=SLEEP_S, store_s=STORE_S)


def run(program: Program, folder: Path, until: Callable[[subprocess.Popen[bytes]], None]) -> int:
    with (folder / "printed").open("ab") as printed:
        process = subprocess.Popen(
            [sys.executable, "-c", program_text(program), *program.arguments],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith(("INLAY_", "DBT_"))},
        )  # fmt: skip
        until(process)
        return process.wait(600)  # on a machine that does other things as well


@pytest.mark.parametrize("number", range(KILLS))
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_kill_loses_nothing_that_was_stored_and_repeats_little(tmp_path: Path, name: str, number: int) -> None:
    program, sent = PROGRAMS[name], SIGNALS[number % len(SIGNALS)]
    chance = random.Random(f"{name} {number}")
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    aim, then_s = chance.randrange(N_DISTINCT), chance.uniform(0, 0.05)

    def kill(process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None and counted_texts(tmp_path) <= aim:
            time.sleep(0.002)
        time.sleep(then_s)
        process.send_signal(sent)

    status = run(program, tmp_path, kill)
    read = counted_texts(tmp_path)
    sys.stdout.write(
        f"{name}, {sent.name} after {read:,} texts: status {status}, {stored_keys(tmp_path / 'kept'):,} stored\n"
    )
    assert run(program, tmp_path, lambda _: None) == 0, (tmp_path / "printed").read_text()
    n_labels = 2 * len(EMBED_TEMPLATES) if name == "answers" else 0  # whose vectors each run computes
    recomputed = counted_texts(tmp_path) - N_DISTINCT - n_labels
    assert stored_keys(tmp_path / "kept") == N_DISTINCT  # none is lost
    assert 0 <= recomputed <= RECOMPUTED_AT_MOST, f"{recomputed:,} of {read:,} were read again"
    if program.database is not None:
        with duckdb.connect(str(tmp_path / program.database), read_only=True) as con:
            counts = con.execute("select count(*), count(distinct i), count(x) from made").fetchall()
        assert counts == [(N_ROWS, N_ROWS, N_ROWS)]
    assert not list(tmp_path.rglob("quarantine"))
