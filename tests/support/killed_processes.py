"""Processes that are killed at any moment: what their fake model was asked, and what the store has of it."""

from __future__ import annotations

from pathlib import Path

import duckdb

from inlay.backends.fake import fake_row

# Counts in a file that survives the process, and is slow enough to be killed at any moment.
_COUNTED = """
import os, sys, time
from inlay.backends.fake import FakeBackend
from inlay.engine.executors import local
run, counts = FakeBackend.run, os.open("counts", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def counted(self, tokens):
    os.write(counts, b"%d\\n" % (len(tokens.offsets) - 1))
    time.sleep(SLEEP_S)
    return run(self, tokens)
FakeBackend.run, local.STORE_S = counted, STORE_S
"""


def counted_program(main: str, *, sleep_s: float = 0.02, store_s: float = 1.0) -> str:
    """Python that runs `main` with a fake model whose texts are counted in the file `counts` of its folder. sleep_s: what
    a batch takes at least. store_s: how often what is finished is stored."""
    return (
        _COUNTED.replace("SLEEP_S", str(sleep_s), 1).replace(
            "STORE_S = counted, STORE_S", f"STORE_S = counted, {store_s}"
        )
        + main
    )


def counted_texts(folder: Path) -> int:
    """Texts that the models of all such programs in this folder were given."""
    counts = folder / "counts"
    return sum(map(int, counts.read_text().split())) if counts.exists() else 0


def stored_keys(store: Path) -> int:
    """Distinct keys that the store holds, counted without inlay."""
    files = [str(path) for path in store.glob("results/*/*.parquet")]
    if not files:
        return 0
    with duckdb.connect() as con:
        (row,) = con.execute("select count(distinct key) from read_parquet($1)", [files]).fetchall()
    return int(row[0])


def unit_vector(text: str) -> list[float]:
    """The fake model's vector of a text, as ai_embed returns it."""
    row = fake_row(text, 8)
    return list(row / (row @ row) ** 0.5)
