"""What does the first row cost in a process that starts from nothing?

Each line is a Python program of its own, run to its end; the programs take turns. CPU seconds are what the operating
system counted for the process, all threads. Files are in the page cache, as they are on any machine after the first
time.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field

from bench.encoders import model_folder
from bench.report import median, save, spread, table

BASE = "sentence-transformers, first vector"

_PROGRAMS = {
    "python alone": "pass",
    "import inlay": "import inlay",
    "inlay.connect()": "import inlay; inlay.connect()",
    "inlay, first vector in SQL": (
        "import inlay; inlay.connect(progress='off').sql(\"select ai_embed('hello')\").fetchall()"
    ),
    "inlay, first vector after import transformers": (
        "import inlay, transformers; transformers.AutoModel; "
        "inlay.connect(progress='off').sql(\"select ai_embed('hello')\").fetchall()"
    ),
    "import torch": "import torch",
    BASE: "from sentence_transformers import SentenceTransformer; SentenceTransformer({folder!r}).encode(['hello'])",
}


@dataclass
class _Seconds:
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


def first_row(short: bool) -> None:
    found = {name: _Seconds() for name in _PROGRAMS}
    rounds = 3 if short else 7
    for number in range(rounds + 1):
        for name, program in _PROGRAMS.items():
            wall_s, cpu_s = _run(program.format(folder=str(model_folder())))
            if number:  # the first round fills the page cache
                found[name].wall_s.append(wall_s)
                found[name].cpu_s.append(cpu_s)
    base = median(found[BASE].cpu_s)
    rows = [
        [name, spread(seconds.cpu_s), spread(seconds.wall_s), f"{median(seconds.cpu_s) / base:.2f}"]
        for name, seconds in found.items()
    ]
    print(f"{rounds} rounds\n")
    print(table(["program", "CPU s", "wall s", "CPU over sentence-transformers"], rows))
    save("cold_start.first_row", {name: vars(seconds) for name, seconds in found.items()})


def _run(program: str) -> tuple[float, float]:
    started = time.perf_counter()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", program],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
    )
    _, status, used = os.wait4(pid, 0)
    wall_s = time.perf_counter() - started
    if status:
        raise RuntimeError(f"this program failed: {program}")
    return wall_s, used.ru_utime + used.ru_stime


PARTS = {"first_row": first_row}
