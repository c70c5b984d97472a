"""Is this version slower than another?

    python -m bench.two_checkouts ../inlay-before [--short] [--pairs 7] [--only classify known]

Each measurement is a process of its own (one_checkout.py), in turn with one of the other checkout; which of the two
goes first changes from pair to pair. Both run on the Python and the packages of this process, and on models that cost
nothing. Ratios are the other's seconds over this one's: below 1 this version is slower. The control is a statement
that inlay has no part in; where its ratio is not 1, the others are no surer than that.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.planner import long_model
from bench.report import machine_line, median, save, spread, table

HERE = Path(__file__).parents[1]
SLOWER = 0.95

_TABLES = (
    "create table vips as select i as id, 'customer ' || i as name from range(20) r(i); "
    "create table tickets as select i as id, 'message ' || i as body, 'subject ' || i as subject, i % 10 as priority, "
    "i % 40 as customer_id, 'PT' as country, timestamp '2026-01-01' as created_at from range(200) r(i)"
)

Seconds = dict[str, tuple[float, float]]
"""Wall and CPU seconds of each line."""


def sizes(short: bool) -> dict[str, dict[str, Any]]:
    """Arguments of each part, and a part for each program that is timed from its start to its end."""
    few = 10 if short else 1
    return {
        "import inlay": {},
        "inlay.connect()": {},
        "classify": {"n_distinct": 50_000 // few, "n_repeated": 200_000 // few},
        "embed": {"n": 50_000 // few},
        "complete": {"n": 10_000 // few},
        "known": {"n": 200_000 // few},
        "planning": {"statement": long_model(), "tables": _TABLES},
    }


_PROGRAMS = {"import inlay": "import inlay", "inlay.connect()": "import inlay; inlay.connect()"}


def compare(other: Path, parts: Mapping[str, dict[str, Any]], pairs: int) -> dict[str, dict[str, list[Any]]]:
    """Of each line of each part: the seconds of the other checkout and of this one, a pair a round."""
    found: dict[str, dict[str, list[Any]]] = {}
    shown: set[str] = set()  # as soon as a part is measured: all of them take long
    checkouts = {"other": other, "this": HERE}
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in parts.items():
            stores = {}
            if name == "known":
                for side, checkout in checkouts.items():
                    stores[side] = {"store": f"{folder}/{side}"}
                    _measure(checkout, "fill_store", {**arguments, **stores[side]})
            for number in range(pairs + 1):
                for side in ("other", "this") if number % 2 else ("this", "other"):
                    seconds = _measure(checkouts[side], name, {**arguments, **stores.get(side, {})})
                    if number:  # the first pair fills the page cache
                        for line, taken in seconds.items():
                            found.setdefault(line, {"other": [], "this": []})[side].append(taken)
            done = {line: seconds for line, seconds in found.items() if line not in shown}
            shown |= done.keys()
            print("\n".join(" | ".join(row) for row in lines(done)), file=sys.stderr, flush=True)
    return found


def _measure(checkout: Path, name: str, arguments: dict[str, Any]) -> Seconds:
    if name in _PROGRAMS:
        return {name: _whole_process(checkout, _PROGRAMS[name])}
    ran = _python(checkout, [str(HERE / "bench" / "one_checkout.py"), name], json.dumps(arguments))
    answer = json.loads(ran.splitlines()[-1])
    if not Path(answer["package"]).is_relative_to(checkout / "adapter"):
        raise RuntimeError(f"{checkout} was to be measured, but Python imported {answer['package']}")
    seconds: Seconds = answer["seconds"]
    return seconds


def _whole_process(checkout: Path, program: str) -> tuple[float, float]:
    # os.times() counts hundredths of a second, of which such a program may take none.
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    _python(checkout, ["-c", program], "")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _python(checkout: Path, arguments: list[str], given: str) -> str:
    """What a program prints. -P: its folder, whose files are named after what they measure, is not searched."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "adapter")}
    ran = subprocess.run(
        [sys.executable, "-P", *arguments], input=given, env=environment, cwd=checkout, capture_output=True, text=True
    )
    if ran.returncode:
        raise RuntimeError(f"{' '.join(arguments)[:200]} failed in {checkout}:\n{ran.stderr}")
    return ran.stdout


def lines(found: Mapping[str, Mapping[str, list[Any]]]) -> list[list[str]]:
    """A row of the table for each line."""
    rows = []
    for line, seconds in found.items():
        row = [line, *(f"{median([wall for wall, _ in seconds[side]]):.3f}" for side in ("other", "this"))]
        for clock in range(2):
            before, now = ([taken[clock] for taken in seconds[side]] for side in ("other", "this"))
            ratio = median(before) / median(now)
            row += [f"{ratio:.2f}{' slower' if ratio < SLOWER else ''}"]
            row += [spread([b / n for b, n in zip(before, now, strict=True)])]
        rows.append(row)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.two_checkouts", description=__doc__.split("\n")[0])
    parser.add_argument("other", type=Path, help="the folder of another checkout")
    parser.add_argument("--short", action="store_true", help="a tenth of the rows")
    parser.add_argument("--pairs", type=int, default=7, help="pairs of processes for each part; default 7")
    parser.add_argument("--only", nargs="*", default=[], metavar="PART", help=f"of {', '.join(sizes(True))}")
    given = parser.parse_args()
    other = given.other.resolve()
    if not (other / "adapter" / "inlay" / "__init__.py").is_file():
        parser.error(f"{other} is no checkout of inlay: it has no adapter/inlay. Give the folder that holds adapter/.")
    parts = sizes(given.short)
    if unknown := set(given.only) - set(parts):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    print(machine_line())
    found = compare(other, {name: parts[name] for name in given.only or parts}, given.pairs)
    columns = ["what", "other s", "this s", "other / this, wall", "of pairs", "other / this, CPU", "of pairs"]
    print(f"\n{other} over {HERE}, {given.pairs} pairs; below 1 this one is slower\n")
    print(table(columns, lines(found)))
    save("two_checkouts", {"other": str(other), "seconds": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
