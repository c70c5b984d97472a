"""The texts that the programs read: reviews and tickets of the example project, recombined.

Two thousand real sentences and their clauses, in a dozen languages, drawn anew under a fixed seed until there are as
many distinct texts as asked for. Equal arguments give equal texts on every machine.

short   one or two clauses, about 12 tokens
long    sentences up to a length drawn per text: about 90 tokens in the mean, one in fifty beyond the 256 that the
        default model reads
mixed   half short, half long, shuffled
"""

from __future__ import annotations

import csv
import os
import random
import re
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq

SEEDS = Path(__file__).parent.parent / "example_project" / "seeds"
SETS = ("short", "long", "mixed")

_SEED = 7


def make_texts(name: str, n_rows: int) -> list[str]:
    """n_rows distinct texts of one of SETS; the first rows of a larger set are those of a smaller one.

    >>> len(set(make_texts("mixed", 100)))
    100
    """
    if name == "mixed":
        short, long = make_texts("short", (n_rows + 1) // 2), make_texts("long", n_rows // 2)
        together = [text for pair in zip(short, long, strict=False) for text in pair] + short[len(long) :]
        # Shuffled in small blocks, so that every beginning of the set is as mixed as the whole.
        draw = random.Random(_SEED)
        blocks = [together[start : start + 64] for start in range(0, n_rows, 64)]
        for block in blocks:
            draw.shuffle(block)
        return [text for block in blocks for text in block]
    draw = random.Random(f"{_SEED} {name}")
    one = _one_short if name == "short" else _one_long
    found: dict[str, None] = {}
    while len(found) < n_rows:
        found.setdefault(one(draw))
    return list(found)


def labelled(table: str, label: str) -> tuple[list[str], list[str]]:
    """(texts, labels) of the rows of seeds/raw_<table>.csv whose column `label` is filled."""
    rows = [row for row in _seed_rows(table) if row[label] and row["body"].strip()]
    return [row["body"] for row in rows], [row[label] for row in rows]


def distinct_rows(file: str) -> tuple[list[str], list[str]]:
    """(texts, labels) of a Parquet file of INLAY_BENCH_DATA, each text once; none, and a line that says so, without
    it."""
    path = Path(os.environ.get("INLAY_BENCH_DATA", "")) / file
    if not path.is_file():
        print(f"left out: INLAY_BENCH_DATA names no folder with {file}")
        return [], []
    rows = pq.read_table(path).select(["text", "label"]).to_pydict()
    by_text = dict(zip(rows["text"], map(str, rows["label"]), strict=True))
    return list(by_text), list(by_text.values())


def _one_short(draw: random.Random) -> str:
    clauses, _ = _pieces()
    wanted = draw.randint(2, 6)  # words
    text = draw.choice(clauses)
    while len(text.split()) < wanted:
        text = f"{text}, {draw.choice(clauses)}"
    return text


def _one_long(draw: random.Random) -> str:
    _, sentences = _pieces()
    wanted = draw.lognormvariate(3.8, 0.62)  # words
    picked: list[str] = []
    n_words = 0
    while n_words < wanted:
        picked.append(draw.choice(sentences))
        n_words += len(picked[-1].split())
    return " ".join(picked)


@cache
def _pieces() -> tuple[list[str], list[str]]:
    """(clauses of one to eight words, sentences of three to forty), each once."""
    bodies = [row["body"] for table in ("reviews", "tickets") for row in _seed_rows(table)]
    sentences = {part.strip() for body in bodies for part in re.split(r"(?<=[.!?])\s+", body)}
    clauses = {part.strip(" .!?") for sentence in sentences for part in re.split(r"[,;:–]\s+", sentence)}
    return (
        sorted(part for part in clauses if 1 <= len(part.split()) <= 8 and len(part) > 3),
        sorted(part for part in sentences if 3 <= len(part.split()) <= 40),
    )


@cache
def _seed_rows(table: str) -> list[dict[str, str]]:
    with (SEEDS / f"raw_{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
