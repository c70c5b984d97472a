"""python -m bench [--short] [name …]: runs all programs, those named, or one part of one (embed.mixed).

Every program states its question, prints tables and writes bench/results/<program>.<part>.json. One that fails does not
keep the others from running; the exit status is then 1. `python -m bench.two_checkouts` is run by itself: it compares
this checkout with another.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
import traceback

from bench.report import machine_line

PROGRAMS = (
    "embed",
    "generation",
    "engine",
    "cold_start",
    "interactive",
    "memory",
    "store",
    "planner",
    "dbt_project",
    "semantic_join",
    "cascade",
    "zero_shot",
    "examples",
    "decide",
    "heads",
    "to_label",
    "calibration",
    "sentiment",
    "language_quality",
    "constrained",
    "http",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PROGRAMS)}; program.part for one part of it")
    parser.add_argument("--short", action="store_true", help="fewer rows and rounds: minutes for everything")
    given = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    print(machine_line())
    failed: list[str] = []
    for name in given.names or PROGRAMS:
        program, _, part = name.partition(".")
        if program not in PROGRAMS:
            parser.error(f"no program {program!r}; there are {', '.join(PROGRAMS)}")
        module = importlib.import_module(f"bench.{program}")
        parts = getattr(module, "SHORT", tuple(module.PARTS)) if given.short and not part else tuple(module.PARTS)
        if part and part not in module.PARTS:
            parser.error(f"{program} has no part {part!r}; it has {', '.join(module.PARTS)}")
        print(f"\n== {program}: {module.__doc__.strip()}")
        for each in (part,) if part else parts:
            wall, cpu = time.perf_counter(), _cpu_s()
            print(f"\n-- {program}.{each}\n")
            try:
                module.PARTS[each](given.short)
            except Exception:
                traceback.print_exc()
                failed.append(f"{program}.{each}")
            print(f"\n({time.perf_counter() - wall:.0f} s, {_cpu_s() - cpu:.0f} s of CPU)", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _cpu_s() -> float:
    """Of this process and of those that it has waited for."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    sys.exit(main())
