"""A process that is killed while a language model writes: finished replies are stored, and few are under way, on each of
the ways in which a model writes.

Rows are counted in a file as the model begins them. Of 300, those begun by both runs were finished and not yet stored
when the process was killed, or under way then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from inlay.backends.decoders.whole_batches import CPU_ROWS
from support.tiny_language_models import TinyLanguageModels

pytest_plugins = ("support.tiny_models", "support.tiny_language_models")

N_ROWS, KILLED_AFTER = 300, 150

# A batch takes 20 steps of 10 ms and is stored within 0.1 s: the one under way, the one before it, and what is begun
# while they are stored.
BEGUN_TWICE_AT_MOST = 3 * CPU_ROWS

PROGRAM = f"""
import os, sys, time
import inlay
from inlay.backends.decoders import decoding, whole_batches
from inlay.engine import finished
finished.STORE_S = 0.1
begun = os.open("begun", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
made, take = whole_batches.Batch.__init__, whole_batches.Batch.take
def counted(batch, drafts, *rest):
    os.write(begun, b"%d\\n" % len(drafts))
    made(batch, drafts, *rest)
def slow(batch, logits):
    time.sleep(0.01)
    return take(batch, logits)
whole_batches.Batch.__init__, whole_batches.Batch.take = counted, slow
con = inlay.connect(
    "made.duckdb", models={{"tiny": {{"source": sys.argv[1]}}}}, language_model="tiny", device="cpu", store="kept",
    progress="off",
)
con.execute(
    "create or replace table made as select i, ai_complete(concat('text ', i), max_tokens := 20) as reply "
    "from range({N_ROWS}) r(i)"
)
"""


def run(folder: Path, model: Path, kill_after: int | None) -> int:
    with (folder / "printed").open("ab") as printed:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(model)],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("INLAY_")},
        )  # fmt: skip
        while kill_after is not None and process.poll() is None:
            if begun_rows(folder) >= kill_after:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
        return process.wait(600)


def begun_rows(folder: Path) -> int:
    path = folder / "begun"
    return sum(map(int, path.read_text().split())) if path.exists() else 0


@pytest.mark.parametrize("family", ["mamba", "t5"])
def test_a_kill_loses_little_where_all_rows_of_a_batch_start_together(
    family: str, tmp_path: Path, language_models: TinyLanguageModels
) -> None:
    model = language_models.folder(family)
    assert run(tmp_path, model, KILLED_AFTER) == -signal.SIGKILL, (tmp_path / "printed").read_text()
    begun = begun_rows(tmp_path)
    assert begun < N_ROWS
    assert run(tmp_path, model, None) == 0, (tmp_path / "printed").read_text()
    with duckdb.connect(str(tmp_path / "made.duckdb"), read_only=True) as con:
        ((n_rows, n_distinct, n_replies),) = con.execute(
            "select count(*), count(distinct i), count(reply) from made"
        ).fetchall()
    assert n_rows == n_distinct == N_ROWS and n_replies > 200
    # A reply that is empty fails its row, which is asked for again: random weights write some.
    again = begun_rows(tmp_path) - N_ROWS
    assert 0 <= again <= BEGUN_TWICE_AT_MOST + N_ROWS - n_replies, f"{again} of {begun} rows were begun twice"
