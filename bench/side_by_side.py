"""Several ways of doing the same work, measured in turns.

Each way lives in a process of its own, so that no library changes another's threads, allocator or environment, and so
that the CPU seconds of a turn are its own. Turns are interleaved: round after round every way runs once, so that what
else happens on the machine hits all of them alike. Only ratios within a round are compared.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


class Way(Protocol):
    """Built once in its process: loads the model. `note` is printed behind the way's name."""

    note: str

    def ready(self, texts: list[str]) -> None:
        """Before every turn, not measured: nothing of these texts may be known afterwards."""
        ...

    def run(self) -> None:
        """One turn, measured."""
        ...

    def vectors(self) -> Vectors:
        """What the last turn found, one row per text in their order; not measured."""
        ...


@dataclass(frozen=True)
class Entry:
    """One line of a table. way: 'module:class', built with `options` in a process with `environment` added.

    rows: how many of the texts it gets; None means all. A slow way gets fewer, and is compared by rows per second.
    once: it takes part in the first round only.
    """

    name: str
    way: str
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    once: bool = False


@dataclass
class Turns:
    """Of one way: seconds of every round, and its answers in the last one."""

    name: str
    n_rows: int
    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    vectors: Vectors | None = None
    note: str = ""

    def faster_than(self, base: Turns, clock: str) -> list[float]:
        """Rows per second over those of `base`, for every round. clock: 'wall_s' or 'cpu_s'."""
        mine, theirs = getattr(self, clock), getattr(base, clock)
        return [(self.n_rows / m) / (base.n_rows / t) for m, t in zip(mine, theirs, strict=False)]

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "note": self.note, "rows": self.n_rows, "wall_s": self.wall_s, "cpu_s": self.cpu_s}


def take_turns(entries: Sequence[Entry], texts: list[str], rounds: int) -> list[Turns]:
    """Runs every entry `rounds` times, after one turn on a few texts to warm up. Entries whose libraries are missing
    are left out with a line that says so."""
    context = multiprocessing.get_context("spawn")
    once = {entry.name for entry in entries if entry.once}
    running: list[tuple[Any, Connection, Turns]] = []
    try:
        for entry in entries:
            mine, theirs = context.Pipe()
            given = texts[: entry.rows]
            process = context.Process(target=_serve, args=(theirs, entry.way, dict(entry.options), given), daemon=True)
            with _Environment(entry.environment):
                process.start()
            theirs.close()
            running.append((process, mine, Turns(entry.name, len(given))))
            # One after the other: models that load side by side disturb each other's choice of batch size.
            kind, value = mine.recv()
            if kind == "missing":
                print(f"{entry.name}: left out, {value}")
                running.pop()
            else:
                running[-1][2].note = value
        for number in range(rounds):
            for _, pipe, turns in running if number % 2 == 0 else reversed(running):
                if number and turns.name in once:
                    continue
                pipe.send("run")
                _, (wall_s, cpu_s) = pipe.recv()
                turns.wall_s.append(wall_s)
                turns.cpu_s.append(cpu_s)
        for _, pipe, turns in running:
            pipe.send("vectors")
            _, turns.vectors = pipe.recv()
    finally:
        for process, pipe, _ in running:
            pipe.close()
            process.join(5)
            if process.is_alive():
                process.kill()
    return [turns for _, _, turns in running]


def _serve(pipe: Connection, way: str, options: dict[str, Any], texts: list[str]) -> None:
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    module, _, name = way.partition(":")
    try:
        built: Way = getattr(importlib.import_module(module), name)(**options)
    except ImportError as error:
        pipe.send(("missing", str(error)))
        return
    built.ready(texts[:32])
    built.run()
    pipe.send(("note", built.note))
    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            return
        if asked == "run":
            built.ready(texts)
            wall, cpu = time.perf_counter(), time.process_time()
            built.run()
            pipe.send(("seconds", (time.perf_counter() - wall, time.process_time() - cpu)))
        else:
            pipe.send(("vectors", built.vectors()))


class _Environment:
    """Added to this process's environment while a child starts."""

    def __init__(self, added: Mapping[str, str]) -> None:
        self._added = added

    def __enter__(self) -> None:
        self._before = {name: os.environ.get(name) for name in self._added}
        os.environ.update(self._added)

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
